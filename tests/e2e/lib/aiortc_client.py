"""WHIP and WHEP by aiortc, a WebRTC stack of its own.

aiortc_client.py play URL TOKEN PERSON HZ       says "seen and heard" when it has both
aiortc_client.py publish URL TOKEN PERSON HZ R,G,B
--sha1 before that: it can do no other SRTP than AES_CM_128_HMAC_SHA1_80. Which one the handshake
took is printed before the end.
Ends, with DELETE, when standard input ends.
"""

import asyncio
import math
import sys
import urllib.parse
import urllib.request

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription, rtcdtlstransport
from publish_media import CHUNK, HERTZ, RATE, picture, sound


def request(method, url, token, body=None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    call = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(call, timeout=20) as answer:
        return answer.status, answer.headers, answer.read().decode()


async def connect(peer, url, token):
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp.encode()
    status, headers, answer = await asyncio.to_thread(request, "POST", url, token, offer)
    assert status == 201, status
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return urllib.parse.urljoin(url, headers["Location"])


def person_of(frame):
    """The four bits of person in a picture, by the brightness of their blocks."""
    plane = frame.reformat(format="gray").planes[0]
    data, scale = bytes(plane), frame.width / 320
    row = int(144 * frame.height / 180) * plane.line_size
    bits = [data[row + int((16 + i * 36 + 18) * scale)] > 128 for i in range(4)]
    return sum(bit << 3 - i for i, bit in enumerate(bits))


def share(samples, rate, hertz):
    """Power of one frequency, relative to all (Goertzel)."""
    w = 2 * math.pi * hertz / rate
    re = sum(value * math.cos(w * n) for n, value in enumerate(samples))
    im = sum(value * math.sin(w * n) for n, value in enumerate(samples))
    total = sum(value * value for value in samples)
    return 2 * (re * re + im * im) / (len(samples) * total) if total else 0


async def watch(track, person):
    times = 0
    while times < 20:
        frame = await track.recv()
        times += person_of(frame) == person


async def listen(track, hertz):
    heard = []
    while True:
        frame = await track.recv()
        data = memoryview(bytes(frame.planes[0])).cast("h")
        heard.extend(data[: frame.samples * 2 : 2])
        if len(heard) >= 9_600:
            if share(heard, frame.sample_rate, hertz) > 0.5:
                return
            heard.clear()


async def play(url, token, person, hertz):
    peer, tasks = RTCPeerConnection(), []
    for kind in ("audio", "video"):
        peer.addTransceiver(kind, direction="recvonly")

    @peer.on("track")
    def on_track(track):
        job = watch(track, person) if track.kind == "video" else listen(track, hertz)
        tasks.append(asyncio.ensure_future(job))

    resource = await connect(peer, url, token)
    await asyncio.gather(*tasks)
    print("seen and heard", flush=True)
    return peer, resource


class Made(MediaStreamTrack):
    """Pictures or sound at their own pace."""

    def __init__(self, kind, per_second, make):
        super().__init__()
        self.kind, self.per_second, self.make = kind, per_second, make
        self.number, self.begun = 0, None

    async def recv(self):
        loop = asyncio.get_running_loop()
        self.begun = loop.time() if self.begun is None else self.begun
        await asyncio.sleep(max(0, self.begun + self.number / self.per_second - loop.time()))
        frame = self.make(self.number)
        self.number += 1
        return frame


async def publish(url, token, person, hertz, colour):
    peer = RTCPeerConnection()
    peer.addTrack(Made("audio", HERTZ // CHUNK, lambda n: sound(hertz, n * CHUNK)))
    peer.addTrack(Made("video", RATE, lambda n: picture(colour, person, n)))
    return peer, await connect(peer, url, token)


def profiles(peer):
    """What the handshakes took, from OpenSSL."""
    transports = {one.sender.transport for one in peer.getTransceivers()}
    return {one._ssl.get_selected_srtp_profile().decode() for one in transports}


async def main():
    if sys.argv[1] == "--sha1":
        del sys.argv[1]
        rtcdtlstransport.SRTP_PROFILES[:] = [rtcdtlstransport.SRTP_AES128_CM_SHA1_80]
    what, url, token, person, hertz = sys.argv[1:6]
    if what == "play":
        peer, resource = await play(url, token, int(person), float(hertz))
    else:
        colour = [int(part) for part in sys.argv[6].split(",")]
        peer, resource = await publish(url, token, int(person), float(hertz), colour)
    await asyncio.to_thread(sys.stdin.read)
    print("profile", *profiles(peer), flush=True)
    status, _, _ = await asyncio.to_thread(request, "DELETE", resource, token)
    assert status == 200, status
    await peer.close()


asyncio.run(main())

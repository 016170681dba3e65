"""Publishes a moving code and a tone by FFmpeg's WHIP muxer (PyAV) until standard input ends.

publish.py URL TOKEN PERSON HZ R,G,B [OPTION=VALUE of the video encoder ...]
"""

import sys
import threading
import time

import av
from publish_media import CHUNK, HEIGHT, HERTZ, RATE, WIDTH, picture, sound


def main():
    url, token, person, hertz, colour = sys.argv[1:6]
    colour = [int(part) for part in colour.split(",")]
    options = dict(option.split("=", 1) for option in sys.argv[6:])
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    # A machine under load needs longer than the two seconds that are the default.
    container = {"authorization": token, "handshake_timeout": "15000"}
    with av.open(url, "w", format="whip", options=container) as out:
        encoder = {"preset": "ultrafast", "tune": "zerolatency", "bf": "0"} | options
        video = out.add_stream("libx264", rate=RATE, options=encoder)
        video.width, video.height, video.pix_fmt, video.gop_size = WIDTH, HEIGHT, "yuv420p", RATE
        audio = out.add_stream("libopus", rate=HERTZ, options={"application": "lowdelay"})
        audio.layout = "stereo"
        begun, pictures, samples = time.monotonic(), 0, 0
        while not over.is_set():
            for packet in video.encode(picture(colour, int(person), pictures)):
                out.mux(packet)
            pictures += 1
            while samples * RATE < pictures * HERTZ:
                for packet in audio.encode(sound(float(hertz), samples)):
                    out.mux(packet)
                samples += CHUNK
            if pictures == 1:
                print("publishing", flush=True)
            ahead = begun + pictures / RATE - time.monotonic()
            if ahead > 0:
                over.wait(ahead)


main()

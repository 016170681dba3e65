"""The picture of fake-devices.mjs (a colour, four bits of person, four of time) and a tone."""

import array
import fractions
import math

import av

WIDTH, HEIGHT, RATE, HERTZ = 320, 180, 20, 48_000
CHUNK = HERTZ * 20 // 1000


def picture(colour, person, number):
    """One RGB picture; the time changes four times a second."""
    ticks = number * 4 // RATE & 15
    bits = person << 4 | ticks ^ ticks >> 1
    plain = bytes(colour) * WIDTH
    blocks = b"".join((b"\xff" if bits >> 7 - i & 1 else b"\0") * 3 * 36 for i in range(8))
    coded = bytes(colour) * 16 + blocks + bytes(colour) * (WIDTH - 16 - 8 * 36)
    frame = av.VideoFrame(WIDTH, HEIGHT, "rgb24")
    frame.planes[0].update(plain * 126 + coded * 36 + plain * (HEIGHT - 162))
    frame.pts, frame.time_base = number, fractions.Fraction(1, RATE)
    return frame


def sound(hertz, start):
    """20 ms of a tone, stereo."""
    samples = array.array("h")
    for n in range(start, start + CHUNK):
        value = int(9_000 * math.sin(2 * math.pi * hertz * n / HERTZ))
        samples.extend((value, value))
    frame = av.AudioFrame("s16", "stereo", CHUNK)
    frame.planes[0].update(samples.tobytes())
    frame.sample_rate, frame.pts = HERTZ, start
    frame.time_base = fractions.Fraction(1, HERTZ)
    return frame

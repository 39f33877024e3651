"""Someone signs before the camera of a page: pictures of one colour, at the tempo of a camera."""

from __future__ import annotations

import struct
import time

import cv2
import numpy as np

from tests.helpers.colour_network import COLOURS
from tests.helpers.site import Page

RATE = 25
SIGNED = " " * 20 + "R" * 16 + " " * 12 + "B" * 16 + " " * 36
"""Four seconds, a colour a picture."""


def make_jpeg(colour: str, width: int = 96, height: int = 64) -> bytes:
    """A picture of a colour, as a page sends it."""
    picture = np.full((height, width, 3), COLOURS[colour][::-1], np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


JPEGS = {colour: make_jpeg(colour) for colour in COLOURS}


def send(page: Page, seconds: float, data: bytes) -> None:
    """Send a picture with its time."""
    page.talk.send_bytes(struct.pack("<d", seconds) + data)


def sign(page: Page, signed: str = SIGNED, begin: float = 0.0, rate: float = RATE) -> None:
    """Send pictures at the tempo of a camera: their times must be those of a clock."""
    start = time.monotonic()
    for number, colour in enumerate(signed):
        send(page, begin + number / rate, JPEGS[colour])
        time.sleep(max(0.0, start + number / rate - time.monotonic()))


def stop(page: Page) -> tuple[list[dict], dict]:
    """Stop the camera; returns all messages until the transcript, which is given too."""
    page.say(type="camera", action="stop")
    messages = page.wait_for("transcript", "failed", "cancelled")
    return messages, messages[-1]


def start(page: Page) -> Page:
    """Use the camera, and wait until it is read."""
    page.say(type="camera", action="start")
    ready = page.wait_for("camera")[-1]
    assert (ready["state"], ready["rate"]) == ("ready", RATE)
    return page

"""What is drawn: the clip, as the network and as a person see it, and its heat."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

VIEWED = 480  # pixels: the longer side of the pictures, large enough for a hand to be seen in them

Region = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True)
class ShownClip:
    """A clip of which the network sees T frames.

    Attributes:
        name: the clip's name.
        frames: (N, size, size, 3) uint8 RGB as the recogniser takes them; N is T, or more where it leaves some out.
        pictures: (T, H, W, 3) uint8 RGB, the same frames as a person wants to see them; with even sides.
        region: left, top, right and bottom of the part of the pictures that the network sees, in pixels.
        rate: pictures a second.
        signed: the glosses; None if they are not known.
        notes: what was done to the frames, a sentence each.
    """

    name: str
    frames: np.ndarray
    pictures: np.ndarray
    region: Region
    rate: float
    signed: tuple[str, ...] | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class HeatMap:
    """What the network saw in a clip of T frames.

    Attributes:
        heat: (T, h, w) from 0, cold, to 1, each gloss on one scale over the whole clip: frames without evidence for
            their gloss are cold.
        glosses: each gloss with the frames (first, last + 1) in which it is signed, in order.
        recognised: the glosses that the network read.
        title: whose heat it is, in a few words.
    """

    heat: np.ndarray
    glosses: tuple[tuple[str, tuple[int, int]], ...]
    recognised: tuple[str, ...]
    title: str


def resize_for_viewing(frame: np.ndarray) -> np.ndarray:
    """Make the longer side of a frame (H, W, 3) `VIEWED` pixels long, and both sides even, which video codecs need."""
    factor = VIEWED / max(frame.shape[:2])
    height, width = (2 * max(1, round(side * factor / 2)) for side in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)

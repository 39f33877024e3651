"""What the files of this room hand to one another: the clip that is shown, and its heat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.ctc.forced_alignment import Span

Region = tuple[int, int, int, int]
"""A part of a picture in pixels: left, top, right and bottom."""


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
        heat: (T, h, w) from 0, cold, to 1, on one scale a gloss for the whole clip: frames without evidence for their
            gloss are cold.
        glosses: each gloss with the frames (first, last + 1) in which it is signed, in order.
        recognised: the glosses that the network read.
        title: whose heat it is, in a few words.
    """

    heat: np.ndarray
    glosses: tuple[tuple[str, Span], ...]
    recognised: tuple[str, ...]
    title: str

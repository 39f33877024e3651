"""Cropping the pictures of a video before they are read: to the square of the prepared frames."""

from __future__ import annotations

import numpy as np

from dataset.frames import resize_frame

CROPS = ("none", "centre")
"""What `crop_and_resize` may do with a picture that is no square."""


def crop_and_resize(frame: np.ndarray, size: int, crop: str = "none") -> np.ndarray:
    """Make a picture (H, W, 3) what prepared frames are: (size, size, 3).

    The second crop, from the prepared size to what the network sees, is the one of evaluation: `dataset.transforms`.

    Args:
        frame: uint8 RGB of any height and width.
        size: the side of prepared frames in pixels.
        crop: "none" squashes the whole picture, as the preparation of the corpora does; "centre" first cuts the
            largest square out of its middle.
    """
    if crop == "centre":
        top, left, side = centre_square(*frame.shape[:2])
        frame = frame[top : top + side, left : left + side]
    return resize_frame(frame, size)


def centre_square(height: int, width: int) -> tuple[int, int, int]:
    """Find the largest square in the middle of a picture: its top, left and side in pixels."""
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side

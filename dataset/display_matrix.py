"""The display matrix of a video: how its pictures are to be turned and mirrored before they are shown."""

from __future__ import annotations

import struct

import numpy as np

from dataset.frames import FrameError

SKEW = 0.01  # telephones write exact right angles; more than this share beside the axes is another angle


def orient(image: np.ndarray, matrix: bytes | None) -> np.ndarray:
    """Turn and mirror a picture as players do.

    The matrix takes the point (x, y), x to the right and y down, to (a x + c y, b x + d y). What it says of moving and
    stretching is left out, as by players.

    Args:
        image: (H, W, 3).
        matrix: the nine 32-bit integers a b u / c d v / x y w as FFmpeg gives them; None for pictures that are upright.

    Returns:
        (H, W, 3), or (W, H, 3) after a quarter turn.

    Raises:
        FrameError: the pictures are to be turned by an angle that is no right one.
    """
    a, b, c, d = read_axes(matrix)
    if (a, b, c, d) == (1, 0, 0, 1):
        return image
    if b:  # rows become columns
        image = image.transpose(1, 0, 2)
    right, down = a + c, b + d  # of the shown picture's axes, one of each pair is 0
    return np.ascontiguousarray(image[::down, ::right])


def swaps_sides(matrix: bytes | None) -> bool:
    """Whether the shown picture is as wide as the stored one is high; FrameError as for `orient`."""
    return read_axes(matrix)[1] != 0


def read_axes(matrix: bytes | None) -> tuple[int, int, int, int]:
    """Read a, b, c and d of a display matrix, each -1, 0 or 1.

    Raises:
        FrameError: the angle is no right one.
    """
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if not (a or b or c or d):
        return 1, 0, 0, 1  # an empty matrix says nothing
    straight, crossed = (abs(a), abs(d)), (abs(b), abs(c))
    if max(crossed) <= SKEW * min(straight):
        return _sign(a), 0, 0, _sign(d)
    if max(straight) <= SKEW * min(crossed):
        return 0, _sign(b), _sign(c), 0
    angle = np.degrees(np.arctan2(b, a))
    raise FrameError(
        f"the pictures are to be shown turned by {angle:.0f} degrees, which is no right angle: re-encode the video "
        "with a program that turns them"
    )


def _sign(value: int) -> int:
    return 1 if value > 0 else -1

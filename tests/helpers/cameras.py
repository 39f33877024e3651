"""A camera that is none: it gives the pictures of a list, in the place of `cv2.VideoCapture`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from evaluation.inference import frame_source


class FakeCapture:
    """Gives pictures, BGR as OpenCV does, and no frame for each None; after the last one no frame for ever.

    Args:
        pictures: what each call of `read` gives.
        rate: the calls a second that are answered; 0: at once.
        opens: whether there is such a camera.
    """

    def __init__(self, pictures: Iterable[np.ndarray | None], rate: float = 0, opens: bool = True) -> None:
        self._pictures: Iterator[np.ndarray | None] = iter(pictures)
        self.rate = rate
        self.opens = opens
        self.released = 0

    def isOpened(self) -> bool:  # noqa: N802  OpenCV's name
        return self.opens

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.rate:
            time.sleep(1 / self.rate)
        picture = next(self._pictures, None)
        return picture is not None, picture

    def release(self) -> None:
        self.released += 1


def put_cameras(monkeypatch: pytest.MonkeyPatch, *captures: FakeCapture) -> list[int]:
    """Let each camera that is opened be the next of these; returns the list of the numbers that were opened.

    Before the first of them comes one that is there if the first is: the program looks whether there is a camera.
    """
    opened: list[int] = []
    left = iter([*(FakeCapture([], opens=first.opens) for first in captures[:1]), *captures])

    def open_camera(number: int) -> FakeCapture:
        opened.append(number)
        return next(left)

    monkeypatch.setattr(frame_source.cv2, "VideoCapture", open_camera)
    return opened

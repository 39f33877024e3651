"""Frames as they come, with their times: of a camera, or of a file that is played as if it were one.

A source has a thread of its own, which hands each frame on at once. So the newest one is always there, and a network
that is slow never keeps a camera waiting.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from dataset.video import Video
from utils.errors import InputError

Feed = Callable[[np.ndarray, float], None]
"""Takes a frame, uint8 (H, W, 3) RGB, and the seconds of the stream at which it was seen; it returns quickly."""

PAUSE = 0.1
"""Seconds until a camera that gave no frame is asked again."""
REOPEN = 2.0
"""Seconds without a frame after which a camera is opened anew: it may have been unplugged and be back."""
GIVE_UP = 30.0
"""Seconds without a frame after which a camera has ended."""
LATE = 0.25
"""Seconds that a file's frame may be late before the file plays slower: decoding takes longer than playing then."""
CLOSING = 2.0
"""Seconds to wait for the thread of a source that ends: a camera may keep a call for longer."""


class CameraError(InputError):
    """A camera is not there, or gives no frames."""


class FrameSource(ABC):
    """Hands frames on in a thread of its own, from `start` to the end of the frames or `close`.

    Attributes:
        name: what it is called in transcripts.
        path: the file; of a camera a path that does not exist.
        problem: what ended it, if that was an error.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.problem: Exception | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._begin = 0.0  # of the stream, on the clock of time.monotonic

    def start(self, feed: Feed) -> None:
        """Begin to call `feed` with frames and times."""
        self._begin = time.monotonic()
        self._thread = threading.Thread(target=self._work, args=(feed,), name=self.name, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether all frames have been handed on."""
        return self._thread is not None and not self._thread.is_alive()

    def now(self) -> float:
        """The seconds of the stream at this moment."""
        return time.monotonic() - self._begin

    def close(self) -> None:
        """End it: no frame is handed on any more, unless one is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSING)

    def _work(self, feed: Feed) -> None:
        try:
            self._hand_on(feed)
        except Exception as error:
            self.problem = error

    @abstractmethod
    def _hand_on(self, feed: Feed) -> None:
        """Call `feed` with each frame, until there is none or `_stop` is set."""


class Camera(FrameSource):
    """A camera of this machine, by its number as OpenCV counts them.

    It is opened at once, to see whether it is there, and closed until it is started: an open camera keeps frames, and
    the first ones would be as old as the loading of a network takes. A frame's time is the moment at which it came. A
    camera that gives no frames is asked again, and opened anew.

    Raises:
        CameraError: it cannot be opened.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"camera{number}", Path(f"camera{number}"))
        self.number = number
        capture = self._open()
        is_there = capture.isOpened()
        capture.release()
        if not is_there:
            raise CameraError(
                f"camera {number} cannot be opened: it is not there, another program uses it, or you may not use it; "
                "give another number, or --live FILE to play a file as if live"
            )

    def _open(self) -> cv2.VideoCapture:
        with _silent_opencv():
            return cv2.VideoCapture(self.number)

    def _hand_on(self, feed: Feed) -> None:
        last = time.monotonic()
        capture, opened = self._open(), time.monotonic()
        try:
            while not self._stop.is_set():
                came, frame = capture.read()
                moment = time.monotonic()
                if came:
                    last = moment
                    feed(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), moment - self._begin)
                    continue
                if moment - last > GIVE_UP:
                    raise CameraError(f"camera {self.number} gave no frame for {GIVE_UP:g} s, so reading ends here")
                if moment - max(last, opened) > REOPEN:
                    capture.release()
                    capture, opened = self._open(), time.monotonic()  # opening may take longer than `REOPEN`
                self._stop.wait(PAUSE)
        finally:
            capture.release()  # here, since a camera must not be released while it is asked for a frame


class PlayedFile(FrameSource):
    """A video that is played as if live: each frame comes at its own time.

    Where decoding cannot keep pace it plays slower, and the clock with it: no frame is lost.

    Args:
        video: a file or a folder of images.
        name: what it is called in transcripts.
        speed: how many times as fast as it was recorded.
    """

    def __init__(self, video: Video, name: str, speed: float = 1.0) -> None:
        super().__init__(name, video.path)
        self.video = video
        self.speed = speed

    def now(self) -> float:
        """The seconds of the video at this moment."""
        first, *_, end = self.video.times
        return float(min(first + super().now() * self.speed, end))

    def _hand_on(self, feed: Feed) -> None:
        times = self.video.times
        frames = self.video.frames(range(self.video.num_frames))
        for moment, frame in zip(times[:-1], frames, strict=True):
            if self._wait_for(moment):
                return
            feed(frame, float(moment))
        self._wait_for(times[-1])

    def _wait_for(self, moment: float) -> bool:
        """Wait until the video is at `moment`, or `close` was called; returns whether it was."""
        early = (moment - self.video.times[0]) / self.speed - super().now()
        if early < -LATE:
            self._begin -= early
        return self._stop.wait(max(0.0, early))


@contextmanager
def _silent_opencv() -> Iterator[None]:
    """OpenCV prints lines of its own about a camera that is not there; the error says it."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)

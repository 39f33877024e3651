"""Reading the camera of a page while someone signs before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from dataset.image import FrameError, decode_image
from dataset.image_header import read_image_header
from evaluation.inference.live import Event, LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.recogniser import Recogniser
from page.camera_frames import CameraFrame, CameraFrames
from page.jobs import Job
from page.messages import describe_words
from page.recording import Recorder
from page.sessions import Answer

PATIENCE = 0.1
"""Seconds to wait for a picture before the clock is looked at."""
MOST_PIXELS = 1 << 24
"""Of a picture: twice those of a 4K camera."""
NAME = "camera"
LONGEST_TURN = 300.0
LONGEST_SILENCE = 10.0
"""Seconds after which a camera makes room, where others wait for it: of its turn, and without a picture."""


class Camera:
    """One recording of a page, from its start to its stop.

    Args:
        recogniser: the network with its decoder.
        settings: its windows.
        frames: where the page's pictures come in.
        recorder: what keeps those that are read.
    """

    def __init__(
        self, recogniser: Recogniser, settings: LiveSettings, frames: CameraFrames, recorder: Recorder
    ) -> None:  # fmt: skip
        self._recogniser = recogniser
        self._settings = settings
        self._frames = frames
        self._recorder = recorder
        self._first: float | None = None  # the time of the first picture that could be read: the stream begins there
        self._stopped, self._begun = threading.Event(), threading.Event()

    @property
    def has_begun(self) -> bool:
        """Whether its turn has come."""
        return self._begun.is_set()

    def stop(self) -> None:
        """End the recording, from any thread; what has come until now is still read."""
        self._stopped.set()

    def read(self, job: Job) -> Answer:
        """Read pictures until the page stops, and tell it every gloss.

        Args:
            job: the job that this is; its owner is told.

        Raises:
            Cancelled: nobody wants it any more.
            InputError: the network's output is not finite.
        """
        self._begun.set()
        with closing(self._recorder):
            live = self._read_all(job)
            job.owner.send({"type": "camera", "state": "ended", "lines": []})
            return Answer(live.transcript(NAME, Path(NAME)), self._recorder.finish())

    def _read_all(self, job: Job) -> LiveRecogniser:
        begin = time.monotonic()
        live = LiveRecogniser(self._recogniser, self._settings)
        teller = Teller(live, job)
        job.owner.send({"type": "camera", "state": "ready", "lines": [], "rate": self._recogniser.slot_rate})
        while not self._stopped.is_set():
            job.check()
            self._feed(live, self._frames.take(PATIENCE), job)
            teller.tell(live.poll(self._frames.now - (self._first or 0.0)))
            if job.waiting and (reason := self._find_end(time.monotonic() - begin)):
                job.owner.send({"type": "notice", "message": f"the camera was stopped, since others wait: {reason}"})
                break
        self._feed(live, self._frames.take(0), job)
        teller.tell(live.finish(), at_the_end=True)
        return live

    def _find_end(self, turn: float) -> str:
        """Say why others, who wait, shall come next after so many seconds of this turn; "" while they need not."""
        if min(turn, self._frames.silence) > LONGEST_SILENCE:
            return f"no picture came for {LONGEST_SILENCE:g} seconds"
        return f"it was on for {LONGEST_TURN / 60:g} minutes" if turn > LONGEST_TURN else ""

    def _feed(self, live: LiveRecogniser, frames: Iterable[CameraFrame], job: Job) -> None:
        for frame in frames:
            job.check()
            try:
                header = read_image_header(frame.data)
                if header.width * header.height > MOST_PIXELS:
                    job.owner.notice(f"pictures of {header.width}x{header.height} are too large: use a smaller size")
                    continue
                picture = decode_image(frame.data, "of the camera")
            except (FrameError, ValueError):
                job.owner.notice("some pictures of the camera came damaged, and were left out")
                continue
            if self._first is None:
                self._first = frame.time
            live.feed(picture, frame.time - self._first)
            self._recorder.keep(frame.data, frame.time - self._first)


class Teller:
    """Tells a page what a recogniser has read since it was told last."""

    def __init__(self, live: LiveRecogniser, job: Job) -> None:
        self._live = live
        self._job = job
        self._finals = 0  # that the page has
        self._readings = 0
        self._time = 0.0

    def tell(self, events: Iterable[Event], at_the_end: bool = False) -> None:
        """Tell it what is new.

        Args:
            events: what the recogniser has said.
            at_the_end: whether to tell it even if nothing is new.
        """
        for event in events:
            self._time = max(self._time, event.time)
            if event.kind == "notice":
                self._job.owner.send({"type": "notice", "message": event.message})
        new = self._live.finals[self._finals :]
        if not new and self._live.readings == self._readings and not at_the_end:
            return
        self._finals += len(new)
        self._readings = self._live.readings
        self._job.owner.send(
            {
                "type": "live",
                "finals": describe_words(new),
                "provisional": describe_words(self._live.provisional),
                "time": round(self._time, 3),
            }
        )

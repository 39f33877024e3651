"""The pictures of a camera that are kept on the disk, so that its glosses can be looked at after its end."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dataset.image import decode_image
from page.sessions import DISK_FULL, FULL_ERRORS
from page.uploads import has_room
from page.watched_video import WatchedVideo

NEAREST = 1e-3
"""Seconds between two pictures that are kept: no screen shows both of nearer ones."""
USUAL_RATE = 25.0
"""Pictures a second, of a recording of one."""


@dataclass(frozen=True)
class Recording(WatchedVideo):
    """The pictures of a camera, as they came, one behind the other in a file. Their sizes may differ.

    It is no file of a kind that players know, so that every picture is found at once, however long the recording is,
    and is decoded just as it was when it was read.

    Attributes:
        places: (T + 1,) the bytes of the file at which each picture begins, and at which the last one ends.
    """

    places: np.ndarray = field(kw_only=True)

    def frames(self, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
        """Read pictures in any order: uint8 (H, W, 3) RGB."""
        for index in indices:
            self.check()
            yield decode_image(self.read_picture(int(index)), "of the camera")

    def read_picture(self, index: int) -> bytes:
        """A picture as it came."""
        begin, end = (int(place) for place in self.places[index : index + 2])
        with self.path.open("rb") as file:
            file.seek(begin)
            return file.read(end - begin)

    def find_picture(self, seconds: float) -> int:
        """Find the picture that came nearest to a second of the recording."""
        return int(np.abs(self.times[:-1] - min(seconds, self.times[-1])).argmin())


class Recorder:
    """Writes the pictures of a camera to a file while they are read.

    Once it can keep no more, that is said, and later pictures are left aside; the reading goes on.

    Args:
        path: where the file will be; it is not there before the first picture.
        most: the bytes that it may have.
        say: called with a sentence when no more pictures are kept.
    """

    def __init__(self, path: Path, most: int, say: Callable[[str], None]) -> None:
        self._path = path
        self._most = most
        self._say = say
        self._file: BinaryIO | None = None
        self._times, self._places = array("d"), array("q", [0])
        self._has_ended = False

    def keep(self, data: bytes, time: float) -> None:
        """Keep a picture.

        Args:
            data: the bytes of the image, which was decoded without a fault.
            time: seconds since the first picture; those of pictures rise.
        """
        if self._has_ended or (self._times and time - self._times[-1] < NEAREST):
            return
        if fault := self._write(data):
            self._has_ended = True
            self._say(
                f"{fault}: from {time:.1f} s on the pictures of the camera are read, but not kept for heat maps, best "
                "guesses and the video"
            )
            return
        self._times.append(time)
        self._places.append(self._places[-1] + len(data))

    def _write(self, data: bytes) -> str:
        """Write to the file; returns why that cannot be, if so."""
        if self._places[-1] + len(data) > self._most:
            return f"the recording has reached {self._most / 2**20:g} MiB, and this server keeps no more"
        try:
            if has_room(self._path.parent, len(data)):
                if self._file is None:
                    self._file = self._path.open("xb", buffering=0)  # so that a full disk is known at once
                if self._file.write(data) == len(data):
                    return ""
        except OSError as error:
            if error.errno not in FULL_ERRORS:
                return f"the server cannot write ({error.strerror})"
        return DISK_FULL

    def close(self) -> None:
        """End the file."""
        self._has_ended = True
        if self._file is not None:
            self._file.close()

    def finish(self) -> Recording | None:
        """End the file; returns the recording, or None if no picture was kept. Then there is no file."""
        self.close()
        if not self._times:
            self._path.unlink(missing_ok=True)
            return None
        times = np.array(self._times)
        step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / USUAL_RATE
        times = np.append(times, times[-1] + step)
        rate = float((len(times) - 1) / (times[-1] - times[0]))
        return Recording(self._path, times, rate, places=np.array(self._places))

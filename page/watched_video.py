"""A video of a page that may go away at any moment: whoever reads it stops then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from dataset.video import Video, open_video

AnyVideo = TypeVar("AnyVideo", bound="WatchedVideo")


@dataclass(frozen=True)
class WatchedVideo(Video):
    """A video whose reading ends when `check` raises.

    Attributes:
        check: called before each frame.
    """

    check: Callable[[], None] = lambda: None

    def frames(self, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
        """Read frames as `Video` does."""
        for frame in super().frames(indices):
            self.check()
            yield frame

    def watched_by(self: AnyVideo, check: Callable[[], None]) -> AnyVideo:
        """The same video for another job, whose `check` is called."""
        return replace(self, check=check)


def watch_video(path: Path, folder_rate: float, check: Callable[[], None]) -> WatchedVideo:
    """Open an uploaded video.

    What is there of a damaged one is read, since the page has no option for it; its notes say what is wrong.

    Args:
        path: the file.
        folder_rate: as for `open_video`.
        check: called at each packet and before each frame; what it raises ends the reading.
    """
    video = open_video(path, folder_rate, allow_truncated=True, check=check)
    return WatchedVideo(**vars(video), check=check)

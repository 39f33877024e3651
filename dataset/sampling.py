"""Which frames of a video the network reads, and the way back from its clock to the video's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-6  # seconds: times that differ by less are equal


@dataclass(frozen=True)
class Sampling:
    """N frames out of a video.

    Attributes:
        indices: (N,) positions in the video, which never fall, with repeats where the video has too few frames.
        times: (N + 1,) seconds of the video at which each frame comes on, and at which the last one ends.
    """

    indices: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def seconds_at(self, position: float) -> float:
        """Find the seconds of the video at which frame `position` of these comes on; N and more is the end."""
        return float(np.interp(position, np.arange(len(self.times)), self.times))


def sample_every_frame(times: np.ndarray) -> Sampling:
    """Take all T frames of a video with `times` (T + 1,)."""
    return Sampling(np.arange(len(times) - 1), times)


def sample_at_rate(times: np.ndarray, rate: float) -> Sampling:
    """Take `rate` frames a second, each the one that begins nearest; of two equally near, the later.

    By time and not by number: telephones and screen recorders change the frame rate within a video.

    Args:
        times: (T + 1,) the seconds at which the video's frames come on, and at which the last one ends.
        rate: the frames a second that the network was trained on.
    """
    begin, end = times[0], times[-1]
    count = max(1, round((end - begin) * rate))
    wanted = begin + np.arange(count) / rate  # (N,)
    halfway = (times[:-2] + times[1:-1]) / 2  # (T - 1,)
    nearest = np.searchsorted(halfway, wanted + ROUNDING, side="right")
    return Sampling(nearest, np.append(wanted, max(end, wanted[-1])))


def thin_out_evenly(sampling: Sampling, limit: int) -> Sampling:
    """Take at most `limit` of the frames: all of them, or the first, the last and others at equal distances between."""
    if len(sampling) <= limit:
        return sampling
    kept = np.linspace(0, len(sampling) - 1, limit).round().astype(int)
    return Sampling(sampling.indices[kept], np.append(sampling.times[kept], sampling.times[-1]))

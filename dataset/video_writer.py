"""Writing video files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from utils.files import atomic_path

CLOCK = 90_000  # ticks a second, the clock of MPEG: each usual frame rate divides it
ENCODER = "libx264"
OPTIONS = {
    "crf": "12",  # hardly to be told from the original
    "preset": "veryfast",
    "bf": "0",  # frames are stored in the order in which they are shown, so that times begin at zero everywhere
}


def write_video(path: str | Path, frames: Iterable[np.ndarray], times: Sequence[float] | np.ndarray) -> None:
    """Write an MP4 file (H.264) that players and browsers show, whole or not at all.

    Args:
        path: the file, ending in .mp4.
        frames: T pictures (H, W, 3) uint8 RGB of one size, at least one. Where a side is odd, its last row or column
            is left out, since H.264 wants even sides.
        times: (T + 1,) the seconds at which each frame comes on, and at which the last one ends.

    Raises:
        OSError: the file cannot be written.
    """
    starts = [round((time - times[0]) * CLOCK) for time in times]
    rest = iter(frames)
    first = next(rest)
    height, width = (side // 2 * 2 for side in first.shape[:2])
    settings = {"movflags": "+faststart"}  # the index in front, so that browsers begin at once
    # The absolute path: FFmpeg takes what stands before a colon for a protocol.
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary.absolute()), "w", container_options=settings) as container,
    ):
        rate = Fraction(CLOCK * (len(starts) - 1), starts[-1]).limit_denominator(1001)
        stream = container.add_stream(ENCODER, rate=rate, options=OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, CLOCK)
        for image, start, end in zip(chain([first], rest), starts, starts[1:], strict=False):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
            frame.pts, frame.duration, frame.time_base = start, end - start, Fraction(1, CLOCK)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())

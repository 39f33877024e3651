"""Writing videos that browsers play: H.264 in `.mp4`, VP9 in `.webm`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from utils.errors import InputError
from utils.files import atomic_path, real_path

HIGHEST_RATE = 120.0  # frames a second: more than most screens show would only make the file larger
TICKS = 90_000  # a second: usual rates, 29.97 too, and milliseconds are whole numbers of them
BT709 = 1  # the colours of HDTV, said in the file, since players guess others by the size of the picture


@dataclass(frozen=True)
class VideoFormat:
    """How the videos of a suffix are written.

    Attributes:
        name: what people call it.
        encoders: FFmpeg's encoders, of which the first that is there is taken.
        options: the encoder's options; letters stay sharp.
        container_options: the container's options.
    """

    name: str
    encoders: tuple[str, ...]
    options: dict[str, str]
    container_options: dict[str, str] = field(default_factory=dict)


FORMATS = {
    # With the index in front, so that browsers can begin before they have all of the file.
    ".mp4": VideoFormat("H.264", ("libx264", "libopenh264"), {"crf": "20"}, {"movflags": "+faststart"}),
    ".webm": VideoFormat("VP9", ("libvpx-vp9",), {"crf": "24", "b": "0", "cpu-used": "5", "row-mt": "1"}),
}


def check_video_name(path: str | Path) -> None:
    """Raise InputError unless the file's name ends in a suffix that can be written."""
    if Path(path).suffix.lower() not in FORMATS:
        raise InputError(f"the video {path} must end in {' or '.join(FORMATS)}")


def write_video(
    path: str | Path, pictures: Iterable[np.ndarray], times: np.ndarray, crf: int | None = None
) -> None:  # fmt: skip
    """Write a video without sound, whole or not at all.

    Args:
        path: the file; its suffix is one of `FORMATS`.
        pictures: T pictures (H, W, 3) uint8 RGB of one size; an odd side repeats its last row or column, since the
            codecs want even ones.
        times: (T + 1,) the seconds at which each picture comes on, and at which the last one ends.
        crf: the encoder's constant rate factor; lower is nearer to the pictures. None: one for looking at.

    Raises:
        InputError: the suffix is another, no encoder for it is installed, or the file cannot be written.
    """
    check_video_name(path)
    path = Path(path)
    form = FORMATS[path.suffix.lower()]
    options = form.options if crf is None else form.options | {"crf": str(crf)}
    ticks = np.rint((times - times[0]) * TICKS).astype(np.int64)
    with atomic_path(path) as temporary:
        try:
            _encode(temporary, replace(form, options=options), _make_even(pictures), np.maximum.accumulate(ticks))
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{path} cannot be written ({error.strerror}); is the disk full?") from error


def _make_even(pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for picture in pictures:
        height, width = picture.shape[:2]
        yield np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _encode(path: Path, form: VideoFormat, pictures: Iterator[np.ndarray], ticks: np.ndarray) -> None:
    encoder = next((name for name in form.encoders if name in av.codec.codecs_available), None)
    if encoder is None:
        raise InputError(f"PyAV has no encoder for {form.name} here: install it from PyPI (pip install av)")
    average = Fraction(len(ticks) - 1, 1) * TICKS / int(ticks[-1])
    # By the absolute name, of which nothing is taken for a protocol ("http:").
    with av.open(str(real_path(path)), "w", container_options=form.container_options) as container:
        rate = average.limit_denominator(1001)
        stream = cast(VideoStream, container.add_stream(encoder, rate=rate, options=form.options))
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS)
        context.colorspace = context.color_primaries = context.color_trc = BT709
        for number, picture in enumerate(pictures):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
            frame.pts, frame.time_base = int(ticks[number]), Fraction(1, TICKS)
            frame.duration = int(ticks[number + 1] - ticks[number])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

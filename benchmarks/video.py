"""Time reading a video file against OpenCV: python -m benchmarks.video

A file is decoded twice, as wherever the project reads one: once to find its frames' times and damage, once for the
pictures. OpenCV's side decodes it twice too, which tells the number of frames and nothing of damage.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np

from dataset.video import open_video
from utils.output import run_command
from utils.table import format_table

CODECS = {
    "H.264": ("libx264", "yuv420p", ".mp4"),
    "MPEG-4 Part 2": ("mpeg4", "yuv420p", ".mp4"),
    "Motion JPEG": ("mjpeg", "yuvj420p", ".avi"),
}
RATE = 25


def write_clip(path: Path, encoder: str, pixels: str, frames: int, width: int, height: int) -> None:
    """Write a clip in which a textured square moves over a textured ground."""
    draw = np.random.default_rng(0)
    ground = cv2.resize(draw.integers(0, 256, (24, 32, 3), dtype=np.uint8), (width, height))
    square = cv2.resize(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8), (height // 4, height // 4))
    with av.open(str(path), "w") as container:
        stream = cast(Any, container.add_stream(encoder, rate=Fraction(RATE)))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, pixels, 4_000_000
        for number in range(frames):
            picture = ground.astype(np.uint8)  # a copy
            left = round((width - len(square)) * (0.5 + 0.5 * np.sin(number / 10)))
            picture[height // 3 : height // 3 + len(square), left : left + len(square)] = square
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def read_by_project(path: Path) -> int:
    """Read all frames as the project does; gives their number."""
    video = open_video(path, RATE)
    return sum(1 for _ in video.frames(range(video.num_frames)))


def read_by_opencv(path: Path) -> int:
    """Read all frames by OpenCV; gives their number."""
    scan = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    count = 0
    while scan.grab():
        count += 1
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    for _ in range(count):
        cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    return count


def time_call(call: Callable[[Path], int], path: Path, frames: int) -> float:
    """The seconds that a call takes, which must find all frames."""
    started = time.perf_counter()
    found = call(path)
    seconds = time.perf_counter() - started
    if found != frames:
        raise RuntimeError(f"{call.__name__} found {found} of {frames} frames")
    return seconds


def main(args: argparse.Namespace) -> None:
    """Measure both, one after the other in each repeat, and print a table of medians."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (encoder, pixels, suffix) in CODECS.items():
            path = Path(folder) / f"{encoder}{suffix}"
            write_clip(path, encoder, pixels, args.frames, 640, 480)
            pairs = [
                [time_call(call, path, args.frames) for call in (read_by_project, read_by_opencv)]
                for _ in range(args.repeats + 1)
            ][1:]  # the first one warms up
            ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(own / other for own, other in pairs)
            rows.append(
                [name, f"{1000 * ours / args.frames:.2f}", f"{1000 * theirs / args.frames:.2f}", f"{ratio:.2f}"]
            )
    print(f"{args.frames} frames of 640x480, medians of {args.repeats}; {cv2.getNumThreads()} threads")
    print(format_table(["codec", "ms a frame", "by OpenCV", "ratio"], rows))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=300, help="frames of each file (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="times that both are measured (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

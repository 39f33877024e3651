"""Video files for tests: written by PyAV, cut, and their boxes changed."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SHARED = Path(__file__).parents[1] / "data" / "videos"
"""Videos of one rendered clip of 45 frames, as browsers, telephones and editors write them."""


def ramp(count: int, width: int = 96, height: int = 64) -> list[np.ndarray]:
    """Grey pictures (H, W, 3), each lighter than the last: by 8 levels, or less where that would be too light."""
    step = min(8, 240 / count)
    return [np.full((height, width, 3), int(8 + step * number), np.uint8) for number in range(count)]


def noise(count: int, width: int = 96, height: int = 64) -> list[np.ndarray]:
    """Pictures that do not compress."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def make_video(
    path: Path,
    frames: Iterable[np.ndarray],
    codec: str = "mpeg4",
    rate: float = 25.0,
    *,
    stamps: Sequence[int] | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    pixels: str = "",
    seconds_of_sound: float = 0,
    format: str | None = None,
    bit_rate: int = 4_000_000,
) -> Path:
    """Write a video and return its path.

    Args:
        path: the file.
        frames: pictures (H, W, 3) RGB.
        codec: FFmpeg's name of the encoder.
        rate: the frames a second.
        stamps: the time stamp of each frame in milliseconds, in place of the rate.
        options: the encoder's options.
        container_options: the container's, as `movflags`.
        pixels: FFmpeg's name of the pixel format; the encoder's usual one if empty.
        seconds_of_sound: the length of a sound track; 0 for none.
        format: FFmpeg's name of the container, where the suffix does not say it.
        bit_rate: the bits a second.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    usual = {"mjpeg": "yuvj420p", "ffv1": "bgr0", "gif": "rgb8", "apng": "rgb24", "png": "rgb24", "qtrle": "rgb24"}
    with av.open(str(path.resolve()), "w", format=format, container_options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001), options=dict(options or {}))
        stream.pix_fmt = pixels or usual.get(codec, "yuv420p")
        stream.bit_rate = bit_rate
        sound = (
            container.add_stream("aac" if path.suffix in {".mp4", ".mov", ".ts"} else "libopus", rate=48000)
            if (seconds_of_sound)
            else None
        )
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(frames):
            if not number:
                stream.width, stream.height = image.shape[1::-1]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = stamps[number] if stamps is not None else number
            if stamps is not None:
                frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for number in range(round(seconds_of_sound * 50)):
                quiet = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="flt", layout="mono")
                quiet.sample_rate, quiet.pts = 48000, 960 * number
                container.mux(sound.encode(quiet))
            container.mux(sound.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    """Leave only the beginning of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def spoil(path: Path, number: int, share: float = 1.0) -> Path:
    """Overwrite the end of the packet `number` with zeros: so much of it, its first bytes excepted."""
    with av.open(str(path.resolve())) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
    data = bytearray(path.read_bytes())
    end = packet.pos + packet.size
    start = max(packet.pos + 8, end - int(packet.size * share))
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    return path


def find_box(data: bytes, *path: bytes) -> tuple[int, int]:
    """Start and end of a box of an MP4 file: ISO/IEC 14496-12, 4.2."""
    start, end = 0, len(data)
    for kind in path:
        while data[start + 4 : start + 8] != kind:
            start += struct.unpack(">I", data[start : start + 4])[0]
            assert start < end, kind
        end = start + struct.unpack(">I", data[start : start + 4])[0]
        if kind != path[-1]:
            start += 8
    return start, end


def set_matrix(path: Path, *axes: float) -> Path:
    """Write the display matrix a b c d into the track header of an MP4 file: ISO/IEC 14496-12, 8.3.2."""
    data = bytearray(path.read_bytes())
    start, _ = find_box(data, b"moov", b"trak", b"tkhd")
    a, b, c, d = (round(value * 65536) for value in axes)
    data[start + 48 : start + 84] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path

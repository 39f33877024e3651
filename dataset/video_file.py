"""Video files by PyAV (FFmpeg): one way to open them, and their frames in the order in which they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NoReturn

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from dataset.display_matrix import orient, swaps_sides
from dataset.frames import FrameError

CONTAINERS = (
    "mov,matroska,avi,asf,flv,kux,mpegts,mpeg,mpegvideo,h261,h263,h264,hevc,vvc,m4v,vc1,dirac,obu,av1,ivf,ogg,rm,wtv,"
    "dv,mxf,gxf,nut,nsv,swf,gif,apng,webp_anim,mjpeg,mpjpeg,yuv4mpegpipe,dhav"
)
"""FFmpeg's names of those that are read. Others hold images or sound, are lists of other files, which must not be
opened, or pictures made of text, which FFmpeg finds in any text."""
OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
STILL_BRANDS = frozenset({"heic", "heix", "mif1", "avif", "msf1"})  # of an MP4 that is a photograph, in tiles
BUFFER = 1 << 16  # bytes
MOST_PIXELS = 1 << 27  # of one picture: 16384 x 8192; a damaged header may ask for terabytes
NO_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
CODEC_NAME = re.compile(rb"vide.{,4096}?stsd.{12}([ -~]{4})|\x86[\x80-\xff](V_[\w/.]+)|vids([ -~]{4})", re.DOTALL)
"""Where MP4, Matroska and AVI name the codec of their pictures."""
REPLACE = "copy or download it again, or convert it with another program"


@dataclass(frozen=True)
class Failure:
    """What FFmpeg could not do while a file was read.

    Attributes:
        while_decoding: whether a packet could not be decoded; otherwise the file itself could not be read on.
        reason: FFmpeg's words.
    """

    while_decoding: bool
    reason: str


@contextmanager
def open_container(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file; gives its container and the stream of its pictures.

    Raises:
        FrameError: it is no video, or its codec is unknown here.
    """
    # As an open file and not by name: names that are not UTF-8 serve too, and none is taken for a protocol ("http:").
    with path.open("rb", buffering=0) as file:
        try:
            container = av.open(
                _Source(file), "r", options=OPTIONS, metadata_errors="replace", buffer_size=BUFFER, io_open=_refuse
            )
        except (av.FFmpegError, ValueError) as error:
            size = path.stat().st_size
            raise FrameError(
                f"{path} is no video, has no frames, or its end is missing (it has {size} bytes): {REPLACE}"
            ) from error
        with container:
            yield container, _choose_stream(path, container)


class _Source:
    """An open file as FFmpeg wants it: a position that does not exist is a result there and no exception."""

    def __init__(self, file: RawIOBase) -> None:
        self.read, self.tell, self._file = file.read, file.tell, file

    def seek(self, position: int, whence: int) -> int:
        try:
            return self._file.seek(position, whence)
        except OSError:
            return -1


def _refuse(name: str, *_: object) -> NoReturn:
    raise PermissionError(f"the video is a list that wants to open {name}")


def _choose_stream(path: Path, container: InputContainer) -> VideoStream:
    """Choose the moving pictures that players show: not the cover of a song, and of several the main ones."""
    moving = [stream for stream in container.streams.video if not stream.disposition & NO_PICTURES]
    if container.metadata.get("major_brand", "").strip() in STILL_BRANDS:
        raise FrameError(f"{path} is a photograph: name a video, or the folder of a clip's images")
    if not moving:
        what = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise FrameError(f"{path} holds no moving pictures ({what}): name a video")
    best = container.streams.best("video")
    stream = next((stream for stream in moving if best is not None and stream.index == best.index), moving[0])
    if stream.codec_context is None:
        raise FrameError(
            f"the video {path} is compressed by {_name_codec(path)}, which cannot be read here: convert it to H.264 "
            "with another program"
        )
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = cv2.getNumThreads()  # one in workers, which share the cores
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    return stream


def _name_codec(path: Path) -> str:
    """Name the codec of a file as its container does, since FFmpeg does not know it."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        found = CODEC_NAME.search(data)
        name = next(filter(None, found.groups())) if found else b""
    return f"the codec {name.decode('ascii').strip()}" if name else "an unknown codec"


def decode(container: InputContainer, stream: VideoStream) -> Iterator[Packet | av.VideoFrame | Failure]:
    """Decode a file from its first byte to its last; no seeking, which with some codecs lands on another frame.

    Yields:
        each packet of all streams, then the frames of `stream` that it completed, in the order in which they are shown;
        in between, what failed.
    """
    # Packets without data are left out: the last one of each stream is none, and in AVI they repeat a picture.
    packets = (packet for packet in container.demux() if packet.size)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            yield Failure(False, str(error.strerror))
            packet = None
        if packet is None:
            break
        yield packet
        if packet.stream_index == stream.index:
            yield from _decode_packet(stream, packet)
    yield from _decode_packet(stream, None)


def _decode_packet(stream: VideoStream, packet: Packet | None) -> Iterator[av.VideoFrame | Failure]:
    try:
        yield from stream.decode(packet)
    except av.FFmpegError as error:
        yield Failure(True, str(error.strerror))


def get_matrix(frame: av.VideoFrame) -> bytes | None:
    """Get the display matrix of a frame; None if it has none."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    return None if data is None else bytes(data)


def get_shown_size(frame: av.VideoFrame) -> tuple[int, int]:
    """Get width and height of a frame as it is shown. Pixels that are not square are taken as they are."""
    return (frame.height, frame.width) if swaps_sides(get_matrix(frame)) else (frame.width, frame.height)


class Converter:
    """Turns frames into uint8 (H, W, 3) RGB as they are shown; interlaced lines stay as they are."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()  # one for all frames: making it takes longer than using it

    def convert(self, frame: av.VideoFrame) -> np.ndarray:
        """Convert a frame."""
        picture = self._reformatter.reformat(frame, format="rgb24", threads=1)
        return orient(picture.to_ndarray(), get_matrix(frame))


def read_frames_of_file(path: Path, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
    """Read frames of a video file, one at a time: uint8 (H, W, 3) RGB.

    Args:
        path: the file.
        indices: the positions of the frames, which never fall.

    Raises:
        FrameError: the file has become shorter, or cannot be opened any more.
    """
    if not len(indices):
        return
    with open_container(path) as (container, stream):
        frames = (event for event in decode(container, stream) if isinstance(event, av.VideoFrame))
        numbered, converter = enumerate(frames), Converter()
        position, image = -1, np.empty(0, np.uint8)
        for index in indices:
            while position < index:
                last = position
                position, frame = next(numbered, (-1, None))
                if frame is None:
                    raise FrameError(f"the video {path} ends after {last + 1} frames; has it changed?")
                # Converted only where it is wanted: turning a frame into a picture takes time.
                if position == index:
                    image = converter.convert(frame)
            yield image

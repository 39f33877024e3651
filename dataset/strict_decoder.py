"""A second decoder that hears what the first one mends in silence, for codecs whose decoders call no frame corrupt."""

from __future__ import annotations

from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

MENDED = frozenset({"mjpeg", "hevc", "ffv1"})
"""FFmpeg's decoders that fill what they cannot decode with something like it, and only write a line about it."""


class StrictDecoder:
    """Decodes the packets of a stream once more, and fails where FFmpeg finds any fault.

    Args:
        stream: the stream, of which nothing has been decoded yet.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._context: av.VideoCodecContext | None = None
        self.refused: list[int] = []
        self._count = 0
        if stream.codec_context.name in MENDED:
            context = cast("av.VideoCodecContext", av.VideoCodecContext.create(stream.codec_context.name, "r"))
            context.extradata = stream.codec_context.extradata
            context.width, context.height = stream.codec_context.width, stream.codec_context.height
            context.options = {"err_detect": "crccheck+explode"}
            context.thread_count = 1  # else it would fail some packets too late
            self._context = context

    def decode(self, packet: Packet) -> None:
        """Decode the next packet and keep in mind whether it failed."""
        if self._context is None:
            return
        try:
            self._context.decode(packet)
        except av.FFmpegError:
            self.refused.append(self._count)
        self._count += 1

    def find_faults(self) -> set[int]:
        """Find the positions of the packets with a fault; none if all have one, which is then a habit of the camera."""
        return set(self.refused) if len(self.refused) < self._count else set()

"""Which frames of a video are spoilt by damage in its file.

A frame is built on others, so that damage in one spoils all that follow it in the file, up to the next key frame, which
is built on none.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import pairwise

import av
import numpy as np
from av.packet import Packet

ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "vvc", "libdav1d", "av1", "mpeg2video", "mjpeg"})
"""FFmpeg's decoders of codecs in which a packet without a frame means a frame that was lost. Others hide frames."""

WIDE_STEP = 1.5  # times the usual step between frames
SMALL_HOLE = 48  # bytes: heads of clusters and chunks are shorter


@dataclass
class PacketOrder:
    """The packets of a stream in the order of the file, and what came of them.

    Attributes:
        stamps: the time stamp of each packet.
        decoding_times: the time at which it is to be decoded, in the same units, which is the order of the file.
        holes: the bytes in the file that belong to no packet, before each packet.
        keys: whether it begins with a key frame.
        hidden: whether it was trimmed away, so that its frame is not shown.
        broken: positions of the packets that the container or the decoder calls broken.
        frames: the time stamp of each frame, in the order in which they are shown.
        flagged: positions of the frames that the decoder calls corrupt.
        failures: positions of the packets at which the decoder said that it failed.
        fields: whether frames consist of two fields, which may come in packets of their own.
    """

    stamps: list[int | None] = field(default_factory=list)
    decoding_times: list[int | None] = field(default_factory=list)
    holes: list[int] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)
    frames: list[int | None] = field(default_factory=list)
    flagged: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    fields: bool = False

    def note_packet(self, packet: Packet, hole: int) -> None:
        """Take in the next packet of the file; `hole` is the number of bytes between it and the packet before."""
        self.decoding_times.append(packet.pts if packet.dts is None else packet.dts)
        self.holes.append(hole)
        if packet.is_corrupt:
            self.broken.add(len(self.stamps))
        self.stamps.append(packet.pts)
        self.keys.append(packet.is_keyframe)
        self.hidden.append(packet.is_discard)

    def note_frame(self, frame: av.VideoFrame) -> None:
        """Take in the next frame that the decoder gave."""
        if frame.is_corrupt:
            self.flagged.append(len(self.frames))
        self.frames.append(frame.pts)
        self.fields |= frame.interlaced_frame

    def note_failure(self) -> None:
        """Take in that the decoder failed, at the last packet or, working ahead, at one shortly before it."""
        self.failures.append(max(len(self.stamps) - 1, 0))

    def find_spoilt_frames(self, codec: str) -> tuple[np.ndarray, int]:
        """Find the frames that damage has spoilt.

        Args:
            codec: the name of the decoder.

        Returns:
            their positions (N,), which rise, and the number of frames that could not be decoded at all.
        """
        of_frames = self._find_packets_of_frames()
        starts = (self.broken - self._find_restarts()) | {of_frames[number] for number in self.flagged}
        lost, gaps = self._find_lost(), self._find_gaps()
        failed = {max((number for number in lost if number <= at), default=at) for at in self.failures}
        if codec not in ONE_FRAME_A_PACKET or self.fields:
            lost &= failed  # other packets without a frame may be meant so
        spoilt = self._spread(sorted(starts | lost | failed | gaps.keys()), of_frames)
        return spoilt, len(lost) + sum(gaps.values())

    def _find_packets_of_frames(self) -> list[int]:
        """Find the position of each frame's packet, by their time stamps; without one, that with the frame's number."""
        packets: dict[int | None, deque[int]] = defaultdict(deque)
        for number, stamp in enumerate(self.stamps):
            packets[stamp].append(number)
        packets[None].clear()
        return [packets[stamp].popleft() if packets[stamp] else number for number, stamp in enumerate(self.frames)]

    def _find_restarts(self) -> set[int]:
        """Find the packets around each new start of the clock: two files were put together, none is broken."""
        times = [(number, time) for number, time in enumerate(self.decoding_times) if time is not None]
        starts = (now[0] for before, now in pairwise(times) if now[1] <= before[1])
        return {number for start in starts for number in range(start - 2, start + 2)}

    def _find_lost(self) -> set[int]:
        """Find the packets of which no frame came, though a frame came before and they are not hidden."""
        shown = {stamp for stamp in self.frames if stamp is not None}
        if not shown:
            return set()
        first = min(shown)  # what comes before it, at the start, may have been built on frames that were cut off
        return {
            number
            for number, stamp in enumerate(self.stamps)
            if stamp is not None and stamp > first and stamp not in shown and not self.hidden[number]
        }

    def _find_gaps(self) -> dict[int, int]:
        """Find the packets before which others are missing: their times leave a gap and their bytes in the file too.

        A gap of one kind alone means nothing: cameras leave out frames, and containers hold other things.

        Returns:
            the number of packets that are missing, about, by the position of the packet behind the gap.
        """
        steps = np.diff(np.array([np.nan if time is None else time for time in self.decoding_times], float))
        if not (steps > 0).any():
            return {}
        counts = steps / np.median(steps[steps > 0])
        return {
            number: round(count) - 1
            for number, count in enumerate(counts, start=1)
            if count > WIDE_STEP and self.holes[number] > SMALL_HOLE
        }

    def _spread(self, starts: list[int], of_frames: list[int]) -> np.ndarray:
        """Find the frames that are built on the packets at `starts`, up to the next key frame in the file.

        Frames that stand behind the key frame in the file and are shown before it are built on both sides of it.
        """
        positions = np.array(of_frames)
        spoilt = np.full(len(positions), False)
        until = -1
        for start in starts:
            if start < until:
                continue
            until = self._find_key(start + 1)
            spoilt |= (positions >= start) & (positions < until)
            stamp = self.stamps[until] if until < len(self.stamps) else None
            if stamp is not None:
                before = np.array([frame is not None and frame < stamp for frame in self.frames])
                spoilt |= (positions >= until) & (positions < self._find_key(until + 1)) & before
        return np.flatnonzero(spoilt)

    def _find_key(self, start: int) -> int:
        """Find the first key frame from packet `start` on; the end if there is none."""
        return next((number for number in range(start, len(self.keys)) if self.keys[number]), len(self.keys))

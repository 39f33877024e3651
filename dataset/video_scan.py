"""What a video file really holds: its frames' times and sizes, whether it was cut short, and which frames are damaged.

The file is decoded once for that: what its header says of times and of the number of frames can be wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from dataset.container_size import count_missing_bytes, states_duration
from dataset.frames import FrameError
from dataset.spoilt_frames import PacketOrder
from dataset.strict_decoder import StrictDecoder
from dataset.video_file import REPLACE, Failure, decode, get_shown_size, open_container
from utils.text import plural

BROADCAST = frozenset({"mpegts", "mpeg"})
"""Containers in which time stamps may start anew; players go on at the usual pace then."""
LONGEST_STEP = 10.0  # seconds between frames of a broadcast; more is a new start
WRONG_STAMPS = 0.1  # share of time stamps that may fail to rise before none of them counts
SLOWEST, FASTEST = 0.1, 1e4  # frames a second
MOST_NAMED = 3  # damaged stretches
MOST_MISSING = 2  # frames by which the stated length may differ


@dataclass(frozen=True)
class FileScan:
    """What was found in a video file.

    Attributes:
        times: (T + 1,) the seconds at which each of the T frames comes on, and at which the last one ends.
        cut: how it was cut short ("cut short, ..."); empty if it is whole.
        damage: which frames are damaged ("damaged in ..."); empty if none is known.
        num_damaged: the number of frames that are damaged or cannot be decoded at all.
    """

    times: np.ndarray
    cut: str
    damage: str
    num_damaged: int


@dataclass
class _Seen:
    """What the decoder has given so far."""

    stamps: list[float | None] = field(default_factory=list)  # seconds of each frame, on the container's clock
    packets: PacketOrder = field(default_factory=PacketOrder)
    ends: dict[int, float] = field(default_factory=dict)  # by stream, the seconds at which its last packet ends
    position: int = 0  # in the file, behind the last packet
    broken_off: str = ""


def scan_file(path: Path, check: Callable[[], None] | None = None) -> FileScan:
    """Decode a video file from its first byte to its last.

    Args:
        path: the file.
        check: called at each packet; what it raises ends the reading.

    Raises:
        FrameError: it is no video, has no frames, or its pictures change their size or say no times.
    """
    with open_container(path) as (container, stream):
        seen = _decode_all(path, container, stream, check)
        if not seen.stamps:
            raise FrameError(
                f"the video {path} has no frame that can be read (its codec is {stream.codec_context.name}): {REPLACE}"
            )
        times = _compute_times(path, seen.stamps, container, stream)
        spoilt, lost = seen.packets.find_spoilt_frames(stream.codec_context.name)
        cut = _describe_cut(path, seen, times, container)
        return FileScan(times, cut, _describe_damage(spoilt, lost, times), len(spoilt) + lost)


def _decode_all(
    path: Path, container: InputContainer, stream: VideoStream, check: Callable[[], None] | None
) -> _Seen:  # fmt: skip
    seen, strict = _Seen(), StrictDecoder(stream)
    unit = float(stream.time_base or 0)
    shown: tuple[int, int] | None = None
    for event in decode(container, stream):
        if isinstance(event, Packet):
            if check is not None:
                check()
            _note_packet(seen, event, stream)
            if event.stream_index == stream.index:
                strict.decode(event)
        elif isinstance(event, Failure):
            if event.while_decoding:
                seen.packets.note_failure()
            else:
                seen.broken_off = event.reason
        else:
            seen.stamps.append(None if event.pts is None else event.pts * unit)
            seen.packets.note_frame(event)
            shown = _check_size(path, event, shown, len(seen.stamps) - 1)
    seen.packets.broken |= strict.find_faults()
    return seen


def _note_packet(seen: _Seen, packet: Packet, stream: VideoStream) -> None:
    start = packet.dts if packet.pts is None else packet.pts
    if start is not None and packet.time_base:
        end = float((start + (packet.duration or 0)) * packet.time_base)
        seen.ends[packet.stream_index] = max(end, seen.ends.get(packet.stream_index, end))
    position = packet.pos or 0
    if packet.stream_index == stream.index:
        seen.packets.note_packet(packet, position - seen.position)
    seen.position = position + packet.size


def _check_size(path: Path, frame: av.VideoFrame, before: tuple[int, int] | None, number: int) -> tuple[int, int]:
    try:
        size = get_shown_size(frame)
    except FrameError as error:
        raise FrameError(f"{path}: {error}") from error
    if before not in {None, size}:
        raise FrameError(
            f"the pictures of the video {path} change from {before[0]}x{before[1]} to {size[0]}x{size[1]} pixels at "
            f"frame {number}: cut it there into two videos, or re-encode it at one size"
        )
    return size


def _compute_times(
    path: Path, stamps: list[float | None], container: InputContainer, stream: VideoStream
) -> np.ndarray:
    """Compute the (T + 1,) seconds from the frames' time stamps (T,), counted as players do, from the file's start.

    Where time stamps do not rise, the frames lie evenly between those that do; if many do not, all of them follow the
    frame rate that the file says.
    """
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    moments = np.array([np.nan if stamp is None else stamp for stamp in stamps])
    highest = np.fmax.accumulate(np.append(-np.inf, moments[:-1]))
    rising = moments > highest
    if container.format.name in BROADCAST and not np.isnan(moments).any():
        moments, rising = _join_broadcast(moments), np.full(len(moments), True)
    numbers = np.arange(len(moments))
    if rising.sum() < max(2, (1 - WRONG_STAMPS) * len(moments)):
        if not 1 / LONGEST_STEP < rate < FASTEST:
            raise FrameError(f"the video {path} says neither when its frames come nor how many a second: re-encode it")
        return np.append(numbers, len(moments)) / rate
    step = float(np.median(np.diff(moments[rising]) / np.diff(numbers[rising])))
    last = numbers[rising][-1]
    moments = np.interp(numbers, numbers[rising], moments[rising]) + np.maximum(numbers - last, 0) * step
    # Pictures without sound begin at 0, as players show them; beside sound they may come later.
    start = float(container.start_time or 0) / av.time_base if len(container.streams) > 1 else moments[0]
    times = np.append(moments, moments[-1] + step) - min(max(start, 0.0), moments[0])
    average = len(moments) / (times[-1] - times[0])
    if not SLOWEST < average < FASTEST:
        raise FrameError(
            f"the {len(moments)} frames of the video {path} take {times[-1] - times[0]:.6g} seconds by their time "
            f"stamps, which are wrong: {REPLACE}"
        )
    return times


def _join_broadcast(moments: np.ndarray) -> np.ndarray:
    """Go on at the usual pace where the time stamps of a broadcast jump."""
    steps = np.diff(moments)
    usual = np.median(steps[steps > 0]) if (steps > 0).any() else np.nan
    steps = np.where((steps <= 0) | (steps > LONGEST_STEP), usual, steps)
    return moments[0] + np.append(0, np.cumsum(steps))


def _describe_cut(path: Path, seen: _Seen, times: np.ndarray, container: InputContainer) -> str:
    """Say how the file was cut short; live recordings that state no length cannot be judged."""
    end = max(seen.ends.values(), default=0.0)
    if missing := count_missing_bytes(path):
        return f"cut short, {plural(missing, 'byte')} at its end {'is' if missing == 1 else 'are'} missing"
    if seen.broken_off:
        return f"cut short, it cannot be read on after {end:.2f} seconds ({seen.broken_off})"
    kind = container.format.name
    if not container.duration or not states_duration(path, kind):
        return ""
    stated = container.duration / av.time_base
    if kind.startswith("mov"):
        stated += (container.start_time or 0) / av.time_base
    frame = (times[-1] - times[0]) / (len(times) - 1)
    if stated - end > MOST_MISSING * frame + 1e-3:
        return f"cut short, it says that it lasts {stated:.2f} seconds and ends after {end:.2f}"
    return ""


def _describe_damage(spoilt: np.ndarray, lost: int, times: np.ndarray) -> str:
    """Name the damaged frames (N,), which rise, by numbers from 0 and by seconds, and say how many are lost."""
    missing = f"{plural(lost, 'frame')} missing"
    if not len(spoilt):
        return f"damaged, {missing}" if lost else ""
    runs = np.split(spoilt, np.flatnonzero(np.diff(spoilt) > 1) + 1)
    named = [_name_frames(int(run[0]), int(run[-1]), times) for run in runs[:MOST_NAMED]]
    more = [f"{len(runs) - MOST_NAMED} more stretches"] if len(runs) > MOST_NAMED else []
    parts = [*named, *more, *([missing] if lost else [])]
    return f"damaged in {len(spoilt)} of {plural(len(times) - 1, 'frame')}, {', '.join(parts)}"


def _name_frames(first: int, last: int, times: np.ndarray) -> str:
    numbers = f"{first}" if first == last else f"{first} to {last}"
    return f"{numbers} ({times[first]:.2f} to {times[last + 1]:.2f} s)"

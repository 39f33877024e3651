"""Clips of the built-in corpus, one after the other, as a video that is played, and when their glosses were signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np

from dataset.frames import read_frames
from dataset.manifest import Manifest
from dataset.rendered import BOUNDARIES
from dataset.video import Video
from evaluation.ctm import CtmWord
from evaluation.inference.frame_source import PlayedFile
from evaluation.inference.live import Event, LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.read_live import follow
from evaluation.inference.recogniser import Recogniser
from evaluation.wer import align_glosses
from evaluation.wer_result import SentenceCounts
from utils.errors import InputError
from utils.plain_json import read_json


@dataclass(frozen=True)
class Signed:
    """A gloss with the seconds of the recording at which its stroke begins and ends."""

    gloss: str
    start: float
    end: float


@dataclass(frozen=True)
class PlayedVideo(Video):
    """Pictures in memory that are played, again and again where `times` are longer.

    Attributes:
        pictures: the frames of one round, (H, W, 3) uint8 RGB each.
        signed: the glosses of one round.
        clips: the first frame of each clip and the last one + 1.
    """

    pictures: tuple[np.ndarray, ...] = ()
    signed: tuple[Signed, ...] = ()
    clips: tuple[tuple[int, int], ...] = ()

    def frames(self, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
        """Give frames; what is past the end of the round is that of the next one."""
        return (self.pictures[index % len(self.pictures)] for index in indices)

    @property
    def round(self) -> float:
        """Seconds of one round."""
        return len(self.pictures) / self.rate

    def trim(self, multiple: int) -> PlayedVideo:
        """The same without its last frames, so that windows fall on the same frames in every round."""
        count = len(self.pictures) // multiple * multiple
        return replace(self, times=self.times[: count + 1], pictures=self.pictures[:count])

    def repeat(self, seconds: float) -> PlayedVideo:
        """The same, played for so long."""
        return replace(self, times=np.arange(round(seconds * self.rate) + 1) / self.rate)


def load_recording(manifest: Manifest, prepared: Path, limit: int | None) -> PlayedVideo:
    """Read the clips of a split, the first `limit` of them or all.

    Raises:
        InputError: nobody knows when the glosses of this corpus were signed.
    """
    truth = prepared / BOUNDARIES
    if not truth.is_file():
        raise InputError(
            f"no file {truth}: delays are measured on the built-in corpus, which `make quickstart` renders"
        )
    known = read_json(truth)
    rate, strokes = float(known["frame_rate"]), known["clips"][manifest.split]
    chosen = manifest.clips[:limit]
    parts = [read_frames(manifest.clip_folder(clip)) for clip in chosen]
    ends = list(accumulate(map(len, parts)))
    starts = [end - len(part) for end, part in zip(ends, parts, strict=True)]
    signed = [
        Signed(gloss, (start + first) / rate, (start + last) / rate)
        for start, clip in zip(starts, chosen, strict=True)
        for gloss, first, last in strokes[clip.id]
    ]
    pictures = tuple(frame for part in parts for frame in part)
    spans = tuple(zip(starts, ends, strict=True))
    return PlayedVideo(prepared, np.arange(ends[-1] + 1) / rate, rate, "", "", 0, pictures, tuple(signed), spans)


@dataclass(frozen=True)
class Shown:
    """A final gloss, and the seconds of the stream at which it was shown."""

    word: CtmWord
    moment: float


def play(
    recogniser: Recogniser,
    settings: LiveSettings,
    recording: PlayedVideo,
    speed: float = 1.0,
    look: Callable[[float], None] | None = None,
) -> tuple[list[Shown], list[str]]:
    """Play a recording and read it live, as `test_one_video.py --live` does.

    Args:
        recogniser: the network.
        settings: the windows.
        recording: what is played.
        speed: how many times as fast as it was recorded.
        look: called with the seconds of the stream after each reading.

    Returns:
        the final glosses, and the notices.
    """
    shown: list[Shown] = []
    notices: list[str] = []

    def show(events: list[Event], _: Sequence[CtmWord]) -> None:
        moment = source.now()
        shown.extend(Shown(event.word, moment) for event in events if event.kind == "final" and event.word)
        notices.extend(event.message for event in events if event.kind == "notice")
        if look is not None:
            look(moment)

    source = PlayedFile(recording, "recording", speed)
    follow(LiveRecogniser(recogniser, settings), source, show, lambda: False)
    if source.problem is not None:
        raise source.problem
    return shown, notices


def read_at_once(live: LiveRecogniser, pictures: Iterable[np.ndarray], rate: float) -> list[CtmWord]:
    """Read a clip as a stream whose frames come as fast as they are read."""
    for number, picture in enumerate(pictures):
        live.feed(picture, number / rate)
        live.poll(number / rate)
    live.finish()
    return list(live.finals)


def count_errors(signed: Sequence[str], read: Sequence[CtmWord]) -> SentenceCounts:
    """Count the errors of what was read."""
    return SentenceCounts.from_alignment("", "", align_glosses(signed, [word.gloss for word in read]))


def pair_right(signed: Sequence[Signed], shown: Sequence[Shown]) -> list[tuple[Signed, Shown]]:
    """The glosses that were read rightly, each with what was signed."""
    truth, found, pairs = iter(signed), iter(shown), []
    for op, was_signed, was_read in align_glosses([of.gloss for of in signed], [of.word.gloss for of in shown]):
        one = next(truth) if was_signed is not None else None
        other = next(found) if was_read is not None else None
        if op == "C" and one and other:
            pairs.append((one, other))
    return pairs


def format_delays(pairs: Sequence[tuple[Signed, Shown]]) -> list[str]:
    """The number of glosses read rightly, and how long after their end they were final: as signed, and as read."""
    if not pairs:
        return ["0", "-", "-", "-", "-"]
    signed = [shown.moment - signed.end for signed, shown in pairs]
    read = [shown.moment - shown.word.start - shown.word.duration for _, shown in pairs]
    figures = [value for delays in (signed, read) for value in (np.median(delays), np.percentile(delays, 95))]
    return [str(len(pairs)), *(f"{value:.2f}" for value in figures)]

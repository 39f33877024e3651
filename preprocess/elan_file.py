"""ELAN's annotation files: the sentences in them with their glosses and times, and the videos that they belong to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

import numpy as np
from pympi.Elan import Eaf

from dataset.video import VIDEO_SUFFIXES
from preprocess.corpora.corpus import PreparationError
from utils.unicode import find_on_disk, to_nfc


@dataclass(frozen=True)
class Annotation:
    """An annotation of a tier.

    Attributes:
        id: its id in the file.
        start, end: its time in milliseconds; of one without a time of its own, that of the one it belongs to.
        place: its place among those that belong to the same one.
        text: what stands in it.
    """

    id: str
    start: int
    end: int
    place: int
    text: str


@dataclass(frozen=True)
class Sentence:
    """A stretch of the video in which glosses are signed.

    Attributes:
        tier: the tier that it is from.
        start, end: its time in milliseconds.
        glosses: the glosses in the order of signing; none if nothing is written there.
    """

    tier: str
    start: int
    end: int
    glosses: tuple[str, ...]


@dataclass(frozen=True)
class ElanFile:
    """An annotation file.

    Attributes:
        path: the file.
        eaf: its content, as pympi reads it.
    """

    path: Path
    eaf: Eaf

    def list_sentences(self, tier: str, gloss_tiers: Sequence[str]) -> list[Sentence]:
        """List the sentences of a tier, in the order of time.

        Args:
            tier: the tier of the sentences.
            gloss_tiers: the tiers of their glosses, one gloss an annotation. A gloss belongs to the sentence that it
                was annotated for in ELAN (as a child of it), else to the one in which its middle lies. If there is no
                such tier, the text of the sentence is its glosses.

        Raises:
            PreparationError: there is no such tier, or its annotations have no times of their own.
        """
        sentences = sorted(self.read_tier(tier), key=lambda sentence: (sentence.start, sentence.place))
        shared = [b for a, b in pairwise(sentences) if (a.start, a.end) == (b.start, b.end)]
        if shared and not self.eaf.tiers[tier][0]:
            parent = self.eaf.tiers[tier][2].get("PARENT_REF")
            raise PreparationError(
                f"{self.path}: several annotations of the tier {tier!r} share the time of one of {parent!r}: give "
                f"--tier {parent!r} --glosses {tier!r}"
            )
        if not gloss_tiers:
            return [Sentence(tier, s.start, s.end, tuple(to_nfc(s.text).split())) for s in sentences]
        glosses: dict[str, list[tuple[int, int, int, str]]] = {sentence.id: [] for sentence in sentences}
        starts = [sentence.start for sentence in sentences]
        for number, name in enumerate(gloss_tiers):
            for gloss in self.read_tier(name):
                owner = next((above for above in self._walk_up(gloss.id) if above in glosses), None)
                if owner is None:
                    middle = (gloss.start + gloss.end) / 2
                    last = bisect_right(starts, middle) - 1  # of those that begin before the middle
                    owner = sentences[last].id if last >= 0 and middle < sentences[last].end else None
                if owner is not None and gloss.text.split():
                    # A blank within the text of one annotation is no border between glosses.
                    glosses[owner].append((gloss.start, gloss.place, number, "_".join(to_nfc(gloss.text).split())))
        return [Sentence(tier, s.start, s.end, tuple(text for *_, text in sorted(glosses[s.id]))) for s in sentences]

    def read_tier(self, name: str) -> list[Annotation]:
        """Read the annotations of a tier; PreparationError if there is none of this name."""
        if name not in self.eaf.tiers:
            tiers = ", ".join(repr(tier) for tier in self.eaf.tiers) or "none"
            raise PreparationError(f"{self.path} has no tier {name!r}; it has: {tiers}")
        aligned, dependent, *_ = self.eaf.tiers[name]
        found = [Annotation(id_, *self._find_time(id_), 0, text) for id_, (_, _, text, _) in aligned.items()]
        for id_, (_, text, _, _) in dependent.items():
            *_, ancestor = self._walk_up(id_)
            found.append(Annotation(id_, *self._find_time(ancestor), _count_predecessors(id_, dependent), text))
        return found

    def find_signer(self, tier: str) -> str:
        """The participant of a tier, as one word; the file's name where ELAN was not told who signs."""
        participant = self.eaf.tiers[tier][2].get("PARTICIPANT", "")
        return "_".join(participant.split()) or "_".join(self.path.stem.split())

    def _read_offset(self, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise PreparationError(
                f"{self.path}: the offset of its video (TIME_ORIGIN) is {text!r}, no number"
            ) from None

    def _walk_up(self, id_: str) -> Iterator[str]:
        """Yield the ids of an annotation and of those that it belongs to, up to the one that has a time."""
        for _ in range(len(self.eaf.annotations)):  # a file may go round in a circle
            yield id_
            _, dependent, *_ = self.eaf.tiers[self.eaf.annotations[id_]]
            if id_ not in dependent:
                return
            id_ = dependent[id_][0]
        raise PreparationError(f"{self.path}: the annotation {id_} belongs to itself; repair the file in ELAN")

    def _find_time(self, id_: str) -> tuple[int, int]:
        if id_ not in self._times:
            raise PreparationError(f"{self.path}: no time is known of the annotation {id_}; does ELAN open the file?")
        return self._times[id_]

    @cached_property
    def _times(self) -> dict[str, tuple[int, int]]:
        """The times of all annotations that have some, by their ids."""
        times: dict[str, tuple[int, int]] = {}
        for aligned, *_ in self.eaf.tiers.values():
            times |= self._complete_times(aligned)
        return times

    def _complete_times(self, aligned: Mapping[str, tuple]) -> dict[str, tuple[int, int]]:
        """The times of a tier's annotations by their ids; those that ELAN left open divide the time between evenly."""
        slots = list(dict.fromkeys(slot for start, end, *_ in aligned.values() for slot in (start, end)))
        known = [(place, time) for place, slot in enumerate(slots) if (time := self.eaf.timeslots[slot]) is not None]
        if not known:
            return {}
        known_places, known_times = zip(*known, strict=True)
        filled = np.interp(range(len(slots)), known_places, known_times).round().astype(int).tolist()
        times = dict(zip(slots, filled, strict=True))
        return {id_: (times[start], times[end]) for id_, (start, end, *_) in aligned.items()}

    def find_video(self, folder: Path | None) -> tuple[Path, int]:
        """Find the video that the file belongs to.

        Looked for are the linked files in the order of their links: in `folder`, at the place that is linked, and
        beside the annotation file; then a video of the annotation file's own name.

        Args:
            folder: the folder of the videos, if it is known.

        Returns:
            the video, and the milliseconds of it that lie before the annotations' zero.

        Raises:
            PreparationError: there is none.
        """
        near = self.path.parent
        names = []
        for link in self.eaf.media_descriptors:
            address, relative = link.get("MEDIA_URL", ""), link.get("RELATIVE_MEDIA_URL", "")
            names.append(PureWindowsPath(unquote(address)).name)
            for text in dict.fromkeys((address, unquote(address), relative, unquote(relative))):
                name = PureWindowsPath(text).name
                linked = Path(text.removeprefix("file://")) if text.startswith("file:") else near / text
                for place in (*([folder / name] if folder else []), linked, near / name):
                    path = find_on_disk(place)
                    if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
                        return path, self._read_offset(link.get("TIME_ORIGIN", "0"))
        for place in (*([folder] if folder else []), near):
            for path in sorted(place.glob("*")):
                if path.stem == self.path.stem and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
                    return path, 0
        linked_names = ", ".join(filter(None, names)) or "it links none"
        raise PreparationError(
            f"{self.path}: its video was not found ({linked_names}): name the folder of the videos with --videos"
        )


def read_elan_file(path: Path) -> ElanFile:
    """Read an annotation file; PreparationError if it is none."""
    try:
        eaf = Eaf(str(path), suppress_version_warning=True)
    except Exception as error:  # pympi raises whatever a file that is not ELAN's makes of its parser
        raise PreparationError(f"{path} cannot be read as ELAN's: {error!r}; does ELAN open it?") from error
    for name, (aligned, dependent, *_) in eaf.tiers.items():
        lost = {slot for start, end, *_ in aligned.values() for slot in (start, end)} - eaf.timeslots.keys()
        lost |= {owner for owner, *_ in dependent.values()} - eaf.annotations.keys()
        if lost:
            raise PreparationError(
                f"{path}: the tier {name!r} refers to {min(lost)}, which is not there; does ELAN open it?"
            )
    return ElanFile(path, eaf)


def _count_predecessors(id_: str, dependent: Mapping[str, tuple]) -> int:
    """How many annotations come before one in the chain that ELAN keeps of those that belong together."""
    count, before = 0, dependent[id_][2]
    while before in dependent and count < len(dependent):
        count, before = count + 1, dependent[before][2]
    return count

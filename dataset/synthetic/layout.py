"""What a layout is: how a corpus names its clips and writes their frames and annotations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from dataset.manifest import SPLITS
from dataset.synthetic.lexicon import MAX_GLOSSES

# Sensor noise leaves nothing to find for a search of repetitions: entropy coding alone is smaller and faster.
PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)


@dataclass(frozen=True)
class SyntheticClip:
    """One sentence by one signer, before anything is rendered.

    Attributes:
        split: train, dev or test.
        index: its number in the split, from 0.
        number: its number in the corpus, from 0.
        signer: an index into `signers.SIGNERS`.
        sentence: the glosses.
        rest: when the signer rests, "before" or "after" the sentence; "" where the clip is cut to the sentence.
    """

    split: str
    index: int
    number: int
    signer: int
    sentence: tuple[str, ...]
    rest: str = ""


Lengths = Mapping[SyntheticClip, int]  # frames of each clip


class Layout(ABC):
    """How one corpus names its clips and frames and writes its annotations, below a root folder."""

    splits: tuple[str, ...] = SPLITS
    encoding: tuple[int, ...] = PNG
    usual: tuple[int, int, int, int] = (MAX_GLOSSES, 400, 40, 60)
    """Numbers of glosses and of sentences in train, dev and test, unless told otherwise."""

    @abstractmethod
    def name_clip(self, clip: SyntheticClip) -> str:
        """Give the clip's name in the annotation files."""

    @abstractmethod
    def locate_frame(self, clip: SyntheticClip, frame: int) -> PurePosixPath:
        """Say where frame number `frame` (from 0) lies, relative to the root."""

    @abstractmethod
    def write_annotations(self, root: Path, lengths: Lengths) -> None:
        """Write the annotation files for these clips, given in the order of their rows."""

    def write_clip(self, root: Path, clip: SyntheticClip, frames: Iterable[np.ndarray]) -> int:
        """Write the frames (260, 210, 3) uint8 RGB of a clip, one file each; returns their number."""
        number = -1
        for number, frame in enumerate(frames):
            path = root / self.locate_frame(clip, number)
            if number == 0:
                path.parent.mkdir(parents=True, exist_ok=True)
            bgr = cv2.cvtColor(self.convert_picture(frame), cv2.COLOR_RGB2BGR)
            # Not cv2.imwrite, in which a path that is not UTF-8 ends the process.
            path.write_bytes(cv2.imencode(path.suffix, bgr, self.encoding)[1].tobytes())
        return number + 1

    def write_extras(self, root: Path, lengths: Lengths) -> None:  # noqa: B027  most layouts have none
        """Write what lies beside clips and annotations: nothing in the public corpora."""

    def map_ids(self, clips: Sequence[SyntheticClip]) -> dict[SyntheticClip, str]:
        """Give the id of each clip in the prepared corpus; `clips` are all of it."""
        return {clip: self.name_clip(clip) for clip in clips}

    def translate_label(self, clip: SyntheticClip) -> tuple[str, ...]:
        """Give the clip's label in the language of this corpus."""
        return clip.sentence

    def convert_picture(self, frame: np.ndarray) -> np.ndarray:
        """Bring the frame (260, 210, 3) uint8 to the size of this corpus's pictures."""
        return frame


def name_signer(clip: SyntheticClip) -> str:
    """Give the signer's name in annotations."""
    return f"Signer{clip.signer + 1:02d}"


def select_split(lengths: Lengths, split: str) -> Sequence[SyntheticClip]:
    """Select the clips of a split."""
    return [clip for clip in lengths if clip.split == split]


def join_lines(rows: Sequence[str]) -> str:
    """Join the lines of a file, each with its end."""
    return "".join(f"{row}\n" for row in rows)

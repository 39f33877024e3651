"""What a network reads in a clip."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.ctm import CtmWord


@dataclass(frozen=True)
class Alternative:
    """One of the n-best: glosses as CTC spells them, and -log p."""

    glosses: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Recognition:
    """What was read in a clip.

    Attributes:
        words: the glosses with start and duration in seconds of the clip, and confidence.
        nbest: the hypotheses of the beam, best first.
        frames: the number of frames that the network saw.
        doubts: what makes the clip unlike those of the training, as sentences; none if nothing does.
    """

    words: tuple[CtmWord, ...]
    nbest: tuple[Alternative, ...]
    frames: int
    doubts: tuple[str, ...] = ()

    @property
    def glosses(self) -> tuple[str, ...]:
        """The glosses alone."""
        return tuple(word.gloss for word in self.words)

"""The posteriors of a split in the few numbers that a beam search looks at.

At each step the search extends prefixes by the `cutoff_top_n` most probable classes, the blank among them if it is one,
and never looks at the others. So the blank and as many glosses are kept of each step, bit by bit: of PHOENIX2014's 1297
classes one number in 32. The search decides on them as on the whole, whatever is taken from the blank. Of several
networks that read together all classes are kept, since each judges what another one finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from evaluation.ctc.hypothesis import BeamOptions
from evaluation.ctc.posteriors import SMALLEST_PROBABILITY

BLANK, KEPT = BeamOptions().blank, BeamOptions().cutoff_top_n


@dataclass(frozen=True)
class KeptPosteriors:
    """What is kept of all clips of a split, one after the other.

    N is the number of steps of all of them, counted once for each network that read them.

    Attributes:
        blank: the posterior of the blank, (N,) float32.
        glosses: those of the K most probable glosses of each step, the highest first, (N, K) float32.
        classes: the class numbers of these, (N, K) int32.
        rest: what every other gloss of the step counts as, (N,) float32: below all that are kept, and so that the sum
            of the step stays what it was, as far as float32 has it.
        steps: the number of output steps of each clip, (clips,) int64.
        num_classes: V, the glosses and the blank.
        members: M, the number of networks that read together, whose steps of a clip follow one another.
    """

    blank: np.ndarray
    glosses: np.ndarray
    classes: np.ndarray
    rest: np.ndarray
    steps: np.ndarray
    num_classes: int
    members: int = 1

    def restore(self, clip: int) -> np.ndarray:
        """The posteriors (M, T', V) float32 of a clip, by its place in the split."""
        end = self.members * int(self.steps[: clip + 1].sum())
        own = slice(end - self.members * int(self.steps[clip]), end)
        restored = np.repeat(self.rest[own, None], self.num_classes, axis=1)  # (M T') -> (M T', V)
        restored[:, BLANK] = self.blank[own]
        np.put_along_axis(restored, self.classes[own].astype(np.int64), self.glosses[own], axis=1)
        return restored.reshape(self.members, -1, self.num_classes)


def keep_posteriors(clips: Iterable[np.ndarray]) -> KeptPosteriors:
    """Keep of posteriors (M, T', V) float32, one array a clip, what a search looks at; of at least one clip."""
    parts, members, num_classes = [], 1, 0
    for posteriors in clips:  # which may be computed only now, and need not all be there at once
        members, _, num_classes = posteriors.shape
        parts.append(_cut_steps(posteriors.reshape(-1, num_classes), count_kept(num_classes, members)))
    blank, glosses, classes, rest = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    steps = np.array([len(part[0]) // members for part in parts], np.int64)
    return KeptPosteriors(blank, glosses, classes, rest, steps, num_classes, members)


def count_kept(num_classes: int, members: int) -> int:
    """K, the number of glosses that are kept of each step, where so many networks read together."""
    return min(KEPT, num_classes - 1) if members == 1 else num_classes - 1


def _cut_steps(posteriors: np.ndarray, K: int) -> tuple[np.ndarray, ...]:
    """Of posteriors (T', V) float32 of a clip: `blank`, `glosses`, `classes` and `rest`, as in `KeptPosteriors`."""
    T, V = posteriors.shape
    glosses = np.delete(posteriors, BLANK, axis=1)  # (T', V - 1)
    # Ordered as the search does it: by logarithms in which p has a smallest value, equal ones by their number.
    order = np.argsort(-np.maximum(glosses, SMALLEST_PROBABILITY), axis=1, kind="stable")  # (T', V - 1)
    kept = np.take_along_axis(glosses, order[:, :K], axis=1)  # (T', K)
    rest = np.zeros(T, np.float32)
    if K < V - 1:
        others = np.take_along_axis(glosses, order[:, K:], axis=1)  # (T', V - 1 - K)
        # Below the last that is kept, even where all are equal: else one with a lower number would be taken for it.
        highest = np.nextafter(kept[:, -1], np.float32(0))
        rest = np.minimum(others.mean(axis=1, dtype=np.float64).astype(np.float32), highest)
    classes = order[:, :K] + (order[:, :K] >= BLANK)  # glosses are numbered with the blank among them again
    return posteriors[:, BLANK].copy(), kept, classes.astype(np.int32), rest

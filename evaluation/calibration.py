"""What the clips of dev look like to a trained network, and how far its confidences can be believed.

A network that has learnt glosses reads them anywhere, in a grey picture too. Two things tell such clips from those of
the corpus: the network's output is weaker (its energy, Liu et al., "Energy-based out-of-distribution detection", 2020),
and nothing moves. The share of the n-best list is no probability; a logistic curve fitted on dev (Platt, 1999) makes it
one. The curve rises, so a surer gloss stays the surer one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor

from dataset.batch import Batch
from evaluation.ctm import CtmWord

KEY = "calibration"
"""The entry of a checkpoint that holds it; older checkpoints have none."""
SPREADS = 2.0
"""Standard deviations below the mean of dev's energies from which a clip counts as unfamiliar: were they distributed
normally, 2.3 % of true clips. More would spare some of these, and let blurred pictures and moving text pass."""
STILL = 0.2
"""Share of the least motion in a clip of dev below which nothing moves."""
SUREST = 0.999
"""Share of the n-best list that counts as the highest: a logarithm needs some room to one."""
DOUBTED = 0.5
"""The factor of confidences in a clip that is warned of: whether it is one like those of dev counts as even."""
HIGHEST = 0.99
"""The highest probability: outputs with two decimals must not say 1.00."""


@dataclass(frozen=True)
class Calibration:
    """What was measured on dev.

    Attributes:
        slope, offset: the logistic curve that turns a share of the n-best list into a probability.
        least_energy: the energy that clips of the corpus have.
        least_motion: the motion that they have, in grey levels from frame to frame.
        clips: the number of clips of dev.
        glosses: the number of glosses that were recognised in them.
    """

    slope: float
    offset: float
    least_energy: float
    least_motion: float
    clips: int
    glosses: int

    def adjust(self, share: float) -> float:
        """The probability that a gloss with this share of the n-best list is right, on clips like those of dev.

        It is never higher than n glosses without an error would tell, 1 - 1 / (n + 2) by Laplace's rule of succession.
        """
        # The logistic curve by the hyperbolic tangent, which no exponent overflows.
        p = (1 + math.tanh((self.slope * _to_log_odds(share) + self.offset) / 2)) / 2
        return min(p, 1 - 1 / (self.glosses + 2), HIGHEST)

    def adjust_word(self, word: CtmWord, doubted: bool = False) -> CtmWord:
        """The word with the probability in place of its share, lower in a doubted clip; a greedy decoder gives none."""
        if word.confidence is None:
            return word
        return word._replace(confidence=self.adjust(word.confidence) * (DOUBTED if doubted else 1.0))

    def find_doubts(self, energy: float, motion: float) -> tuple[str, ...]:
        """What makes a clip unlike those of the corpus, as sentences; none if nothing does."""
        doubts = []
        if motion < self.least_motion:
            doubts.append("nothing moves here, so probably nothing is signed")
        if energy < self.least_energy:
            doubts.append(
                "this does not look like the clips that the network was trained on: its glosses are probably wrong"
            )
        return tuple(doubts)


def read_calibration(content: Mapping[str, Any]) -> Calibration | None:
    """The calibration in a checkpoint, or the notes of an exported network, that was checked; None if it has none."""
    held = content.get(KEY)
    return Calibration(**held) if held else None


def measure_energy(logits: np.ndarray) -> float:
    """The mean over output steps of log sum exp of the logits (T', V): low where the network recognises little."""
    highest = logits.max(1)
    return float((highest + np.log(np.exp(logits - highest[:, None]).sum(1))).mean())


def measure_motion(seen: np.ndarray) -> float:
    """The mean difference of pixels from frame to frame in frames (T, 3, S, S) uint8, in grey levels; inf of one."""
    if len(seen) < 2:
        return math.inf
    # The larger less the smaller: differences of bytes that stay bytes, which is fast.
    return float(
        np.mean([(np.maximum(after, before) - np.minimum(after, before)).mean() for before, after in pairwise(seen)])
    )


@dataclass(frozen=True)
class ClipMeasures:
    """What an evaluation lets a calibration see of its clips, batch by batch.

    Attributes:
        energies: the energy of each clip's output.
        motions: the motion in each clip; of features, which show none, nothing.
    """

    energies: list[float] = field(default_factory=list)
    motions: list[float] = field(default_factory=list)

    def add(self, batch: Batch, logits: Tensor, lengths: Tensor, edge: int) -> None:
        """Measure a batch.

        Args:
            batch: the batch.
            logits: (T', B, V) of the sequence head.
            lengths: (B,) the number of output steps of each clip.
            edge: the number of frames of padding in front of a clip.
        """
        computed = logits.float().cpu().numpy()
        for index, (frames, steps) in enumerate(zip(batch.lengths.tolist(), lengths.tolist(), strict=True)):
            self.energies.append(measure_energy(computed[:steps, index]))
            if batch.video.ndim == 5:  # (B, T_pad, 3, H, W)
                self.motions.append(measure_motion(batch.video[index, edge : edge + frames].cpu().numpy()))


def calibrate(
    shares: Sequence[float], correct: Sequence[bool], energies: Sequence[float], motions: Sequence[float]
) -> Calibration:
    """Fit a calibration.

    Args:
        shares: the share of the n-best list of each gloss recognised in dev.
        correct: whether each was right.
        energies: the energy of each clip of dev; at least one.
        motions: the motion in each clip of dev; none where features stand for the frames.
    """
    slope, offset = fit_logistic_curve([_to_log_odds(share) for share in shares], correct)
    least_energy = float(np.mean(energies) - SPREADS * np.std(energies))
    moving = [motion for motion in motions if math.isfinite(motion)]
    return Calibration(slope, offset, least_energy, STILL * min(moving, default=0.0), len(energies), len(shares))


def fit_logistic_curve(values: Sequence[float], correct: Sequence[bool]) -> tuple[float, float]:
    """Fit slope and offset of the logistic curve that gives the probability of being correct, by Newton's method.

    The targets are smoothed as by Platt, so that a network without an error on dev is not sure of everything. A curve
    that would fall is replaced by a very flat one, which keeps the order of confidences.
    """
    x, right = np.asarray(values, float), np.asarray(correct, bool)
    hits, misses = right.sum(), (~right).sum()
    target = np.where(right, (hits + 1) / (hits + 2), 1 / (misses + 2))
    design = np.stack([x, np.ones_like(x)], axis=1)  # (N, 2)
    curve = np.array([1.0, 0.0])
    ridge = np.diag([1e-2, 1e-6])  # towards the slope 1: all shares may be equal
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ curve))
        gradient = design.T @ (p - target) + ridge @ (curve - [1.0, 0.0])
        hessian = (design * (p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        curve = curve - step * min(1.0, 2 / max(np.abs(step).max(), 1e-9))
    return max(float(curve[0]), 1e-3), float(curve[1])


def _to_log_odds(share: float) -> float:
    bounded = min(max(share, 1 - SUREST), SUREST)
    return math.log(bounded / (1 - bounded))

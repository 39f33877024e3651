"""Word errors of trainings with several seeds, and how the pages of the benchmarks write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataset.synthetic.signers import TEST_ONLY_SIGNER
from evaluation.reporting.statistics import compute_bootstrap_interval
from evaluation.wer_result import SentenceCounts


def score_sentences(of_seeds: Sequence[Sequence[SentenceCounts]]) -> dict[str, Any]:
    """The word errors on a split, over all seeds.

    Args:
        of_seeds: of each seed the counts of all sentences, in the same order.

    Returns:
        in percent: `rates`, the WER of each seed, `wer`, their mean, `interval`, its 95 % interval over the choice of
        sentences, `substitutions`, `deletions`, `insertions` and `unseen_signer`, the WER of the signer whom training
        never shows, or None. Also `glosses`, the number of reference glosses.
    """
    seeds = len(of_seeds)
    lengths = np.array([sentence.reference_length for sentence in of_seeds[0]])
    errors = np.array([[sentence.errors for sentence in of_seed] for of_seed in of_seeds])  # (N, S)
    unseen = np.array([sentence.signer == TEST_ONLY_SIGNER for sentence in of_seeds[0]])
    glosses = int(lengths.sum())
    kinds = {
        kind: 100 * sum(getattr(sentence, kind) for of_seed in of_seeds for sentence in of_seed) / glosses / seeds
        for kind in ("substitutions", "deletions", "insertions")
    }
    return {
        "rates": (100 * errors.sum(1) / glosses).tolist(),
        "wer": 100 * errors.sum() / glosses / seeds,
        "interval": compute_bootstrap_interval(errors.sum(0), lengths * seeds),
        **kinds,
        "unseen_signer": 100 * errors[:, unseen].sum() / lengths[unseen].sum() / seeds if unseen.any() else None,
        "glosses": glosses,
    }


def format_interval(interval: Sequence[float] | None, number: str) -> str:
    """The two ends of an interval; a dash where there is none."""
    return f"{number.format(interval[0])} to {number.format(interval[1])}" if interval else "-"


def format_p(p: float) -> str:
    """The p of a test, to two digits."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def format_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, the first column flush left and the others flush right."""
    return "\n".join(
        f"| {' | '.join(cells)} |" if cells else "|---" + "|---:" * (len(header) - 1) + "|"
        for cells in (header, (), *rows)
    )

"""From class numbers to glosses with times, and equal neighbours merged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from dataset.vocabulary import Vocabulary
from evaluation.ctc.forced_alignment import force_align
from evaluation.ctc.hypothesis import Hypothesis
from evaluation.ctm import CtmWord


def build_words(
    hypothesis: Hypothesis, posteriors: np.ndarray, vocabulary: Vocabulary, stride: int, frames: int,
    frame_seconds: float,
) -> tuple[CtmWord, ...]:  # fmt: skip
    """The glosses of a hypothesis with the times that forced alignment gives them.

    Args:
        hypothesis: the best hypothesis of the clip.
        posteriors: (T', V) class probabilities of the clip; where several networks read together, the mean of theirs,
            which places glosses that are known better than one network alone does.
        vocabulary: the class numbers' glosses.
        stride: frames to an output step; step t stands for frames t * stride to (t + 1) * stride - 1.
        frames: the number of frames that the network saw of the clip; no gloss ends after them.
        frame_seconds: the time from one of these frames to the next.
    """
    # The decoder's own steps (`hypothesis.frames`) are the peaks only, where a gloss is surest, and not its duration.
    spans = force_align(posteriors, hypothesis.tokens)
    confidences = hypothesis.confidences or [None] * len(spans)
    words = []
    for gloss, (first, end), confidence in zip(vocabulary.decode(hypothesis.tokens), spans, confidences, strict=True):
        # The last step may reach into the padding, so it can stand for frames that the clip does not have.
        start, stop = first * stride, min(end * stride, frames)
        words.append(CtmWord(gloss, start * frame_seconds, (stop - start) * frame_seconds, confidence))
    return tuple(words)


def merge_repeats(words: Sequence[CtmWord]) -> tuple[CtmWord, ...]:
    """Equal neighbours as one gloss, from the first one's start to the last one's end, with the highest confidence.

    A gloss that is signed twice in a row is spelt twice by CTC, with a blank between; published systems merge such
    repeats. Here they are merged after the alignment: it must explain both, each with its own steps.
    """
    merged = []
    for gloss, group in groupby(words, key=lambda word: word.gloss):
        run = list(group)
        known = [word.confidence for word in run if word.confidence is not None]
        duration = run[-1].start + run[-1].duration - run[0].start
        merged.append(CtmWord(gloss, run[0].start, duration, max(known, default=None)))
    return tuple(merged)

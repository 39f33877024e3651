"""What the network reads in clips: glosses with their times and confidences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from dataset.vocabulary import Vocabulary
from evaluation.ctc.forced_alignment import force_align
from evaluation.ctc.hypothesis import Hypothesis
from evaluation.ctm import CtmEntry, CtmWord
from evaluation.decode import Decoder
from slr_network import SLRModel
from utils.errors import InputError

HEADS = ("sequence", "conv")


class RecognitionError(InputError):
    """The network's output cannot be decoded."""


@torch.inference_mode()
def recognise(
    network: SLRModel,
    loader: DataLoader,
    decoder: Decoder,
    vocabulary: Vocabulary,
    frame_seconds: float,
    label: str = "",
) -> dict[str, list[CtmEntry]]:
    """What the network reads in every clip of a loader.

    Args:
        network: as `for_recognition` gives it.
        loader: batches in the order of the references.
        decoder: posteriors to hypotheses.
        vocabulary: ids to glosses.
        frame_seconds: from one frame that the network sees to the next.
        label: of the progress bar.

    Returns:
        by head, an entry for each clip, glosses as CTC spells them: a gloss may equal its neighbour.

    Raises:
        RecognitionError: the network's output is not finite.
    """
    device = network.conv2d.alpha.device
    entries: dict[str, list[CtmEntry]] = {head: [] for head in HEADS}
    for batch in tqdm(loader, desc=label, unit="batch", leave=False):
        output = network(batch.to(device).video, batch.lengths)
        logits = {"sequence": output.sequence_logits, "conv": output.conv_logits}
        lengths, frames = output.lengths.tolist(), batch.lengths.tolist()
        for head in HEADS:
            posteriors = logits[head].float().softmax(-1).transpose(0, 1).cpu().numpy()  # (B, T', V)
            check_finite(posteriors, ", ".join(batch.ids))
            hypotheses = decoder(posteriors, output.lengths)
            for index, clip_id in enumerate(batch.ids):
                best, own = hypotheses[index][0], posteriors[index, : lengths[index]]  # own (T', V)
                words = as_words(best, own, vocabulary, network.spec.stride, frames[index], frame_seconds)
                entries[head].append(CtmEntry(clip_id, words))
    return entries


def check_finite(values: np.ndarray, clips: str) -> None:
    """Raise RecognitionError, naming `clips`, unless all values are finite."""
    if not np.isfinite(values).all():
        raise RecognitionError(
            f"the network gives values that are not finite for {clips}: its weights are spoilt, as by a learning rate "
            "that is too high; go back to an earlier checkpoint"
        )


def as_words(
    hypothesis: Hypothesis, posteriors: np.ndarray, vocabulary: Vocabulary, stride: int, frames: int,
    frame_seconds: float,
) -> tuple[CtmWord, ...]:  # fmt: skip
    """The glosses of a hypothesis with the times that forced alignment gives them.

    Args:
        hypothesis: of the clip.
        posteriors: (T', V) of the clip.
        vocabulary: ids to glosses.
        stride: frames an output step; step t stands for frames t * stride to (t + 1) * stride - 1.
        frames: that the network saw of the clip; no gloss ends after them.
        frame_seconds: from one frame to the next.
    """
    spans = force_align(posteriors, hypothesis.tokens)
    confidences = hypothesis.confidences or [None] * len(spans)
    words = []
    for gloss, (first, end), confidence in zip(vocabulary.decode(hypothesis.tokens), spans, confidences, strict=True):
        start, stop = first * stride, min(end * stride, frames)
        words.append(CtmWord(gloss, start * frame_seconds, (stop - start) * frame_seconds, confidence))
    return tuple(words)


def merge_repeats(words: Sequence[CtmWord]) -> tuple[CtmWord, ...]:
    """Equal neighbours as one gloss, from the first one's start to the last one's end, with the highest confidence."""
    merged = []
    for gloss, group in groupby(words, key=lambda word: word.gloss):
        run = list(group)
        known = [word.confidence for word in run if word.confidence is not None]
        duration = run[-1].start + run[-1].duration - run[0].start
        merged.append(CtmWord(gloss, run[0].start, duration, max(known, default=None)))
    return tuple(merged)

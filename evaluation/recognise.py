"""What the network recognises in the clips of a loader: glosses with their times and confidences."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader

from dataset.vocabulary import Vocabulary
from evaluation.calibration import ClipMeasures
from evaluation.ctc.posteriors import check_finite
from evaluation.ctc.words import build_words
from evaluation.ctm import CtmEntry
from evaluation.decode import Decoder
from slr_network import SLRModel
from utils import ranks
from utils.progress import show_progress

HEADS = ("sequence", "conv")
"""The two classifiers that are scored: after the BiLSTM, which is the result, and after the temporal convolutions."""


@torch.inference_mode()
def recognise_clips(
    network: SLRModel,
    loader: DataLoader,
    decoder: Decoder,
    vocabulary: Vocabulary,
    frame_seconds: float,
    label: str = "",
    measures: ClipMeasures | None = None,
) -> dict[str, list[CtmEntry]]:
    """Recognise every clip of a loader.

    Args:
        network: the network for recognition, as `for_recognition` gives it.
        loader: batches in the order of the references.
        decoder: the decoder that turns posteriors into hypotheses.
        vocabulary: the class numbers' glosses.
        frame_seconds: the time from one frame that the network sees to the next.
        label: the title of the progress bar.
        measures: is told what a calibration needs to know of the clips.

    Returns:
        by head, an entry for each clip, glosses as CTC spells them: a gloss may equal its neighbour.

    Raises:
        RecognitionError: the network's output is not finite.
    """
    device = network.device
    entries: dict[str, list[CtmEntry]] = {head: [] for head in HEADS}
    for batch in show_progress(loader, len(loader), label, "batch", hidden=ranks.rank() > 0):
        output = network(batch.to(device).video, batch.lengths)
        if measures:
            measures.add(batch, output.sequence_logits, output.lengths, network.spec.edge)
        logits = {"sequence": output.sequence_logits, "conv": output.conv_logits}  # (T', B, V) each
        lengths, frames = output.lengths.tolist(), batch.lengths.tolist()
        for head in HEADS:
            # In float32, whatever the network computes in: the decoder refuses steps that do not sum to 1.
            posteriors = logits[head].float().softmax(-1).transpose(0, 1).cpu().numpy()  # (B, T', V)
            check_finite(posteriors, ", ".join(batch.ids))
            hypotheses = decoder(posteriors, output.lengths)
            for index, clip_id in enumerate(batch.ids):
                best, own = hypotheses[index][0], posteriors[index, : lengths[index]]  # own (T', V)
                words = build_words(best, own, vocabulary, network.spec.stride, frames[index], frame_seconds)
                entries[head].append(CtmEntry(clip_id, words))
    return entries

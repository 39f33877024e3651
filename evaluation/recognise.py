"""What the network recognises in the clips of a loader: glosses with their times and confidences."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dataset.batch import Batch
from dataset.vocabulary import Vocabulary
from evaluation.calibration import ClipMeasures
from evaluation.ctc.posteriors import check_finite
from evaluation.ctc.words import build_words
from evaluation.ctm import CtmEntry
from evaluation.decode import Decoder, decode_members
from evaluation.ensemble import Ensemble
from evaluation.one_behind import OneBehind
from slr_network import SLRModel
from utils import ranks
from utils.cpu_copy import CpuCopy
from utils.progress import show_progress
from utils.temporal import TemporalSpec

HEADS = ("sequence", "conv")
"""The two classifiers that are scored: after the BiLSTM, which is the result, and after the temporal convolutions."""
LESS_MEMORY = "lower test_batch_size, or set frame_chunk to a few frames"
"""What helps where memory runs out in recognition."""


@torch.inference_mode()
def recognise_clips(
    network: SLRModel | Ensemble,
    loader: DataLoader,
    decoder: Decoder,
    vocabulary: Vocabulary,
    frame_seconds: float,
    label: str = "",
    measures: ClipMeasures | None = None,
) -> dict[str, list[CtmEntry]]:
    """Recognise every clip of a loader. While the network computes a batch, a thread decodes the one before it.

    Args:
        network: the network for recognition, as `for_recognition` gives it, or several of them.
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
    reader = BatchReader(decoder, vocabulary, frame_seconds, network.spec, measures)
    with OneBehind(reader.read) as behind:
        for batch in show_progress(loader, len(loader), label, "batch", hidden=ranks.rank() > 0):
            output = network(batch.to(device).video, batch.lengths)
            heads = [output.sequence_logits, output.conv_logits]  # (T', B, V), or of several networks (M, T', B, V)
            # In float32, whatever the network computes in: the decoder refuses steps that do not sum to 1.
            heads = [logits.float().reshape(-1, *logits.shape[-3:]) for logits in heads]  # (M, T', B, V)
            parts = [logits.softmax(-1) for logits in heads] + ([heads[0][:1]] if measures else [])
            # All in one tensor, so that one wait for the device is enough.
            behind.give(batch, CpuCopy(torch.cat(parts)), output.lengths)
    return reader.entries


@dataclass(frozen=True)
class BatchReader:
    """Reads the glosses from what the network gave for a batch, one batch after the other.

    Attributes:
        decoder, vocabulary, frame_seconds, measures: as for `recognise_clips`.
        spec: the network's temporal chain.
        entries: by head, the entries of the clips until now.
    """

    decoder: Decoder
    vocabulary: Vocabulary
    frame_seconds: float
    spec: TemporalSpec
    measures: ClipMeasures | None = None
    entries: dict[str, list[CtmEntry]] = field(default_factory=lambda: {head: [] for head in HEADS})

    def read(self, batch: Batch, copy: CpuCopy, output_lengths: Tensor) -> None:
        """Read a batch.

        Args:
            batch: the batch, on the CPU.
            copy: the posteriors of both heads, each of M networks, and with `measures` the logits of the first head of
                the first one, (2 M or 2 M + 1, T', B, V).
            output_lengths: the number of output steps of each clip, (B,).

        Raises:
            RecognitionError: a posterior is not finite.
        """
        parts = copy.wait()
        if self.measures:
            self.measures.add(batch, parts[-1], output_lengths, self.spec.edge)
        lengths, frames = output_lengths.tolist(), batch.lengths.tolist()
        members = len(parts) // len(HEADS)
        for number, head in enumerate(HEADS):
            of_head = parts[number * members : (number + 1) * members]
            posteriors = of_head.transpose(1, 2).numpy()  # (M, B, T', V)
            check_finite(posteriors, ", ".join(batch.ids))
            hypotheses = decode_members(self.decoder, posteriors, output_lengths.numpy())
            for index, clip_id in enumerate(batch.ids):
                best, own = hypotheses[index][0], posteriors[:, index, : lengths[index]].mean(0)  # own (T', V)
                words = build_words(best, own, self.vocabulary, self.spec.stride, frames[index], self.frame_seconds)
                self.entries[head].append(CtmEntry(clip_id, words))

"""Recognising a split and scoring it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from config.schema import Config
from dataset.loader import build_loader, load_manifest
from dataset.vocabulary import Vocabulary
from evaluation.ctm import CtmEntry, CtmWord, Reference, read_stm, write_ctm
from evaluation.decode import BeamDecoder, GreedyDecoder, Hypothesis
from evaluation.normalise import normalise
from evaluation.sclite import score_glosses
from evaluation.wer import WerResult, score
from slr_network import SLRModel
from utils.errors import InputError

FRAME_RATE = 25.0  # of every corpus here, frames a second
HEADS = ("sequence", "conv")


class EvaluationError(InputError):
    """A split cannot be recognised or scored."""


@dataclass(frozen=True)
class Evaluation:
    """What came out for a split.

    Attributes:
        split: its name.
        results: by head, "sequence" (the result) and "conv".
        files: CTM file of each head.
    """

    split: str
    results: Mapping[str, WerResult]
    files: Mapping[str, Path]

    @property
    def wer(self) -> float:
        """WER of the sequence head, in percent."""
        return self.results["sequence"].wer


def build_decoder(config: Config) -> BeamDecoder | GreedyDecoder:
    """The decoder that `decode_mode` names."""
    return BeamDecoder(config.beam_width) if config.decode_mode == "beam" else GreedyDecoder()


def load_references(config: Config, split: str) -> list[Reference]:
    """The references of a split, from the prepared corpus."""
    path = Path(config.prepared) / f"{config.dataset}-groundtruth-{split}.stm"
    if not path.is_file():
        raise EvaluationError(f"there are no references {path}; run `python -m preprocess.prepare` again")
    return read_stm(path)


def evaluation_data(config: Config, split: str, vocabulary: Vocabulary) -> tuple[DataLoader, list[Reference]]:
    """Batches of a split in order, and its references.

    Raises:
        EvaluationError: clips and references are not the same.
    """
    manifest = load_manifest(config, split)
    references = load_references(config, split)
    clips, signed = {clip.id for clip in manifest.clips}, {reference.id for reference in references}
    if clips != signed:
        raise EvaluationError(
            f"{split}: {len(clips - signed)} clips have no reference and {len(signed - clips)} references no clip "
            f"(first: {min(clips ^ signed)}); run `python -m preprocess.prepare` again"
        )
    return build_loader(config, manifest, vocabulary, training=False), references


@torch.inference_mode()
def recognise(
    model: SLRModel,
    loader: DataLoader,
    decoder: BeamDecoder | GreedyDecoder,
    vocabulary: Vocabulary,
    step_seconds: float,
    label: str = "",
) -> dict[str, list[CtmEntry]]:
    """What the network reads in every clip of a loader.

    Args:
        model: the network; it is put into evaluation mode, and its device is used.
        loader: batches in the order of the references.
        decoder: posteriors to hypotheses.
        vocabulary: ids to glosses.
        step_seconds: duration of an output step.
        label: of the progress bar.

    Returns:
        by head, an entry for each clip.
    """
    device = model.conv2d.alpha.device
    model.eval()
    entries: dict[str, list[CtmEntry]] = {head: [] for head in HEADS}
    for batch in tqdm(loader, desc=label, unit="batch", leave=False):
        output = model(batch.to(device).video, batch.lengths)
        logits = {"sequence": output.sequence_logits, "conv": output.conv_logits}
        if not all(torch.isfinite(values).all() for values in logits.values()):
            raise EvaluationError(
                f"the network gives values that are not finite for {', '.join(batch.ids)}: its weights are spoilt, as "
                "by a learning rate that is too high; go back to an earlier checkpoint"
            )
        for head in HEADS:
            posteriors = logits[head].float().softmax(-1).transpose(0, 1)  # (B, T', V)
            for clip_id, hypotheses in zip(batch.ids, decoder(posteriors, output.lengths), strict=True):
                words = as_words(hypotheses[0], vocabulary, step_seconds)
                entries[head].append(CtmEntry(clip_id, words))
    return entries


def as_words(hypothesis: Hypothesis, vocabulary: Vocabulary, step_seconds: float) -> list[CtmWord]:
    """Glosses with the time of the step at which each was most probable, never before that of its predecessor."""
    starts = accumulate(hypothesis.frames, max)
    glosses = vocabulary.decode(hypothesis.tokens)
    return [CtmWord(gloss, step * step_seconds, step_seconds) for gloss, step in zip(glosses, starts, strict=True)]


def evaluate(
    config: Config, model: SLRModel, loader: DataLoader, vocabulary: Vocabulary, references: Sequence[Reference],
    split: str, folder: Path,
) -> Evaluation:  # fmt: skip
    """Recognise a split, write its CTM files into `folder` and score them.

    Raises:
        EvaluationError: the network's output is not finite.
        FormatError: a gloss that CTM files cannot hold.
        ScliteError: sclite was asked for and failed.
    """
    step_seconds = model.spec.stride * config.feeder_args.frame_interval / FRAME_RATE
    entries = recognise(model, loader, build_decoder(config), vocabulary, step_seconds, split)
    counter = score_glosses if config.evaluate_tool == "sclite" else score
    results, files = {}, {}
    for head, suffix in zip(HEADS, ("", "-conv"), strict=True):
        files[head] = folder / f"output-hypothesis-{split}{suffix}.ctm"
        write_ctm(files[head], entries[head])
        hypotheses = {entry.id: normalise(entry.glosses, config.normalise) for entry in entries[head]}
        results[head] = counter(references, hypotheses, require_all=True)
    return Evaluation(split, results, files)

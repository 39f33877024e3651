"""Recognising a split and scoring it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import DataLoader

from config.schema import Config
from dataset.loader import build_loader
from dataset.manifest import Manifest, load_manifest
from dataset.vocabulary import Vocabulary
from evaluation.ctm import CtmEntry, Reference, read_stm, write_ctm
from evaluation.decode import make_decoder
from evaluation.normalise import normalise
from evaluation.recognise import HEADS, merge_repeats, recognise
from evaluation.sclite import score_glosses
from evaluation.wer import WerResult, score
from slr_network import SLRModel, for_recognition
from utils import ranks
from utils.errors import InputError
from utils.temporal import TemporalSpec


class EvaluationError(InputError):
    """A split cannot be recognised or scored."""


@dataclass(frozen=True)
class EvaluationData:
    """A split to be evaluated.

    Attributes:
        split: its name.
        loader: its batches, in order.
        references: what is signed in each clip, in the order of the batches.
        training_glosses: the glosses of the training split, as labelled and as normalised.
    """

    split: str
    loader: DataLoader
    references: tuple[Reference, ...]
    training_glosses: frozenset[str]


@dataclass(frozen=True)
class Scoring:
    """One way to score the sequence head.

    Attributes:
        rules: normalisation, a key of `RULE_SETS`.
        merge_repeats: whether equal neighbours became one before.
        result: the counts.
    """

    rules: str
    merge_repeats: bool
    result: WerResult


@dataclass(frozen=True)
class Evaluation:
    """What came out for a split.

    Attributes:
        split: its name.
        references: what was signed.
        entries: by head, "sequence" (the result) and "conv", what was recognised in each clip, as in the CTM file.
        hypotheses: by head and id, the normalised glosses that were scored.
        results: by head, the counts.
        scorings: of the sequence head; first the configured one, then with and without merging under every rule set.
        files: by head, the CTM file.
        training_glosses: the glosses of the training split, as labelled and as normalised.
    """

    split: str
    references: tuple[Reference, ...]
    entries: Mapping[str, tuple[CtmEntry, ...]]
    hypotheses: Mapping[str, Mapping[str, tuple[str, ...]]]
    results: Mapping[str, WerResult]
    scorings: tuple[Scoring, ...]
    files: Mapping[str, Path]
    training_glosses: frozenset[str]

    @property
    def wer(self) -> float:
        """WER of the sequence head, in percent."""
        return self.results["sequence"].wer


def load_references(config: Config, split: str) -> list[Reference]:
    """The references of a split, from the prepared corpus."""
    path = Path(config.prepared) / f"{config.dataset}-groundtruth-{split}.stm"
    if not path.is_file():
        raise EvaluationError(f"there are no references {path}; run `python -m preprocess.prepare` again")
    return read_stm(path)


def evaluation_data(config: Config, split: str, vocabulary: Vocabulary) -> EvaluationData:
    """What evaluating a split needs.

    Raises:
        EvaluationError: clips and references are not the same.
    """
    manifest = load_manifest(config.prepared, config.dataset, split)
    references = load_references(config, split)
    clips, signed = {clip.id for clip in manifest.clips}, {reference.id for reference in references}
    if clips != signed:
        raise EvaluationError(
            f"{split}: {len(clips - signed)} clips have no reference and {len(signed - clips)} references no clip "
            f"(first: {min(clips ^ signed)}); run `python -m preprocess.prepare` again"
        )
    loader = build_loader(
        manifest,
        vocabulary,
        config.feeder_args,
        TemporalSpec(config.model_args.conv_type),
        batch_size=config.test_batch_size,
        training=False,
        num_workers=config.num_worker,
    )
    known = training_glosses(load_manifest(config.prepared, config.dataset, "train"), config.normalise)
    by_id = {reference.id: reference for reference in references}
    return EvaluationData(split, loader, tuple(by_id[clip.id] for clip in manifest.clips), known)


def training_glosses(manifest: Manifest, rules: str) -> frozenset[str]:
    """The glosses of a split's labels as they are, and as hypotheses that hold them are scored, alone or joined."""
    labels = {gloss for clip in manifest.clips for gloss in clip.glosses}
    alone = (normalise([gloss], rules) for gloss in labels)
    return frozenset(labels.union(*alone, *(normalise(clip.glosses, rules) for clip in manifest.clips)))


def evaluate(
    config: Config, model: SLRModel, data: EvaluationData, vocabulary: Vocabulary, folder: Path
) -> Evaluation:  # fmt: skip
    """Recognise a split, write its CTM files into `folder` and score them; several processes share the clips.

    Raises:
        EvaluationError: not every clip was recognised once.
        RecognitionError: the network's output is not finite.
        FormatError: a gloss that CTM files cannot hold.
        ScliteError: sclite was asked for and failed.
    """
    frame_seconds = config.feeder_args.frame_interval / config.frame_rate
    decoder = make_decoder(config.decode_backend, config.decode_mode, config.beam_width)
    here = recognise(for_recognition(model, config), data.loader, decoder, vocabulary, frame_seconds, data.split)
    spelt = joined(ranks.all_gather(here), data.references)
    entries, files, hypotheses, results = {}, {}, {}, {}
    for head, suffix in zip(HEADS, ("", "-conv"), strict=True):
        entries[head] = merged(spelt[head]) if config.merge_repeats else tuple(spelt[head])
        files[head] = folder / f"output-hypothesis-{data.split}{suffix}.ctm"
        if ranks.rank() == 0:
            write_ctm(files[head], entries[head])
        hypotheses[head] = normalised(entries[head], config.normalise)
        results[head] = count(config, data.references, hypotheses[head])
    scorings = [Scoring(config.normalise, config.merge_repeats, results["sequence"])]
    for rules in dict.fromkeys((config.normalise, *config.also_normalise)):
        for merging in (True, False):
            if (rules, merging) != (config.normalise, config.merge_repeats):
                glosses = normalised(merged(spelt["sequence"]) if merging else spelt["sequence"], rules)
                scorings.append(Scoring(rules, merging, count(config, data.references, glosses)))
    return Evaluation(
        data.split, data.references, entries, hypotheses, results, tuple(scorings), files, data.training_glosses
    )


def joined(
    parts: Sequence[Mapping[str, Sequence[CtmEntry]]], references: Sequence[Reference]
) -> dict[str, list[CtmEntry]]:  # fmt: skip
    """By head, what all processes recognised, in the order of the references.

    Raises:
        EvaluationError: a clip was recognised twice, or not at all.
    """
    out = {}
    for head in HEADS:
        entries = [entry for part in parts for entry in part[head]]
        by_id = {entry.id: entry for entry in entries}
        if len(entries) != len(references) or by_id.keys() != {reference.id for reference in references}:
            raise EvaluationError(f"{len(entries)} hypotheses of {len(by_id)} clips for {len(references)} references")
        out[head] = [by_id[reference.id] for reference in references]
    return out


def merged(entries: Sequence[CtmEntry]) -> tuple[CtmEntry, ...]:
    """The entries with equal neighbours made one."""
    return tuple(CtmEntry(entry.id, merge_repeats(entry.words)) for entry in entries)


def normalised(entries: Sequence[CtmEntry], rules: str) -> dict[str, tuple[str, ...]]:
    """By id, the glosses to be scored."""
    return {entry.id: tuple(normalise(entry.glosses, rules)) for entry in entries}


def count(
    config: Config, references: Sequence[Reference], hypotheses: Mapping[str, Sequence[str]]
) -> WerResult:  # fmt: skip
    """The counts of `evaluate_tool`."""
    if config.evaluate_tool == "sclite":
        return score_glosses(references, hypotheses, require_all=True, path=config.sclite_path)
    return score(references, hypotheses, require_all=True)

"""Evaluating a split: every clip is recognised, written to CTM files and scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from config.schema import Config, Rules
from dataset.batch_loader import BatchLoader
from dataset.corpus_files import locate_references
from dataset.frame_rate import DEFAULT_FRAME_RATE, choose_frame_rate
from dataset.loader import CPU, build_run_loader
from dataset.manifest import Manifest, ManifestError, load_manifest
from dataset.vocabulary import Vocabulary
from evaluation.calibration import ClipMeasures
from evaluation.ctc.posteriors import RecognitionError
from evaluation.ctc.words import merge_repeats
from evaluation.ctm import CtmEntry, Reference, read_stm, write_ctm
from evaluation.decode import make_decoder
from evaluation.ensemble import Ensemble
from evaluation.evaluation_result import EvaluationResult, Scoring
from evaluation.load_network import prepare_network
from evaluation.normalise import normalise
from evaluation.recognise import HEADS, LESS_MEMORY, recognise_clips
from evaluation.shallow_fusion import build_fusion
from evaluation.wer import score_with_tool
from evaluation.wer_result import WerResult
from slr_network import SLRModel
from utils import ranks
from utils.errors import explain_out_of_memory
from utils.temporal import TemporalSpec
from utils.text import plural


@dataclass(frozen=True)
class EvaluationData:
    """A split to be evaluated.

    Attributes:
        split: the name of the split.
        loader: the batches, in order.
        references: the glosses signed in each clip, in the order of the batches.
        training_glosses: the glosses of the training split, as labelled and as normalised.
        frame_rate: the frames a second of its clips.
    """

    split: str
    loader: BatchLoader
    references: tuple[Reference, ...]
    training_glosses: frozenset[str]
    frame_rate: float = DEFAULT_FRAME_RATE


def load_references(prepared: str | Path, dataset: str, split: str) -> list[Reference]:
    """Read the references of a split.

    Args:
        prepared: the folder of the prepared corpus.
        dataset: the name of the corpus.
        split: the name of the split.

    Raises:
        ManifestError: there is no such file.
        FormatError: a line that cannot be read.
    """
    path = locate_references(prepared, dataset, split)
    if not path.is_file():
        raise ManifestError(f"there are no references {path}; run `python -m preprocess.prepare` again")
    return read_stm(path, allow_unseen=True)


def load_evaluation_data(
    config: Config, split: str, vocabulary: Vocabulary, device: torch.device = CPU
) -> EvaluationData:  # fmt: skip
    """Load what evaluating a split needs.

    Args:
        config: the run's configuration.
        split: the name of the split.
        vocabulary: the class numbers' glosses.
        device: the network's device.

    Raises:
        ManifestError: the split is not prepared, or its clips are not those of the references.
        FormatError: a line of the references cannot be read.
        ConfigError: the crop is larger than the frames.
        FrameError: the pack is missing, damaged or of other clips, or features are missing.
        VocabularyError: a label holds a gloss that the vocabulary lacks.
    """
    manifest = load_manifest(config.prepared, config.dataset, split)
    references = load_references(config.prepared, config.dataset, split)
    clips, signed = {clip.id for clip in manifest.clips}, {reference.id for reference in references}
    if clips != signed:
        raise ManifestError(
            f"{split}: {plural(len(clips - signed), 'clip has', 'clips have')} no reference and "
            f"{len(signed - clips)} references no clip "
            f"(first: {min(clips ^ signed)}); run `python -m preprocess.prepare` again"
        )
    spec = TemporalSpec(config.model_args.conv_type)
    loader = build_run_loader(config, manifest, vocabulary, spec, device, training=False)
    known = collect_training_glosses(load_manifest(config.prepared, config.dataset, "train"), config.normalise)
    # In the order of the clips, which the CTM file and the report follow; the file of references may have another.
    by_id = {reference.id: reference for reference in references}
    in_order = tuple(by_id[clip.id] for clip in manifest.clips)
    return EvaluationData(split, loader, in_order, known, choose_frame_rate(config.frame_rate, manifest.frame_rate))


def collect_training_glosses(manifest: Manifest, rules: Rules) -> frozenset[str]:
    """The glosses of a split's labels as they are, and as they are spelt in hypotheses that are scored.

    Rules may rewrite a gloss alone and join it with its neighbours (`S H` to `S+H`): all these spellings are known from
    training, so none of them counts as unseen in the report.
    """
    labels = {gloss for clip in manifest.clips for gloss in clip.glosses}
    alone = (normalise([gloss], rules) for gloss in labels)
    return frozenset(labels.union(*alone, *(normalise(clip.glosses, rules) for clip in manifest.clips)))


def evaluate(
    config: Config,
    model: SLRModel | Ensemble,
    data: EvaluationData,
    vocabulary: Vocabulary,
    folder: Path,
    measures: ClipMeasures | None = None,
) -> EvaluationResult:
    """Recognise a split, write its CTM files into `folder` and score them; several processes share the clips.

    Args:
        config: the run's configuration.
        model: the network, or several of them.
        data: the split.
        vocabulary: the class numbers' glosses.
        folder: the run's folder.
        measures: is told what a calibration needs to know of the clips that this process recognises.

    Raises:
        RecognitionError: not every clip was recognised once, or the network's output is not finite.
        FormatError: a gloss that CTM files cannot hold.
        InputError: sclite was asked for and failed, memory ran out, or the language model cannot be had.
    """
    frame_seconds = config.feeder_args.frame_interval / data.frame_rate
    fusion = build_fusion(config, vocabulary)
    decoder = make_decoder(config.decode_backend, config.decode_mode, config.beam_width, fusion)
    label = f"evaluating {data.split}"
    are_several = isinstance(model, Ensemble) and len(model.networks) > 1
    remedy = LESS_MEMORY + (", or combine fewer networks" if are_several else "")
    with explain_out_of_memory(lambda: f"while {data.split} was evaluated; {remedy}"):
        network = prepare_network(model, config)
        here = recognise_clips(network, data.loader, decoder, vocabulary, frame_seconds, label, measures)
    spelt = gather_entries(ranks.all_gather(here), data.references)
    entries, files, hypotheses, results = {}, {}, {}, {}
    # "-conv" is the name by which other systems of the family know the file of the convolutional head.
    for head, suffix in zip(HEADS, ("", "-conv"), strict=True):
        entries[head] = merge_all_repeats(spelt[head]) if config.merge_repeats else tuple(spelt[head])
        files[head] = folder / f"output-hypothesis-{data.split}{suffix}.ctm"
        if ranks.rank() == 0:  # all processes have all entries, so one writes them
            write_ctm(files[head], entries[head])
        hypotheses[head] = normalise_entries(entries[head], config.normalise)
        results[head] = score_with_tool(data.references, hypotheses[head], config.evaluate_tool, config.sclite_path)
    return EvaluationResult(
        split=data.split,
        references=data.references,
        entries=entries,
        hypotheses=hypotheses,
        results=results,
        scorings=score_in_all_ways(config, data.references, spelt["sequence"], results["sequence"]),
        files=files,
        training_glosses=data.training_glosses,
    )


def score_in_all_ways(
    config: Config, references: Sequence[Reference], spelt: Sequence[CtmEntry], result: WerResult
) -> tuple[Scoring, ...]:  # fmt: skip
    """Score with and without merging, under the configured rule set and those to be reported beside it.

    Published results differ in both, and only figures counted in the same way can be compared.

    Args:
        config: the run's configuration.
        references: the glosses signed in each clip.
        spelt: the glosses recognised in each clip, before repeats are merged.
        result: the counts of the configured way, which comes first.
    """
    scorings = [Scoring(config.normalise, config.merge_repeats, result)]
    for rules in dict.fromkeys((config.normalise, *config.also_normalise)):
        for merging in (True, False):
            if (rules, merging) == (config.normalise, config.merge_repeats):
                continue
            glosses = normalise_entries(merge_all_repeats(spelt) if merging else spelt, rules)
            counts = score_with_tool(references, glosses, config.evaluate_tool, config.sclite_path)
            scorings.append(Scoring(rules, merging, counts))
    return tuple(scorings)


def gather_entries(
    parts: Sequence[Mapping[str, Sequence[CtmEntry]]], references: Sequence[Reference]
) -> dict[str, list[CtmEntry]]:  # fmt: skip
    """Put together what all processes recognised.

    Args:
        parts: the entries of each process, by head.
        references: the glosses signed in each clip.

    Returns:
        the entries of all clips in the order of the references, by head.

    Raises:
        RecognitionError: a clip was recognised twice, or not at all.
    """
    gathered = {}
    for head in HEADS:
        entries = [entry for part in parts for entry in part[head]]
        by_id = {entry.id: entry for entry in entries}
        if len(entries) != len(references) or by_id.keys() != {reference.id for reference in references}:
            raise RecognitionError(f"{len(entries)} hypotheses of {len(by_id)} clips for {len(references)} references")
        gathered[head] = [by_id[reference.id] for reference in references]
    return gathered


def merge_all_repeats(entries: Sequence[CtmEntry]) -> tuple[CtmEntry, ...]:
    """The entries, in each of which equal neighbours are merged."""
    return tuple(CtmEntry(entry.id, merge_repeats(entry.words)) for entry in entries)


def normalise_entries(entries: Sequence[CtmEntry], rules: Rules) -> dict[str, tuple[str, ...]]:
    """By id, the glosses to be scored."""
    return {entry.id: tuple(normalise(entry.glosses, rules)) for entry in entries}

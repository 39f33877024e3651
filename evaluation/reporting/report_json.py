"""What `report.json` holds, built from the results of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from config.schema import Scorer
from dataset.rendered import describe_corpus
from evaluation.ctm import CtmEntry, CtmWord, Reference
from evaluation.evaluation_result import EvaluationResult, Scoring
from evaluation.reporting.breakdown import count_by_length, count_by_signer
from evaluation.reporting.certainty import compute_wer_interval
from evaluation.reporting.confusions import list_confusions, list_deleted, list_inserted, list_unseen
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.read_report import FORMAT
from evaluation.wer import align_glosses
from evaluation.wer_result import Alignment, SentenceCounts, counts_to_dict, result_to_dict
from utils.errors import InputError


def build_report(
    run: str,
    created: datetime,
    results: Sequence[EvaluationResult],
    config: Mapping[str, Any],
    history: Sequence[EpochRecord] = (),
    weights: str | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything that is known of a run, as `report.json` holds it.

    `format`, `project`, `run` (name of the folder), `created` (ISO 8601), `corpus` (its name in words), `config`,
    `weights` (file or null), `notes` (lines about the configuration), `history` (the fields of `EpochRecord`, an object
    an epoch) and `splits`, by name, each as `build_split` says. C, S, D, I are numbers of glosses correct, substituted,
    deleted and inserted; `wer` is in percent, null without a reference gloss.

    Args:
        run: the name of the run.
        created: the time of the evaluation.
        results: the evaluated splits.
        config: the run's configuration, plain nested containers.
        history: the learning curve, if there was a training.
        weights: the file that was evaluated.
        notes: lines about keys of the configuration that are not read as they were given.

    Raises:
        InputError: references, hypotheses and counts of a split do not belong together.
    """
    return {
        "format": FORMAT,
        "project": "mstfnet",
        "run": run,
        "created": created.isoformat(timespec="seconds"),
        "corpus": describe_corpus(config),
        "config": dict(config),
        "weights": weights,
        "notes": list(notes),
        "history": [asdict(record) for record in history],
        "splits": {result.split: build_split(result, config["evaluate_tool"]) for result in results},
    }


def build_split(evaluated: EvaluationResult, scorer: Scorer) -> dict[str, Any]:
    """A split of the report.

    `normalise`, `merge_repeats` and `scorer` say how it was scored; `wer` to `I` are the result, `interval` is its
    95 % interval over sentences ([low, high] in percent or null), `sentences_count` the number of sentences, `exact` of
    those without error, `conv` the result of the convolutional head, `scorings` the result under all conventions (the
    first is this one), `signers` by name, `lengths` by number of reference glosses, `from`..`to`. `confusions`,
    `deleted`, `inserted` and `unseen` (in training) are complete, most frequent first; `of` is how often a gloss was
    signed. `sentences` are in the order of the references: counts, `alignment` ([op, reference gloss or null,
    recognised gloss or null]) and `words` as in the CTM file ([gloss, start, duration, confidence or null], seconds).

    Args:
        evaluated: the split.
        scorer: the program that counted.

    Raises:
        InputError: references, hypotheses and counts do not belong together.
    """
    result, configured = evaluated.results["sequence"], evaluated.scorings[0]
    alignments = _align_sentences(evaluated)
    unseen = list_unseen(alignments, evaluated.training_glosses)
    rows = zip(evaluated.references, result.sentences, alignments, evaluated.entries["sequence"], strict=True)
    return {
        "normalise": configured.rules,
        "merge_repeats": configured.merge_repeats,
        "scorer": scorer,
        **result_to_dict(result),
        "interval": compute_wer_interval(result),
        "sentences_count": len(result.sentences),
        "exact": sum(sentence.errors == 0 for sentence in result.sentences),
        "conv": result_to_dict(evaluated.results["conv"]),
        "scorings": [_build_scoring(scoring) for scoring in evaluated.scorings],
        "signers": count_by_signer(result),
        "lengths": count_by_length(result),
        "confusions": list_confusions(alignments),
        "deleted": list_deleted(alignments),
        "inserted": list_inserted(alignments),
        "unseen": unseen,
        "unseen_totals": {
            "glosses": len(unseen),
            "count": sum(row["count"] for row in unseen),
            "correct": sum(row["correct"] for row in unseen),
        },
        "sentences": [_build_sentence(*row) for row in rows],
    }


def _align_sentences(evaluated: EvaluationResult) -> list[Alignment]:
    """The alignment of each sentence; an error if it does not give the scorer's counts."""
    ids = [reference.id for reference in evaluated.references]
    counted = evaluated.results["sequence"].sentences
    for what, found in (
        ("counts", [sentence.id for sentence in counted]),
        ("recognised sentences", [entry.id for entry in evaluated.entries["sequence"]]),
    ):
        if found != ids:
            raise InputError(f"{evaluated.split}: the {what} are not those of the references, in their order")
    alignments = []
    for reference, sentence in zip(evaluated.references, counted, strict=True):
        alignment = align_glosses(reference.glosses, evaluated.hypotheses["sequence"][reference.id])
        # sclite may have counted: a page whose coloured glosses do not add up to its figures must not be written.
        ours = SentenceCounts.from_alignment(reference.id, sentence.signer, alignment)
        if ours != sentence:
            raise InputError(f"{reference.id}: the scorer counted {sentence}, the alignment gives {ours}")
        alignments.append(alignment)
    return alignments


def _build_scoring(scoring: Scoring) -> dict[str, Any]:
    return {"normalise": scoring.rules, "merge_repeats": scoring.merge_repeats, **result_to_dict(scoring.result)}


def _build_sentence(
    reference: Reference, sentence: SentenceCounts, alignment: Alignment, entry: CtmEntry
) -> dict[str, Any]:  # fmt: skip
    return {
        "id": reference.id,
        "signer": reference.signer,
        **counts_to_dict(sentence),
        "alignment": [list(column) for column in alignment],
        "words": [_build_word(word) for word in entry.words],
    }


def _build_word(word: CtmWord) -> list[Any]:
    """The word with the digits of a CTM file, so that a report made from that file would be the same."""
    confidence = None if word.confidence is None else round(float(word.confidence), 4)
    return [word.gloss, round(float(word.start), 3), round(float(word.duration), 3), confidence]

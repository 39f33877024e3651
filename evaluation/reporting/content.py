"""What `report.json` holds: made from evaluations here, and read back here for comparing two runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from evaluation.ctm import CtmEntry, CtmWord, Reference
from evaluation.reporting.analysis import confusions, deleted, inserted, per_length, per_signer, unseen
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.statistics import bootstrap_interval
from evaluation.wer import Alignment, SentenceCounts, WerResult, align, counts
from utils.errors import InputError

if TYPE_CHECKING:  # comparing reports must not wait for torch
    from evaluation.evaluate import Evaluation, Scoring

FORMAT = 1
NAME = "report.json"


class ReportError(InputError, ValueError):
    """A report that cannot be made or read."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of a report that was read.

    Attributes:
        id: of the clip.
        signer: who signs in it.
        alignment: (op, reference gloss, recognised gloss), as `evaluation.wer.align` gives it.
    """

    id: str
    signer: str
    alignment: tuple[tuple[Literal["C", "S", "D", "I"], str | None, str | None], ...]

    @property
    def reference(self) -> tuple[str, ...]:
        """The glosses signed."""
        return tuple(gloss for _, gloss, _ in self.alignment if gloss is not None)

    @property
    def counts(self) -> SentenceCounts:
        """The counts of the alignment."""
        ops = Counter(op for op, _, _ in self.alignment)
        return SentenceCounts(self.id, self.signer, ops["C"], ops["S"], ops["D"], ops["I"])

    @property
    def errors(self) -> int:
        """S + D + I."""
        return sum(op != "C" for op, _, _ in self.alignment)


@dataclass(frozen=True)
class Split:
    """A split of a report that was read: how it was scored, and its sentences."""

    normalise: str
    merge_repeats: bool
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Report:
    """What comparing needs of a report that was read."""

    run: str
    config: dict[str, Any]
    weights: str | None
    splits: dict[str, Split]


def report(
    run: str,
    created: datetime,
    evaluations: Sequence[Evaluation],
    config: Mapping[str, Any],
    history: Sequence[EpochRecord] = (),
    weights: str | None = None,
) -> dict[str, Any]:
    """Everything that is known of a run, as `report.json` holds it.

    `format`, `project`, `run` (name of the folder), `created` (ISO 8601), `config`, `weights` (file or null), `history`
    (the fields of `EpochRecord`, an object an epoch) and `splits`, by name, each as `split_report` says. C, S, D, I are
    numbers of glosses correct, substituted, deleted and inserted; `wer` is in percent, null without a reference gloss.

    Raises:
        ReportError: references, hypotheses and counts of a split do not belong together.
    """
    return {
        "format": FORMAT,
        "project": "mstfnet",
        "run": run,
        "created": created.isoformat(timespec="seconds"),
        "config": dict(config),
        "weights": weights,
        "history": [asdict(record) for record in history],
        "splits": {of.split: split_report(of, str(config["evaluate_tool"])) for of in evaluations},
    }


def split_report(evaluation: Evaluation, scorer: str) -> dict[str, Any]:
    """A split.

    `normalise`, `merge_repeats` and `scorer` say how it was scored; `wer` to `I` are the result, `interval` is its
    95 % interval over sentences ([low, high] in percent or null), `sentences_count` the number of sentences, `exact` of
    those without error, `conv` the result of the convolutional head, `scorings` the result under all conventions (the
    first is this one), `signers` by name, `lengths` by number of reference glosses, `from`..`to`. `confusions`,
    `deleted`, `inserted` and `unseen` (in training) are complete, most frequent first; `of` is how often a gloss was
    signed. `sentences` are in the order of the references: counts, `alignment` ([op, reference gloss or null,
    recognised gloss or null]) and `words` as in the CTM file ([gloss, start, duration, confidence or null], seconds).
    """
    result, main = evaluation.results["sequence"], evaluation.scorings[0]
    alignments = _alignments(evaluation)
    unknown = unseen(alignments, evaluation.training_glosses)
    rows = zip(evaluation.references, result.sentences, alignments, evaluation.entries["sequence"], strict=True)
    return {
        "normalise": main.rules,
        "merge_repeats": main.merge_repeats,
        "scorer": scorer,
        **counts(result),
        "interval": interval(result),
        "sentences_count": len(result.sentences),
        "exact": sum(sentence.errors == 0 for sentence in result.sentences),
        "conv": counts(evaluation.results["conv"]),
        "scorings": [_scoring(scoring) for scoring in evaluation.scorings],
        "signers": per_signer(result),
        "lengths": per_length(result),
        "confusions": confusions(alignments),
        "deleted": deleted(alignments),
        "inserted": inserted(alignments),
        "unseen": unknown,
        "unseen_totals": {"glosses": len(unknown), **{key: _sum(unknown, key) for key in ("count", "correct")}},
        "sentences": [_sentence(*row) for row in rows],
    }


def interval(result: WerResult) -> list[float] | None:
    """The 95 % interval of the WER over the choice of sentences, [low, high] in percent; None if they give none."""
    errors = [sentence.errors for sentence in result.sentences]
    ends = bootstrap_interval(errors, [sentence.reference_length for sentence in result.sentences])
    return list(ends) if ends else None


def _alignments(evaluation: Evaluation) -> list[Alignment]:
    """The alignment of each sentence; raises ReportError if it does not give the scorer's counts."""
    ids = [reference.id for reference in evaluation.references]
    counted = evaluation.results["sequence"].sentences
    for what, found in (
        ("counts", [sentence.id for sentence in counted]),
        ("recognised sentences", [entry.id for entry in evaluation.entries["sequence"]]),
    ):
        if found != ids:
            raise ReportError(f"{evaluation.split}: the {what} are not those of the references, in their order")
    alignments = []
    for reference, sentence in zip(evaluation.references, counted, strict=True):
        alignment = align(reference.glosses, evaluation.hypotheses["sequence"][reference.id])
        ours = Sentence(reference.id, sentence.signer, tuple(alignment)).counts
        if ours != sentence:
            raise ReportError(f"{reference.id}: the scorer counted {sentence}, the alignment gives {ours}")
        alignments.append(alignment)
    return alignments


def _scoring(scoring: Scoring) -> dict[str, Any]:
    return {"normalise": scoring.rules, "merge_repeats": scoring.merge_repeats, **counts(scoring.result)}


def _sentence(
    reference: Reference, sentence: SentenceCounts, alignment: Alignment, entry: CtmEntry
) -> dict[str, Any]:  # fmt: skip
    numbers = counts(WerResult((sentence,)))
    return {
        "id": reference.id,
        "signer": reference.signer,
        **{key: numbers[key] for key in "CSDI"},
        "alignment": [list(column) for column in alignment],
        "words": [_word(word) for word in entry.words],
    }


def _word(word: CtmWord) -> list[Any]:
    """The word with the digits of a CTM file."""
    confidence = None if word.confidence is None else round(float(word.confidence), 4)
    return [word.gloss, round(float(word.start), 3), round(float(word.duration), 3), confidence]


def _sum(rows: Sequence[Mapping[str, Any]], key: str) -> int:
    return sum(row[key] for row in rows)


def read_report(path: str | Path) -> Report:
    """The report in a file, or in a run folder.

    Raises:
        ReportError: it is not there, not a report, or of another format; the message names the file.
    """
    file = Path(path) / NAME if Path(path).is_dir() else Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"there is no report {file}; evaluating a run writes one into its folder") from None
    except (ValueError, OSError) as error:
        raise ReportError(f"{file} is not a report: {error}") from None
    if not isinstance(content, dict) or "format" not in content:
        raise ReportError(f"{file} is not a report: it has no `format`")
    if content["format"] != FORMAT:
        raise ReportError(f"{file} has format {content['format']!r}, expected {FORMAT}; evaluate the run again")
    try:
        return TypeAdapter(Report).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ReportError(f"{file} is not a report: {where}: {first['msg']} ({error.error_count()} errors)") from None

"""`report.html`: what `report.json` holds, as a page for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from config.keys import flatten_sections
from config.nearest_system import name_system
from config.schema import Rules, Scorer
from evaluation.reporting.charts import draw_learning_curve, draw_length_chart, format_range
from evaluation.reporting.confusions import build_confusion_matrix
from evaluation.reporting.page import DASH, Column, collect_search_text, render_page, stack_alignments

TOP = 20
"""Rows of a list of glosses; the others are in `report.json`."""
CONVENTIONS: Mapping[Rules, str] = {
    "none": "hypotheses are scored as recognised, no gloss is rewritten",
    "phoenix2014": "hypotheses are normalised gloss by gloss, as for the published results on both PHOENIX corpora",
    "phoenix2014-sentence": "hypotheses are normalised sentence by sentence, as the references of PHOENIX2014 were",
    "phoenix2014-T": "hypotheses are normalised as in sign language translation on PHOENIX2014-T",
}
"""What each rule set means for a reader."""
REPEATS = {
    True: "equal neighbours were merged into one gloss first",
    False: "equal neighbours were left to these rules",
}
ABOVE_100 = (
    "A WER above 100 % means that there are more errors than signed glosses: each gloss that was added counts as one, "
    "and there is no limit to these. Reading nothing at all gives 100 %."
)
SCORERS: Mapping[Scorer, str] = {
    "python": "the built-in scorer counts, with sclite's alignment",
    "sclite": "NIST's sclite counts",
}


BEAM = "CTC beam search of width {beam_width}"
GREEDY = "the most probable class of each output step"


def render_report(report: Mapping[str, Any]) -> str:
    """The page of a report.

    Args:
        report: the content of `report.json`, as `evaluation.reporting.report_json.build_report` makes it.
    """
    history = report["history"]
    return render_page(
        "report.html.j2",
        report=report,
        system=name_system(report["config"]),
        decoding=describe_decoding(report["config"]),
        settings=list(flatten_sections(report["config"]).items()),
        learning_curve=draw_learning_curve(history) if history else None,
        splits=[_build_split_view(name, split) for name, split in report["splits"].items()],
        top=TOP,
        above_100=ABOVE_100,
    )


def describe_decoding(config: Mapping[str, Any]) -> str | None:
    """How the glosses were read from what the network gave, in words; None if the configuration does not say it."""
    if not {"decode_mode", "beam_width"} <= config.keys():
        return None
    if config["decode_mode"] != "beam":
        return f"{GREEDY}."
    parts = [BEAM.format_map(config)]
    if config.get("lm"):
        parts.append(f"the language model {config['lm']} with the weight {config['lm_weight']:g}")
    if config.get("insertion_bonus"):
        parts.append(f"a bonus of {config['insertion_bonus']:g} for each gloss")
    if config.get("blank_penalty"):
        parts.append(f"a penalty of {config['blank_penalty']:g} for each blank")
    return f"{', '.join(parts)}."


def describe_scoring(split: Mapping[str, Any]) -> str:
    """How a split of the report was scored, in words."""
    rules = f"{CONVENTIONS[split['normalise']]} (rules “{split['normalise']}”)"
    words = f"{rules}; {REPEATS[split['merge_repeats']]}; {SCORERS[split['scorer']]}."
    return words[0].upper() + words[1:]


def _build_split_view(name: str, split: Mapping[str, Any]) -> dict[str, Any]:
    """A split, with the other values that its part of the page needs."""
    views = [_build_sentence_view(sentence) for sentence in split["sentences"]]
    rates = [row["wer"] or 0.0 for row in split["signers"].values()]
    return {
        "name": name,
        "data": split,
        "convention": describe_scoring(split),
        "glosses": split["C"] + split["S"] + split["D"],
        "largest_rate": max(rates) or 1.0,  # the bars are shares of it; 1 where nobody has an error
        "lengths": [{**row, "name": format_range(row)} for row in split["lengths"]],
        "length_chart": draw_length_chart(split["lengths"]),
        "matrix": build_confusion_matrix(split),
        # By errors first: by rate, a sentence of one gloss that was missed would stand above one with five errors.
        "sentences": sorted(views, key=lambda view: (-view["errors"], -view["rate"])),
    }


def _build_sentence_view(sentence: Mapping[str, Any]) -> dict[str, Any]:
    """A sentence, with the other values that its part of the page needs."""
    errors = sentence["S"] + sentence["D"] + sentence["I"]
    length = sentence["C"] + sentence["S"] + sentence["D"]
    alignment = [tuple(column) for column in sentence["alignment"]]
    columns = stack_alignments([alignment])
    notes = _place_timings(columns, sentence["words"])
    words = []
    if notes is None:
        words = [(word[0], *_format_timing(word)) for word in sentence["words"]]
        notes = [() for _ in columns]
    return {
        "data": sentence,
        "errors": errors,
        "length": length,
        "rate": _compute_error_share(errors, length),
        "note_names": ("seconds", "confidence")[: max(map(len, notes), default=0)],
        "columns": list(zip(columns, notes, strict=True)),
        "words": words,
        "search": collect_search_text(sentence["id"], sentence["signer"], [alignment]),
    }


def _compute_error_share(errors: int, length: int) -> float:
    """Errors in percent of the reference glosses; infinite where something was read and nothing signed."""
    if length:
        return 100.0 * errors / length
    if errors:
        return float("inf")
    return 0.0


def _place_timings(columns: Sequence[Column], words: Sequence[Sequence[Any]]) -> list[tuple[str, ...]] | None:
    """The time and confidence to stand in each column; None if normalisation dropped or joined any gloss.

    No rule adds glosses, so as many words as glosses are the same ones, rewritten at most.
    """
    has_gloss = [column.read[0] is not None and column.read[0][1] is not None for column in columns]
    if sum(has_gloss) != len(words):
        return None
    left = iter(words)
    return [_format_timing(next(left)) if has else () for has in has_gloss]


def _format_timing(word: Sequence[Any]) -> tuple[str, ...]:
    _, start, duration, confidence = word
    time = f"{start:.2f}{DASH}{start + duration:.2f}"
    return (time,) if confidence is None else (time, f"{100 * confidence:.0f}\u00a0%")

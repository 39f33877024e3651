"""`report.html`: what `report.json` holds, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.reporting.analysis import confusion_matrix
from evaluation.reporting.charts import learning_curve, length_chart, range_name
from evaluation.reporting.page import DASH, Column, columns, render, search_text

TOP = 20
CONVENTIONS = {
    "none": "hypotheses are scored as recognised, no gloss is rewritten",
    "phoenix2014": "hypotheses are normalised gloss by gloss, as for the published results on both PHOENIX corpora",
    "phoenix2014-sentence": "hypotheses are normalised sentence by sentence, as the references of PHOENIX2014 were",
    "phoenix2014-T": "hypotheses are normalised as in sign language translation on PHOENIX2014-T",
}
"""What each rule set means for a reader."""
REPEATS = {True: "equal neighbours became one gloss before", False: "equal neighbours were left to these rules"}
SCORERS = {"python": "the built-in scorer counts, with sclite's alignment", "sclite": "NIST's sclite counts"}


def as_html(report: Mapping[str, Any]) -> str:
    """The page of a report, which is `evaluation.reporting.content.report`'s or was read from its file."""
    history = report["history"]
    return render(
        "report.html.j2",
        report=report,
        settings=list(settings(report["config"])),
        learning_curve=learning_curve(history) if history else None,
        splits=[_split(name, split) for name, split in report["splits"].items()],
        top=TOP,
    )


def settings(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of a nested configuration."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def convention(split: Mapping[str, Any]) -> str:
    """How a split was scored, in words."""
    rules = f"{CONVENTIONS[split['normalise']]} (rules “{split['normalise']}”)"
    words = f"{rules}; {REPEATS[split['merge_repeats']]}; {SCORERS[split['scorer']]}."
    return words[0].upper() + words[1:]


def _split(name: str, split: Mapping[str, Any]) -> dict[str, Any]:
    """A split with what its part of the page shows besides."""
    views = [_sentence(sentence) for sentence in split["sentences"]]
    rates = [row["wer"] or 0.0 for row in split["signers"].values()]
    return {
        "name": name,
        "data": split,
        "convention": convention(split),
        "glosses": split["C"] + split["S"] + split["D"],
        "largest_rate": max(rates) or 1.0,
        "lengths": [{**row, "name": range_name(row)} for row in split["lengths"]],
        "length_chart": length_chart(split["lengths"]),
        "matrix": confusion_matrix(split),
        "sentences": sorted(views, key=lambda view: (-view["errors"], -view["rate"])),
    }


def _sentence(sentence: Mapping[str, Any]) -> dict[str, Any]:
    errors = sentence["S"] + sentence["D"] + sentence["I"]
    length = sentence["C"] + sentence["S"] + sentence["D"]
    alignment = [tuple(column) for column in sentence["alignment"]]
    places = columns([alignment])
    notes = _notes(places, sentence["words"])
    return {
        "data": sentence,
        "errors": errors,
        "length": length,
        "rate": 100.0 * errors / length if length else float("inf") * bool(errors),
        "note_names": ("seconds", "confidence")[: max(map(len, notes or [()]), default=0)],
        "columns": list(zip(places, notes or [()] * len(places), strict=True)),
        "words": [(word[0], *_timing(word)) for word in sentence["words"]] if notes is None else [],
        "search": search_text(sentence["id"], sentence["signer"], [alignment]),
    }


def _notes(places: Sequence[Column], words: Sequence[Sequence[Any]]) -> list[tuple[str, ...]] | None:
    """Time and confidence under each recognised gloss; None if normalisation dropped or joined any.

    No rule adds glosses, so as many words as glosses are the same ones, rewritten at most.
    """
    read = [place.read[0] is not None and place.read[0][1] is not None for place in places]
    if sum(read) != len(words):
        return None
    left = iter(words)
    return [_timing(next(left)) if is_read else () for is_read in read]


def _timing(word: Sequence[Any]) -> tuple[str, ...]:
    _, start, duration, confidence = word
    time = f"{start:.2f}{DASH}{start + duration:.2f}"
    return (time,) if confidence is None else (time, f"{100 * confidence:.0f}\u00a0%")

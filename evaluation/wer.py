"""Word error rate: sclite's alignment and counts in Python, and the command line of both scorers.

python -m evaluation.wer --hyp H.ctm --ref R.stm [--normalise RULES] [--tool python|sclite] [--sclite-path P] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from evaluation.ctm import Reference, fold_case, read_ctm, read_stm
from evaluation.normalise import RULE_SETS, normalise
from utils.table import format_table

SUBSTITUTION_COST, INSERTION_COST, DELETION_COST = 4, 3, 3  # sclite's

CELLS = ("WER", "S", "D", "I", "glosses")
Alignment = list[tuple[str, str | None, str | None]]


@dataclass(frozen=True)
class SentenceCounts:
    """Correct, substituted, deleted and inserted glosses of one sentence."""

    id: str
    signer: str
    correct: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def reference_length(self) -> int:
        """Number of reference glosses: C + S + D."""
        return self.correct + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """S + D + I."""
        return self.substitutions + self.deletions + self.insertions


@dataclass(frozen=True)
class WerResult:
    """Counts of a set of sentences, in the order of the references; the totals are sums over them."""

    sentences: tuple[SentenceCounts, ...]

    @property
    def correct(self) -> int:
        """Reference glosses recognised."""
        return sum(sentence.correct for sentence in self.sentences)

    @property
    def substitutions(self) -> int:
        """Reference glosses recognised as another one."""
        return sum(sentence.substitutions for sentence in self.sentences)

    @property
    def deletions(self) -> int:
        """Reference glosses missed."""
        return sum(sentence.deletions for sentence in self.sentences)

    @property
    def insertions(self) -> int:
        """Recognised glosses that nobody signed."""
        return sum(sentence.insertions for sentence in self.sentences)

    @property
    def reference_length(self) -> int:
        """Number of reference glosses."""
        return sum(sentence.reference_length for sentence in self.sentences)

    @property
    def wer(self) -> float:
        """(S + D + I) / reference glosses, in percent. Raises ValueError where there is no reference gloss."""
        if self.reference_length == 0:
            raise ValueError(f"no reference gloss in {len(self.sentences)} sentences: the word error rate is undefined")
        return 100.0 * (self.substitutions + self.deletions + self.insertions) / self.reference_length

    def per_signer(self) -> dict[str, WerResult]:
        """The same counts signer by signer, sorted by name."""
        groups: dict[str, list[SentenceCounts]] = {}
        for sentence in self.sentences:
            groups.setdefault(sentence.signer, []).append(sentence)
        return {signer: WerResult(tuple(groups[signer])) for signer in sorted(groups)}


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> Alignment:
    """sclite's alignment: (op, reference gloss, hypothesis gloss), op C, S, D or I, None where there is no gloss.

    Minimises 4 S + 3 I + 3 D, A-Z in either case being equal; among alignments of equal cost, the one that, read from
    the end, prefers to pair two glosses, then to insert, then to delete.
    """
    gains = _gains(reference, hypothesis)  # (R, H)
    best = _best_gains(gains)  # (R + 1, H + 1)
    path: Alignment = []
    r, h = len(reference), len(hypothesis)
    while r or h:
        if r and h and best[r, h] == best[r - 1, h - 1] + gains[r - 1, h - 1]:
            r, h = r - 1, h - 1
            path.append(("C" if gains[r, h] == INSERTION_COST + DELETION_COST else "S", reference[r], hypothesis[h]))
        elif h and (not r or best[r, h] == best[r, h - 1]):
            h -= 1
            path.append(("I", None, hypothesis[h]))
        else:
            r -= 1
            path.append(("D", reference[r], None))
    return path[::-1]


def _gains(reference: Sequence[str], hypothesis: Sequence[str]) -> np.ndarray:
    """(R, H) what pairing two glosses saves against deleting one and inserting the other."""
    numbers: dict[str, int] = {}
    rows = [numbers.setdefault(fold_case(gloss), len(numbers)) for gloss in reference]
    columns = [numbers.setdefault(fold_case(gloss), len(numbers)) for gloss in hypothesis]
    equal = np.equal.outer(np.array(rows, dtype=np.int32), np.array(columns, dtype=np.int32))  # (R, H)
    correct = INSERTION_COST + DELETION_COST
    return np.where(equal, correct, correct - SUBSTITUTION_COST).astype(np.int32)


def _best_gains(gains: np.ndarray) -> np.ndarray:
    """(R + 1, H + 1) the largest total gain of the first r and h glosses.

    The gain is 3 r + 3 h - cost, so insertions and deletions change nothing and a row needs no loop over its columns.
    """
    R, H = gains.shape
    best = np.zeros((R + 1, H + 1), dtype=np.int32)
    for r in range(R):
        np.maximum(best[r, 1:], best[r, :-1] + gains[r], out=best[r + 1, 1:])
        np.maximum.accumulate(best[r + 1], out=best[r + 1])
    return best


def score(
    references: Iterable[Reference], hypotheses: Mapping[str, Sequence[str]], require_all: bool = True
) -> WerResult:
    """Counts of every reference against the hypothesis of its id (glosses, already normalised).

    An empty hypothesis is all deletions. With `require_all`, a reference whose id has no hypothesis is an error;
    without it, such a reference is all deletions too. Raises ValueError for missing, unknown and repeated ids,
    TypeError for a hypothesis that is a string.
    """
    references = list(references)
    check_ids(references, hypotheses, require_all)
    return WerResult(tuple(_count(reference, hypotheses.get(reference.id, ())) for reference in references))


def check_ids(references: Sequence[Reference], hypotheses: Mapping[str, Sequence[str]], require_all: bool) -> None:
    """Raise ValueError unless hypotheses and references belong together, as `score` describes."""
    text = next((name for name, glosses in hypotheses.items() if isinstance(glosses, str)), None)
    if text is not None:
        raise TypeError(f"the hypothesis of {text} is a string, expected a sequence of glosses")
    ids = Counter(reference.id for reference in references)
    repeated = [name for name, times in ids.items() if times > 1]
    unknown = [name for name in hypotheses if name not in ids]
    missing = [name for name in ids if name not in hypotheses] if require_all else []
    for names, problem in (
        (repeated, "references share an id"),
        (unknown, "hypotheses have no reference"),
        (missing, "references have no hypothesis"),
    ):
        if names:
            raise ValueError(f"{len(names)} {problem}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")


def _count(reference: Reference, hypothesis: Sequence[str]) -> SentenceCounts:
    ops = Counter(op for op, _, _ in align(reference.glosses, hypothesis))
    return SentenceCounts(reference.id, reference.signer, ops["C"], ops["S"], ops["D"], ops["I"])


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.wer", description="Word error rate of a CTM file.")
    parser.add_argument("--hyp", required=True, metavar="H.ctm", help="recognised glosses")
    parser.add_argument("--ref", required=True, metavar="R.stm", help="reference glosses")
    parser.add_argument("--normalise", default="none", choices=list(RULE_SETS), help="rules for the hypotheses")
    parser.add_argument("--tool", default="python", choices=["python", "sclite"], help="which program counts")
    parser.add_argument("--sclite-path", metavar="P", help="where sclite is, if not in one of its usual places")
    parser.add_argument("--json", action="store_true", help="print JSON, with the counts of each sentence")
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> None:
    """Score one file and print the result. Exits with a message if the files cannot be scored."""
    try:
        references = read_stm(args.ref)
        entries = read_ctm(args.hyp, ids=[reference.id for reference in references])
        hypotheses = {entry.id: normalise(entry.glosses, args.normalise) for entry in entries}
        result = _scorer(args.tool, args.sclite_path)(references, hypotheses, require_all=False)
        text = json.dumps(as_dict(result), ensure_ascii=False, indent=1) if args.json else as_text(result)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"evaluation.wer: {error}")
    missing = [reference.id for reference in references if reference.id not in hypotheses]
    if missing:
        print(
            f"{len(missing)} of {len(references)} references have no line in {args.hyp} and count as deleted "
            f"(first: {missing[0]})",
            file=sys.stderr,
        )
    print(text)


def _scorer(tool: str, sclite_path: str | None) -> Callable[..., WerResult]:
    if tool == "python":
        return score
    from evaluation.sclite import score_glosses  # noqa: PLC0415 (sclite.py builds this module's WerResult)

    return partial(score_glosses, path=sclite_path)


def as_dict(result: WerResult) -> dict[str, Any]:
    """Rate (percent), totals, signers and sentences as plain values; the rate of a signer without glosses is None."""
    signers = result.per_signer()
    return {
        "wer": result.wer,
        **_totals(result),
        "signers": {name: counts(part) for name, part in signers.items()},
        "sentences": [{"id": sentence.id, **_totals(sentence)} for sentence in result.sentences],
    }


def counts(result: WerResult) -> dict[str, float | int | None]:
    """WER in percent (None without a reference gloss), and how many glosses are correct, substituted, ..."""
    return {"wer": result.wer if result.reference_length else None, **_totals(result)}


def _totals(of: WerResult | SentenceCounts) -> dict[str, int]:
    return {"C": of.correct, "S": of.substitutions, "D": of.deletions, "I": of.insertions}


def as_text(result: WerResult) -> str:
    """A line for all sentences and one for each signer."""
    rows = [["all", *cells(result), str(len(result.sentences))]]
    rows += [[name, *cells(part, "-"), str(len(part.sentences))] for name, part in result.per_signer().items()]
    return format_table(["", *CELLS, "sentences"], rows)


def cells(result: WerResult, undefined: str | None = None) -> list[str]:
    """What `CELLS` names, as text; `undefined` stands for the rate without reference glosses, else a ValueError."""
    numbers = (result.substitutions, result.deletions, result.insertions, result.reference_length)
    known = result.reference_length or undefined is None
    return [f"{result.wer:.2f} %" if known else undefined, *map(str, numbers)]


if __name__ == "__main__":
    main(parse_args())

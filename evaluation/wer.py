"""Word error rate: sclite's alignment and counts in Python, and the command line of both scorers.

python -m evaluation.wer --hyp H.ctm --ref R.stm [--normalise RULES] [--tool python|sclite] [--sclite-path P] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import numpy as np

from config.schema import Rules, Scorer
from evaluation.ctm import Reference, fold_case, read_ctm, read_stm
from evaluation.normalise import normalise
from evaluation.sclite import score_with_sclite
from evaluation.wer_result import (
    RESULT_COLUMNS,
    Alignment,
    SentenceCounts,
    WerResult,
    check_ids,
    counts_to_dict,
    format_result_cells,
    result_to_dict,
)
from utils.errors import InputError
from utils.output import run_command
from utils.table import format_table
from utils.text import plural
from utils.unicode import to_nfc

# sclite's costs. A substitution is cheaper than a deletion and an insertion together (4 < 6), so two different glosses
# are paired where they can be; with costs of 1 the best alignment, and so the counts, would be others.
SUBSTITUTION_COST, INSERTION_COST, DELETION_COST = 4, 3, 3


def align_glosses(reference: Sequence[str], hypothesis: Sequence[str]) -> Alignment:
    """sclite's alignment: (op, reference gloss, hypothesis gloss), op C, S, D or I, None where there is no gloss.

    Minimises 4 S + 3 I + 3 D, A-Z in either case being equal; among alignments of equal cost, the one that, read from
    the end, prefers to pair two glosses, then to insert, then to delete.
    """
    gains = _compute_pair_gains(reference, hypothesis)  # (R, H)
    best = _compute_best_gains(gains)  # (R + 1, H + 1)
    path: list[tuple[str, str | None, str | None]] = []
    r, h = len(reference), len(hypothesis)
    # The order of these three branches is sclite's choice between alignments of equal cost. It decides how many errors
    # are substitutions, which the published tables list apart.
    while r or h:
        if r and h and best[r, h] == best[r - 1, h - 1] + gains[r - 1, h - 1]:
            r, h = r - 1, h - 1
            op = "C" if gains[r, h] == INSERTION_COST + DELETION_COST else "S"
            path.append((op, reference[r], hypothesis[h]))
        elif h and (not r or best[r, h] == best[r, h - 1]):
            h -= 1
            path.append(("I", None, hypothesis[h]))
        else:
            r -= 1
            path.append(("D", reference[r], None))
    return path[::-1]


def _compute_pair_gains(reference: Sequence[str], hypothesis: Sequence[str]) -> np.ndarray:
    """(R, H) what pairing two glosses saves against deleting one and inserting the other."""
    numbers: dict[str, int] = {}
    rows = [numbers.setdefault(fold_case(to_nfc(gloss)), len(numbers)) for gloss in reference]
    columns = [numbers.setdefault(fold_case(to_nfc(gloss)), len(numbers)) for gloss in hypothesis]
    equal = np.equal.outer(np.array(rows, dtype=np.int32), np.array(columns, dtype=np.int32))  # (R, H)
    correct = INSERTION_COST + DELETION_COST
    return np.where(equal, correct, correct - SUBSTITUTION_COST).astype(np.int32)


def _compute_best_gains(gains: np.ndarray) -> np.ndarray:
    """(R + 1, H + 1) the largest total gain of the first r and h glosses.

    The gain is 3 r + 3 h - cost, so the largest gain is the smallest cost. In gains, insertions and deletions change
    nothing: a row is then a running maximum, which numpy has, where costs would need a loop over the columns.
    """
    R, H = gains.shape
    best = np.zeros((R + 1, H + 1), dtype=np.int32)
    for r in range(R):
        np.maximum(best[r, 1:], best[r, :-1] + gains[r], out=best[r + 1, 1:])
        np.maximum.accumulate(best[r + 1], out=best[r + 1])
    return best


def score_hypotheses(
    references: Iterable[Reference], hypotheses: Mapping[str, Sequence[str]], require_all: bool = True
) -> WerResult:
    """Count the errors of every hypothesis against the reference of its id.

    Args:
        references: the sentences to be scored; the result is in their order.
        hypotheses: recognised glosses by the id of the sentence, already normalised; an empty one is all deletions.
        require_all: whether a reference without a hypothesis is an error; if not, it is all deletions.

    Raises:
        ValueError: missing, unknown or repeated ids.
        TypeError: a hypothesis that is a string.
    """
    references = list(references)
    check_ids(references, hypotheses, require_all)
    return WerResult(
        tuple(
            SentenceCounts.from_alignment(
                reference.id, reference.signer, align_glosses(reference.glosses, hypotheses.get(reference.id, ()))
            )
            for reference in references
        )
    )


def score_with_tool(
    references: Sequence[Reference],
    hypotheses: Mapping[str, Sequence[str]],
    tool: Scorer,
    sclite_path: str | None = None,
    require_all: bool = True,
) -> WerResult:
    """What `score_hypotheses` computes, by the scorer that the user chose.

    Args:
        references: the sentences to be scored.
        hypotheses: recognised glosses by the id of the sentence, already normalised.
        tool: "python", the scorer of this file, or "sclite", the outside program.
        sclite_path: the place of sclite, as for `utils.sclite_program.find_sclite`.
        require_all: whether a reference without a hypothesis is an error.

    Raises:
        InputError: sclite was asked for and is missing or failed.
        ValueError: missing, unknown or repeated ids.
    """
    if tool == "sclite":
        return score_with_sclite(references, hypotheses, require_all=require_all, path=sclite_path)
    return score_hypotheses(references, hypotheses, require_all=require_all)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.wer", description="Word error rate of a CTM file.")
    parser.add_argument("--hyp", required=True, metavar="H.ctm", help="recognised glosses")
    parser.add_argument("--ref", required=True, metavar="R.stm", help="reference glosses")
    parser.add_argument("--normalise", default="none", choices=get_args(Rules), help="rules for the hypotheses")
    parser.add_argument("--tool", default="python", choices=get_args(Scorer), help="which program counts")
    parser.add_argument("--sclite-path", metavar="P", help="where sclite is, if not in one of its usual places")
    parser.add_argument("--json", action="store_true", help="print JSON, with the counts of each sentence")
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> None:
    """Score one file and print the result. Exits with a message if the files cannot be scored."""
    try:
        references = read_stm(args.ref)
        entries = read_ctm(args.hyp, ids=[reference.id for reference in references])
        hypotheses = {entry.id: normalise(entry.glosses, args.normalise) for entry in entries}
        # A CTM file has no line for a sentence in which nothing was recognised: a missing one is all deletions.
        result = score_with_tool(references, hypotheses, args.tool, args.sclite_path, require_all=False)
        text = json.dumps(build_json(result), ensure_ascii=False, indent=1) if args.json else format_result(result)
    except (InputError, ValueError, OSError) as error:
        sys.exit(f"evaluation.wer: {error}")
    missing = [reference.id for reference in references if reference.id not in hypotheses]
    if missing:
        print(
            f"{len(missing)} of {len(references)} references have no line in {args.hyp} and count as deleted "
            f"(first: {missing[0]})",
            file=sys.stderr,
        )
    starts = {entry.id: [word.start for word in entry.words] for entry in entries}
    unordered = [name for name, times in starts.items() if times != sorted(times)]
    if unordered:
        print(
            f"warning: in {args.hyp} the times of {plural(len(unordered), 'sentence')} go back "
            f"(first: {unordered[0]}): "
            "glosses are scored in the order of the file, as sclite does; sort it if the order of time is right",
            file=sys.stderr,
        )
    print(text)


def build_json(result: WerResult) -> dict[str, Any]:
    """Rate (percent), totals, signers and sentences as plain values; the rate of a signer without glosses is None."""
    return {
        "wer": result.wer,
        **counts_to_dict(result),
        "signers": {name: result_to_dict(part) for name, part in result.split_by_signer().items()},
        "sentences": [{"id": sentence.id, **counts_to_dict(sentence)} for sentence in result.sentences],
    }


def format_result(result: WerResult) -> str:
    """A table with a line for all sentences and one for each signer."""
    rows = [["all", *format_result_cells(result), str(len(result.sentences))]]
    for name, part in result.split_by_signer().items():
        rows.append([name, *format_result_cells(part, undefined="-"), str(len(part.sentences))])
    return format_table(["", *RESULT_COLUMNS, "sentences"], rows)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

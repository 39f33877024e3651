"""NIST's scorer sclite, an outside program, with the result type of the built-in scorer."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evaluation.ctm import CtmEntry, CtmWord, Reference, write_ctm, write_stm
from evaluation.wer_result import SentenceCounts, WerResult, check_ids
from utils.errors import InputError
from utils.sclite_program import REMEDY, find_sclite
from utils.unicode import to_nfc

_SCORES = re.compile(r"^File: (\S+)\nChannel: \S+\nScores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


def score_with_sclite(
    references: Iterable[Reference],
    hypotheses: Mapping[str, Sequence[str]],
    require_all: bool = True,
    path: str | None = None,
    timeout: float = 600.0,
) -> WerResult:
    """What `evaluation.wer.score_hypotheses` computes, by sclite.

    sclite reads files written here, in the order of the references and under plain ids, so that neither the order
    nor the spelling of ids can change a count. Its counts must add up to the glosses that went in.

    Args:
        references: the sentences to be scored.
        hypotheses: recognised glosses by the id of the sentence, already normalised.
        require_all: whether a reference without a hypothesis is an error; if not, it is all deletions.
        path: the place of sclite, as for `find_sclite`.
        timeout: the longest that sclite may take, in seconds.

    Raises:
        ValueError: missing, unknown or repeated ids.
        FormatError: a gloss that sclite would rewrite.
        InputError: sclite is missing, fails, takes too long or does not account for every gloss.
    """
    references = list(references)
    # sclite itself does not notice a sentence that is missing.
    check_ids(references, hypotheses, require_all)
    command = find_sclite(path)
    references = [replace(reference, glosses=tuple(map(to_nfc, reference.glosses))) for reference in references]
    words = [tuple(map(to_nfc, hypotheses.get(reference.id, ()))) for reference in references]
    names = [f"s{index:07d}" for index in range(len(references))]
    with tempfile.TemporaryDirectory(prefix="sclite-") as folder:
        _write_input(Path(folder), names, references, words)
        report = _run_sclite(command, Path(folder), timeout)
    counts = {match[1]: tuple(map(int, match.groups()[1:])) for match in _SCORES.finditer(report)}
    return WerResult(
        tuple(
            _check_counts(reference, hypothesis, counts.get(name))
            for name, reference, hypothesis in zip(names, references, words, strict=True)
        )
    )


def check_sclite(path: str | None) -> None:
    """Raise the InputError of an sclite that is missing or does not work.

    Args:
        path: the place of sclite, as for `find_sclite`.
    """
    score_with_sclite([Reference("try", "nobody", ("A",))], {"try": ("A",)}, path=path)


def _write_input(folder: Path, names: list[str], references: list[Reference], words: list[tuple[str, ...]]) -> None:
    write_stm(
        folder / "ref.stm",
        # One signer for all: their names may hold what sclite cannot read, and the counts are given by sentence.
        [Reference(name, "s", reference.glosses) for name, reference in zip(names, references, strict=True)],
    )
    entries = [
        CtmEntry(name, [CtmWord(gloss, float(index), 1.0) for index, gloss in enumerate(glosses)])
        for name, glosses in zip(names, words, strict=True)
    ]
    write_ctm(folder / "hyp.ctm", entries)


def _run_sclite(command: list[str], folder: Path, timeout: float) -> str:
    """sclite's `pra` report, which has the counts of every sentence."""
    # No -s: it would tell upper from lower case, where the built-in scorer takes A-Z in either case for equal.
    arguments = ["-h", "hyp.ctm", "ctm", "-r", "ref.stm", "stm", "-o", "pra", "stdout"]
    try:
        # The output goes to files: where a wrapper starts sclite, the wrapper's child would hold a pipe open after the
        # time limit, and reading it would never end.
        with (folder / "report").open("wb") as report, (folder / "messages").open("wb") as messages:
            subprocess.run(
                [*command, *arguments],
                check=True,
                cwd=folder,
                timeout=timeout,
                stdin=subprocess.DEVNULL,
                stdout=report,
                stderr=messages,
            )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"sclite did not finish within {timeout:g} s (it is slow on sentences of thousands of glosses): "
            "set evaluate_tool: python, which counts the same"
        ) from error
    except subprocess.CalledProcessError as error:
        said = (folder / "messages").read_text(encoding="utf-8", errors="replace").strip()
        raise InputError(f"{' '.join(command)} failed with status {error.returncode}: {said[-500:]}") from error
    except OSError as error:
        raise InputError(f"{' '.join(command)} cannot be started ({error}): {REMEDY}") from error
    return (folder / "report").read_text(encoding="utf-8", errors="replace")


def _check_counts(reference: Reference, hypothesis: tuple[str, ...], counts: tuple[int, ...] | None) -> SentenceCounts:
    """sclite's (C, S, D, I) of a sentence; an error where they are missing or do not add up to its glosses."""
    if counts is None:
        raise InputError(f"sclite says nothing about {reference.id}: its report is incomplete")
    correct, substitutions, deletions, insertions = counts
    counted = (correct + substitutions + deletions, correct + substitutions + insertions)
    if counted != (len(reference.glosses), len(hypothesis)):
        raise InputError(
            f"sclite counted {counted[0]} reference and {counted[1]} recognised glosses in {reference.id}, "
            f"there are {len(reference.glosses)} and {len(hypothesis)}"
        )
    return SentenceCounts(reference.id, reference.signer, correct, substitutions, deletions, insertions)

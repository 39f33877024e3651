"""The NIST scorer, as an outside program, with the result type of the built-in one."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evaluation.ctm import CtmEntry, CtmWord, Reference, write_ctm, write_stm
from evaluation.wer import SentenceCounts, WerResult, check_ids
from utils.errors import InputError

DEBIAN_PATH = "/usr/lib/sctk/bin/sclite"
LOCAL_PATH = "./software/sclite"
REMEDY = "install it (apt-get install sctk) or set evaluate_tool: python, which counts the same"

_SCORES = re.compile(r"^File: (\S+)\nChannel: \S+\nScores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


class ScliteError(InputError, RuntimeError):
    """sclite is missing, failed, or did not account for every gloss."""


def find_sclite(path: str | None = None) -> list[str]:
    """The command that starts sclite, to be followed by its arguments.

    `path` is the program or the folder it is in; without it: `sclite` on $PATH, ./software/sclite, Debian's place for
    it, and `sctk sclite`. Raises ScliteError, which says what to do, if it is not there.
    """
    if path is not None:
        path = str(Path(path).expanduser())
        candidates = [str(Path(path) / "sclite"), path] if Path(path).is_dir() else [path]
    else:
        candidates = ["sclite", LOCAL_PATH, DEBIAN_PATH, "sctk"]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found:
            program = str(Path(found).absolute())  # sclite runs in another folder
            return [program, "sclite"] if Path(program).name == "sctk" else [program]
    where = "on $PATH, in ./software or in /usr/lib/sctk/bin" if path is None else f"at {path}"
    raise ScliteError(f"there is no program sclite {where}: {REMEDY}")


def score_glosses(
    references: Iterable[Reference],
    hypotheses: Mapping[str, Sequence[str]],
    require_all: bool = True,
    path: str | None = None,
    timeout: float = 600.0,
) -> WerResult:
    """What `evaluation.wer.score` computes, by sclite; `path` as for `find_sclite`, `timeout` in seconds.

    sclite reads files written here, in the order of the references and under plain ids, so that neither the order
    nor the spelling of ids can change a count. Its counts must add up to the glosses that went in.

    Raises ValueError for missing, unknown and repeated ids and for glosses that sclite would rewrite, ScliteError if
    sclite is missing, fails, takes too long or does not account for every gloss.
    """
    references = list(references)
    check_ids(references, hypotheses, require_all)
    command = find_sclite(path)
    words = [tuple(hypotheses.get(reference.id, ())) for reference in references]
    names = [f"s{index:07d}" for index in range(len(references))]
    with tempfile.TemporaryDirectory(prefix="sclite-") as folder:
        _write_input(Path(folder), names, references, words)
        report = _run(command, Path(folder), timeout)
    counts = {match[1]: tuple(map(int, match.groups()[1:])) for match in _SCORES.finditer(report)}
    return WerResult(
        tuple(
            _checked(reference, hypothesis, counts.get(name))
            for name, reference, hypothesis in zip(names, references, words, strict=True)
        )
    )


def _write_input(folder: Path, names: list[str], references: list[Reference], words: list[tuple[str, ...]]) -> None:
    write_stm(
        folder / "ref.stm",
        [Reference(name, "s", reference.glosses) for name, reference in zip(names, references, strict=True)],
    )
    entries = [
        CtmEntry(name, [CtmWord(gloss, float(index), 1.0) for index, gloss in enumerate(glosses)])
        for name, glosses in zip(names, words, strict=True)
    ]
    write_ctm(folder / "hyp.ctm", entries)


def _run(command: list[str], folder: Path, timeout: float) -> str:
    """sclite's `pra` report. Its output goes to a file: a pipe would outlive the time limit with a wrapper's child."""
    arguments = ["-h", "hyp.ctm", "ctm", "-r", "ref.stm", "stm", "-o", "pra", "stdout"]
    try:
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
        raise ScliteError(
            f"sclite did not finish within {timeout:g} s (it is slow on sentences of thousands of glosses): "
            "set evaluate_tool: python, which counts the same"
        ) from error
    except subprocess.CalledProcessError as error:
        messages = (folder / "messages").read_text(encoding="utf-8", errors="replace").strip()
        raise ScliteError(f"{' '.join(command)} failed with status {error.returncode}: {messages[-500:]}") from error
    except OSError as error:
        raise ScliteError(f"{' '.join(command)} cannot be started ({error}): {REMEDY}") from error
    return (folder / "report").read_text(encoding="utf-8", errors="replace")


def _checked(reference: Reference, hypothesis: tuple[str, ...], counts: tuple[int, ...] | None) -> SentenceCounts:
    if counts is None:
        raise ScliteError(f"sclite says nothing about {reference.id}: its report is incomplete")
    correct, substitutions, deletions, insertions = counts
    counted = (correct + substitutions + deletions, correct + substitutions + insertions)
    if counted != (len(reference.glosses), len(hypothesis)):
        raise ScliteError(
            f"sclite counted {counted[0]} reference and {counted[1]} recognised glosses in {reference.id}, "
            f"there are {len(reference.glosses)} and {len(hypothesis)}"
        )
    return SentenceCounts(reference.id, reference.signer, correct, substitutions, deletions, insertions)

"""What scoring gives: counts of errors by sentence, the word error rate, and both as plain values and as text.

Both scorers, `evaluation.wer` and `evaluation.sclite`, check their input and build their result with this file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluation.ctm import Reference
from utils.text import shorten

RESULT_COLUMNS = ("WER", "S", "D", "I", "glosses")
"""The heads of the columns that `format_result_cells` fills."""

Alignment = Sequence[tuple[str, str | None, str | None]]
"""(op, reference gloss, recognised gloss) in order; op is C, S, D or I, and None stands where there is no gloss."""


@dataclass(frozen=True)
class SentenceCounts:
    """Correct, substituted, deleted and inserted glosses of one sentence."""

    id: str
    signer: str
    correct: int
    substitutions: int
    deletions: int
    insertions: int

    @classmethod
    def from_alignment(cls, name: str, signer: str, alignment: Alignment) -> SentenceCounts:
        """Count the operations of an alignment.

        Args:
            name: the id of the sentence.
            signer: the person who signs in it.
            alignment: the sentence's reference against what was recognised.
        """
        ops = Counter(op for op, _, _ in alignment)
        return cls(name, signer, ops["C"], ops["S"], ops["D"], ops["I"])

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
        """Number of reference glosses that were recognised."""
        return sum(sentence.correct for sentence in self.sentences)

    @property
    def substitutions(self) -> int:
        """Number of reference glosses that were recognised as another one."""
        return sum(sentence.substitutions for sentence in self.sentences)

    @property
    def deletions(self) -> int:
        """Number of reference glosses that were missed."""
        return sum(sentence.deletions for sentence in self.sentences)

    @property
    def insertions(self) -> int:
        """Number of recognised glosses that nobody signed."""
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
        # A ratio of sums, not the mean of the sentences' rates: so a long sentence weighs more than a short one, as in
        # every published figure.
        return 100.0 * (self.substitutions + self.deletions + self.insertions) / self.reference_length

    def split_by_signer(self) -> dict[str, WerResult]:
        """The same counts signer by signer, sorted by name."""
        groups: dict[str, list[SentenceCounts]] = {}
        for sentence in self.sentences:
            groups.setdefault(sentence.signer, []).append(sentence)
        return {signer: WerResult(tuple(groups[signer])) for signer in sorted(groups)}


def check_ids(references: Iterable[Reference], hypotheses: Mapping[str, Sequence[str]], require_all: bool) -> None:
    """Check that hypotheses and references belong together.

    Args:
        references: the sentences to be scored.
        hypotheses: recognised glosses by the id of the sentence.
        require_all: whether a reference without a hypothesis is an error.

    Raises:
        ValueError: missing, unknown or repeated ids.
        TypeError: a hypothesis that is a string.
    """
    # A string is a sequence of letters: scored as glosses it would give a rate, and a wrong one.
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
            raise ValueError(f"{len(names)} {problem}: {shorten(names, most=3)}")


def counts_to_dict(counts: WerResult | SentenceCounts) -> dict[str, int]:
    """How many glosses are correct (C), substituted (S), deleted (D) and inserted (I)."""
    return {"C": counts.correct, "S": counts.substitutions, "D": counts.deletions, "I": counts.insertions}


def result_to_dict(result: WerResult) -> dict[str, float | int | None]:
    """WER in percent, None without a reference gloss, and the counts C, S, D and I."""
    return {"wer": result.wer if result.reference_length else None, **counts_to_dict(result)}


def format_result_cells(result: WerResult, undefined: str | None = None) -> list[str]:
    """A row of a table as text, with a cell for each of `RESULT_COLUMNS`.

    Args:
        result: the counts to show.
        undefined: the text for the rate where there is no reference gloss; without it that is an error.

    Raises:
        ValueError: there is no reference gloss, and no text for that was given.
    """
    rate = undefined
    if rate is None or result.reference_length:
        rate = f"{result.wer:.2f} %"
    numbers = (result.substitutions, result.deletions, result.insertions, result.reference_length)
    return [rate, *map(str, numbers)]

"""Glosses as the words that a language model sees: those of a corpus, and those of a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from config.schema import Config, Rules
from dataset.manifest import load_manifest
from evaluation.language_model.ngram_model import NgramModel
from evaluation.normalise import normalise
from utils.text import shorten


def spell_sentence(glosses: Iterable[str], rules: Rules, merging: bool) -> list[str]:
    """The words of a sentence for a language model: its glosses by the rules, each by itself.

    A beam search asks for a word as soon as its gloss is found, when rules that join neighbours cannot be applied yet.

    Args:
        glosses: the glosses in order.
        rules: the rule set by which hypotheses are normalised.
        merging: whether equal neighbours in a hypothesis become one gloss, before the rules.
    """
    merged = [gloss for gloss, _ in groupby(glosses)] if merging else glosses
    return [word for gloss in merged for word in normalise([gloss], rules)]


def load_sentences(config: Config, split: str) -> list[list[str]]:
    """The labels of a split of the corpus of a configuration, by its rules.

    Labels, not the file of references, which a corpus may have spelt by rules that join neighbours.

    Raises:
        ManifestError: the split is not prepared.
    """
    clips = load_manifest(config.prepared, config.dataset, split).clips
    return [spell_sentence(clip.glosses, config.normalise, config.merge_repeats) for clip in clips]


@dataclass(frozen=True)
class Unmapped:
    """What a dictionary and a language model do not have in common.

    Attributes:
        glosses: the glosses of the dictionary of whose words the model lacks one, so that they count as unknown.
        words: the words of the model that no gloss of the dictionary is spelt with, so that they are never asked for.
        num_glosses: the number of glosses of the dictionary.
        num_words: the number of words of the model.
    """

    glosses: tuple[str, ...]
    words: tuple[str, ...]
    num_glosses: int
    num_words: int

    def describe(self) -> list[str]:
        """A line for each kind of which there are any, with the first ten."""
        lines = []
        if self.glosses:
            lines.append(
                f"glosses of the dictionary that the language model lacks, so that they count as unknown: "
                f"{len(self.glosses):,} of {self.num_glosses:,} ({shorten(self.glosses, 10)})"
            )
        if self.words:
            lines.append(
                f"words of the language model that are no glosses of the dictionary, so that nothing asks for them: "
                f"{len(self.words):,} of {self.num_words:,} ({shorten(self.words, 10)})"
            )
        return lines


def find_unmapped(model: NgramModel, glosses: Sequence[str], rules: Rules) -> Unmapped:
    """Compare a language model with a dictionary.

    Args:
        model: the language model.
        glosses: the glosses of the dictionary.
        rules: the rule set by which hypotheses are normalised.
    """
    spelt = {gloss: spell_sentence([gloss], rules, merging=False) for gloss in glosses}
    known, asked_for = set(model.words), {word for words in spelt.values() for word in words}
    return Unmapped(
        glosses=tuple(gloss for gloss, words in spelt.items() if not known.issuperset(words)),
        words=tuple(word for word in model.words if word not in asked_for),
        num_glosses=len(spelt),
        num_words=len(known),
    )

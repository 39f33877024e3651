"""The language model, bonus and penalty that a configuration asks for, ready for the beam search."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from config.schema import FUSED, Config, Rules
from dataset.vocabulary import Vocabulary, load_vocabulary
from evaluation.ctc.ngram_table import build_table
from evaluation.ctc.search_arrays import Fusion, NgramTable
from evaluation.language_model.arpa import read_arpa
from evaluation.language_model.ngram_model import NgramModel
from evaluation.language_model.perplexity import doubt_corpus, measure_perplexity
from evaluation.language_model.sentences import find_unmapped, load_sentences
from utils.errors import InputError
from utils.text import quote_path

NO_WORDS = NgramModel(1, ({},))
"""A model that knows no word, for a bonus or penalty without a language model."""


class LanguageModelError(InputError):
    """The language model that a configuration names cannot be had."""


def is_fused(config: Config) -> bool:
    """Whether the beam search of a configuration adds anything to what the network gives."""
    return any(getattr(config, key) for key in FUSED)


def build_fusion(config: Config, vocabulary: Vocabulary) -> Fusion | None:
    """What the beam search of a configuration adds to log-probabilities; None if it adds nothing.

    Args:
        config: the configuration.
        vocabulary: the class numbers' glosses.

    Raises:
        LanguageModelError: the file of the language model is not there.
        ParseError: it is no ARPA file, or damaged.
    """
    if not is_fused(config):
        return None
    table = load_table(config.lm, vocabulary.glosses, config.normalise)
    return Fusion(
        table, config.lm_weight if config.lm else 0.0, config.insertion_bonus, config.blank_penalty,
        config.merge_repeats,
    )  # fmt: skip


def load_table(path: str | None, glosses: Sequence[str], rules: Rules) -> NgramTable:
    """The table of a language model for a dictionary; of the same file and dictionary it is built once.

    Args:
        path: the ARPA file; None gives the table of a model that knows no word.
        glosses: the glosses of the dictionary.
        rules: the rules by which references and hypotheses are spelt.

    Raises:
        LanguageModelError: there is no such file.
        ParseError: it is no ARPA file, or damaged.
    """
    return _build_table(path, _read_stamp(path), tuple(glosses), rules)


def load_language_model(path: str) -> NgramModel:
    """Read a language model; a file that has not changed is read once. Errors are those of `load_table`."""
    return _read_model(path, _read_stamp(path))


def load_fusion(config: Config) -> Fusion | None:
    """What the beam search of a run adds; the corpus's dictionary is read only where something is added.

    Raises:
        InputError: as `build_fusion`, or there is no dictionary. Features are written without a language model.
    """
    if config.phase == "features" or not is_fused(config):
        return None
    return build_fusion(config, load_vocabulary(config.prepared, config.dataset, config.dataset_root))


def describe_decoder(config: Config) -> list[str]:
    """Lines for a run's log: those of `describe_fusion`, and a warning if the language model is of other sentences.

    Raises:
        InputError: as `load_fusion`, or the training split is not prepared.
    """
    if not is_fused(config):
        return []
    vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
    doubts = doubt_language_model(config.lm, config, vocabulary) if config.lm else []
    return describe_fusion(config, vocabulary) + doubts


def describe_fusion(config: Config, vocabulary: Vocabulary) -> list[str]:
    """Lines for the log about what the beam search adds; none if it adds nothing.

    They say what the language model is, and what of it and of the dictionary has no counterpart in the other. Arguments
    and errors are those of `build_fusion`.
    """
    lines = []
    if config.lm:
        model = load_language_model(config.lm)
        size = f"order {model.order}, {sum(map(len, model.ngrams)):,} n-grams"
        lines.append(f"language model: {config.lm} ({size}), lm_weight {config.lm_weight:g}")
        if not config.lm_weight:
            lines.append("warning: lm_weight is 0, so the language model changes nothing")
        lines += describe_unmapped(config.lm, config, vocabulary)
    if config.insertion_bonus or config.blank_penalty:
        alone = "" if config.lm else ", without a language model"
        lines.append(f"insertion_bonus {config.insertion_bonus:g}, blank_penalty {config.blank_penalty:g}{alone}")
    return lines


def describe_unmapped(path: str, config: Config, vocabulary: Vocabulary) -> list[str]:
    """Lines about the glosses that a language model lacks, and about its words that are no glosses.

    Args:
        path: the ARPA file.
        config: the rules by which hypotheses are spelt.
        vocabulary: the class numbers' glosses.

    Raises:
        LanguageModelError, ParseError: as `load_table`.
    """
    return find_unmapped(load_language_model(path), vocabulary.glosses, config.normalise).describe()


def doubt_language_model(path: str, config: Config, vocabulary: Vocabulary) -> list[str]:
    """A warning if a language model is of other sentences than the corpus's; arguments as for `describe_unmapped`.

    Raises:
        InputError: as `describe_unmapped`, or the training split is not prepared.
    """
    measured = measure_perplexity(load_language_model(path), load_sentences(config, "train"))
    doubt = doubt_corpus(measured, len(vocabulary), "the references of train")
    return [doubt] if doubt else []


def _read_stamp(path: str | None) -> tuple[int, int]:
    """What changes when a file does: the time when it was written, and its size."""
    if path is None:
        return 0, 0
    if not Path(path).is_file():
        raise LanguageModelError(
            f"lm: there is no language model {quote_path(path)}; name the ARPA file with --lm FILE, or decode without "
            "one with --lm none"
        )
    state = Path(path).stat()
    return state.st_mtime_ns, state.st_size


@lru_cache(maxsize=1)
def _read_model(path: str, stamp: tuple[int, int]) -> NgramModel:  # noqa: ARG001  the stamp is part of the key
    return read_arpa(path)


@lru_cache(maxsize=2)
def _build_table(path: str | None, stamp: tuple[int, int], glosses: tuple[str, ...], rules: Rules) -> NgramTable:
    return build_table(_read_model(path, stamp) if path else NO_WORDS, Vocabulary(glosses), rules)

"""Glosses as words of a language model, and what a dictionary and a model do not have in common."""

import pytest

from evaluation.language_model.ngram_model import BEGIN, END, UNKNOWN, NgramModel
from evaluation.language_model.sentences import Unmapped, find_unmapped, load_sentences, spell_sentence
from tests.helpers.commands import prepare_by_command
from tests.helpers.config import tiny_config
from tests.helpers.corpora import BUILDERS


@pytest.mark.parametrize(
    ("rules", "merging", "expected"),
    [
        ("none", False, "loc-NORD NORD NORD __EMOTION__ WIE AUSSEHEN"),
        ("none", True, "loc-NORD NORD __EMOTION__ WIE AUSSEHEN"),
        ("phoenix2014", True, "NORD NORD WIE AUSSEHEN"),  # merged before the rules, as hypotheses are
        ("phoenix2014-sentence", False, "NORD NORD NORD WIE AUSSEHEN"),  # neighbours stay as they are
    ],
)
def test_glosses_become_words_each_by_itself(rules, merging, expected):
    glosses = ["loc-NORD", "NORD", "NORD", "__EMOTION__", "WIE", "AUSSEHEN"]
    assert spell_sentence(glosses, rules, merging) == expected.split()


def test_what_does_not_map():
    words = [BEGIN, END, UNKNOWN, "NORD", "SUED", "Ä", "lexicon_form"]
    model = NgramModel(1, ({(word,): (-1.0, 0.0) for word in words},))
    glosses = ["loc-NORD", "NORD", "REGEN", "A\u0308", "__EMOTION__", "HABEN2", UNKNOWN, END]
    found = find_unmapped(model, glosses, "phoenix2014")
    assert found == Unmapped(("REGEN", "HABEN2", UNKNOWN, END), ("SUED", "lexicon_form"), 8, 4)
    assert found.describe() == [
        "glosses of the dictionary that the language model lacks, so that they count as unknown: 4 of 8 "
        "(REGEN, HABEN2, <unk>, </s>)",
        "words of the language model that are no glosses of the dictionary, so that nothing asks for them: 2 of 4 "
        "(SUED, lexicon_form)",
    ]
    assert find_unmapped(model, ["NORD", "SUED", "Ä", "lexicon_form"], "none").describe() == []


def test_only_the_first_ten_are_named():
    found = find_unmapped(NgramModel(1, ({},)), [f"G{number}" for number in range(1200)], "none")
    (line,) = found.describe()
    assert line.endswith("1,200 of 1,200 (G0, G1, G2, G3, G4, G5, G6, G7, G8, G9, ...)")


def test_the_sentences_of_a_prepared_corpus(tmp_path):
    prepare_by_command(BUILDERS["phoenix2014"](tmp_path / "corpus"), tmp_path / "prepared")
    config = tiny_config(tmp_path / "prepared", normalise="phoenix2014", merge_repeats=True)
    assert load_sentences(config, "train") == [
        ["NORD", "WETTER", "REGEN"], ["REGEN", "HEUTE"], ["WIE", "AUSSEHEN", "MORGEN"]
    ]  # fmt: skip
    assert load_sentences(config, "dev") == [["REGEN", "SONNE"]]

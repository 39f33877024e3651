"""Each normalisation rule alone, their order, and the rule sets."""

from typing import get_args

import pytest

from config.schema import Rules
from evaluation.normalise import (
    GLOSS_RULES,
    RULE_SETS,
    drop_markers,
    join_letters,
    join_wie_aussehen,
    merge_repeated_glosses,
    merge_repeated_words,
    normalise,
)

T_RULES = RULE_SETS["phoenix2014-T"]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("delete loc-", "loc-NORD NORD-loc-SUED LOC-NORD loc-", "NORD NORD-SUED LOC-NORD"),
        ("delete cl-", "NICHT-cl-KOMMEN cl-KOMMEN", "NICHT-KOMMEN KOMMEN"),
        ("delete qu-", "qu-WAS", "WAS"),
        ("delete poss-", "poss-EUCH", "EUCH"),
        ("delete lh-", "lh-GEBEN X-lh-Y", "GEBEN X-Y"),
        ("S0NNE to SONNE", "S0NNE S0NNENSCHEIN SONNE", "SONNE SONNENSCHEIN SONNE"),
        ("HABEN2 to HABEN", "HABEN2 HABEN2-X HABEN", "HABEN HABEN-X HABEN"),
        (
            "trailing ZEIGEN to ZEIGEN-BILDSCHIRM",
            "ZEIGEN X-ZEIGEN ZEIGEN-X ZEIGEN-BILDSCHIRM",
            "ZEIGEN-BILDSCHIRM X-ZEIGEN-BILDSCHIRM ZEIGEN-X ZEIGEN-BILDSCHIRM",
        ),
        ("delete RAUM after two capitals", "ABENDRAUM RAUM TRAUM ALPENRAUM-X", "ABEND RAUM TRAUM ALPEN-X"),
        ("delete -PLUSPLUS", "REGEN-PLUSPLUS REGEN-PLUSPLUS-X", "REGEN REGEN-X"),
    ],
)
def test_gloss_rule_alone(name, before, after):
    assert GLOSS_RULES[name](before.split()) == after.split()


def test_every_gloss_rule_is_tested_above():
    assert len(GLOSS_RULES) == 10


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("drop __X__", "__ON__ A __OFF__ __EMOTION__ __X X__", "A __X X__"),
        ("delete leading loc- and cl-", "loc-NORD cl-KOMMEN NICHT-cl-KOMMEN loc-", "NORD KOMMEN NICHT-cl-KOMMEN"),
        ("delete trailing -PLUSPLUS", "REGEN-PLUSPLUS REGEN-PLUSPLUS-X", "REGEN REGEN-PLUSPLUS-X"),
        ("delete RAUM after capitals", "ABENDRAUM RAUM TRAUM", "ABEND RAUM T"),
    ],
)
def test_phoenix2014_t_rule_alone(name, before, after):
    assert T_RULES[name](before.split()) == after.split()


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (drop_markers, "__EMOTION__ A __PU__ __LEFTHAND__ __EPENTHESIS__ __ON__ __OFF__", "A __ON__ __OFF__"),
        (join_wie_aussehen, "WIE AUSSEHEN WIE WIE AUSSEHEN AUSSEHEN", "WIE-AUSSEHEN WIE WIE-AUSSEHEN AUSSEHEN"),
        (join_letters, "S T R M WETTER S SCH NN X-Y A", "S+T+R+M WETTER S+SCH+NN X-Y A"),
        (join_letters, "A A Ä a NNN A+B C", "A+A Ä a NNN A+B C"),
        (merge_repeated_words, "REGEN REGEN REGEN WIND REGEN IX-1 IX-1 Ä Ä", "REGEN WIND REGEN IX-1 IX-1 Ä Ä"),
        (merge_repeated_glosses, "REGEN REGEN IX-1 IX-1 IX-1 REGEN", "REGEN IX-1 REGEN"),
    ],
)
def test_sequence_rule_alone(rule, before, after):
    assert rule(before.split()) == after.split()


@pytest.mark.parametrize(
    ("rules", "before", "after"),
    [
        ("phoenix2014", "NICHT-cl-KOMMEN loc-NORD-PLUSPLUS", "NICHT-KOMMEN NORD"),
        ("phoenix2014", "RAUM TRAUM ABENDRAUM", "RAUM TRAUM ABEND"),
        ("phoenix2014", "__ON__ __EMOTION__ A __OFF__ loc-__PU__ cl-", "__ON__ A __OFF__"),
        ("phoenix2014", "ZEIGEN-PLUSPLUS loc-ZEIGEN", "ZEIGEN ZEIGEN-BILDSCHIRM"),
        ("phoenix2014", "WIE AUSSEHEN A B REGEN REGEN", "WIE AUSSEHEN A B REGEN REGEN"),
        ("phoenix2014-sentence", "A __EMOTION__ A", "A A"),
        ("phoenix2014-sentence", "A A B", "A+A+B"),
        ("phoenix2014-sentence", "WIE AUSSEHEN WIE AUSSEHEN", "WIE-AUSSEHEN WIE-AUSSEHEN"),
        ("phoenix2014-sentence", "REGEN loc-REGEN __PU__ REGEN", "REGEN REGEN"),
        ("phoenix2014-sentence", "WIE __EMOTION__ AUSSEHEN", "WIE AUSSEHEN"),
        ("phoenix2014-sentence", "loc-A cl-B ARAUM", "A+B ARAUM"),
        ("phoenix2014-T", "poss-EUCH HABEN2 __ON__ ZEIGEN", "poss-EUCH HABEN2 ZEIGEN"),
        ("phoenix2014-T", "A __EMOTION__ A", "A+A"),
        ("phoenix2014-T", "IX-1 __PU__ IX-1 loc-IX-1", "IX-1"),
        ("phoenix2014-T", "WIE AUSSEHEN WIE AUSSEHEN", "WIE-AUSSEHEN"),
        ("phoenix2014-T", "loc-REGEN-PLUSPLUS REGEN", "REGEN"),
        ("none", "loc-X __PU__ X X", "loc-X __PU__ X X"),
    ],
)
def test_rule_set(rules, before, after):
    assert normalise(before.split(), rules) == after.split()


@pytest.mark.parametrize("rules", RULE_SETS)
def test_nothing_becomes_nothing_and_the_argument_stays(rules):
    assert normalise([], rules) == []
    glosses = ["A", "loc-B", "__PU__"]
    normalise(glosses, rules)
    assert glosses == ["A", "loc-B", "__PU__"]
    assert normalise(tuple("AB"), "none") == ["A", "B"]


@pytest.mark.parametrize("rules", ["phoenix", "Phoenix2014", ""])
def test_an_unknown_rule_set_names_the_valid_ones(rules):
    with pytest.raises(ValueError, match="phoenix2014, phoenix2014-sentence, phoenix2014-T, none"):
        normalise(["A"], rules)


def test_a_string_is_no_sequence_of_glosses():
    with pytest.raises(TypeError, match="'A B'"):
        normalise("A B", "none")


def test_the_configuration_names_every_rule_set():
    assert tuple(RULE_SETS) == get_args(Rules)

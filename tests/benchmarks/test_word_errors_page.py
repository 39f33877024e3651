"""The page of `benchmarks.word_errors`, from made-up counts whose figures are worked out by hand."""

import pytest

from benchmarks.word_errors_page import (
    AGAINST_PARTNER,
    choose_rows,
    compare_readings,
    correct_for_number,
    format_costs,
    format_page,
    list_verdicts,
    score_all,
)
from evaluation.wer_result import SentenceCounts
from utils.errors import InputError


def read(*substitutions: int, start: int = 0, deleted: int = 0) -> tuple[SentenceCounts, ...]:
    """Sentences of five glosses with so many substitutions each; in the first one some are deleted too."""
    return tuple(
        SentenceCounts(f"s{place}", "Ann", 5 - number - lost, number, lost, 0)
        for place, number in enumerate(substitutions, start)
        for lost in [deleted if place == start else 0]
    )


BEFORE = [read(2, 1, 0, 1), read(2, 2, 0, 0)]


def test_readings_are_compared_in_pairs():
    found = compare_readings(BEFORE, [read(1, 1, 0, 0), read(1, 1, 0, 1)])
    assert found["points"] == pytest.approx(-100 * 3 / 40)  # 4 3 0 1 become 2 2 0 1
    assert found["of_seeds"] == pytest.approx([-10, -5])
    assert found["p"] == pytest.approx(0.5)  # two sentences differ: the same sign in two of four ways
    assert found["interval"][0] < found["points"] < found["interval"][1] == 0


@pytest.mark.parametrize("turned", [False, True])
def test_one_reading_against_the_mean_of_several(turned):
    groups = [BEFORE, [read(1, 1, 0, 0)]]
    found = compare_readings(*(groups[::-1] if turned else groups))
    sign = 1 if turned else -1
    assert found["points"] == pytest.approx(sign * 10)  # 4 of 20 become 2, for both seeds
    assert found["of_seeds"] == pytest.approx([sign * 10, sign * 10])
    assert found["p"] == pytest.approx(0.25)  # three sentences differ, all in one direction


@pytest.mark.parametrize("after", [[read(1, 1, 0, 0, start=1)] * 2, [read(1, 1)] * 2, [read(1, 1, 0, 0)] * 3])
def test_other_sentences_or_seeds_are_not_compared(after):
    with pytest.raises(InputError, match="not of the same sentences"):
        compare_readings(BEFORE, after)


def test_holm_by_hand():
    assert correct_for_number([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert correct_for_number([0.6, 0.7]) == [1.0, 1.0]
    assert correct_for_number([]) == []


def of_both_splits(reading):
    return {"dev": reading, "test": reading}


def test_two_systems_are_compared_with_each():
    names = ["plain", "partner", "systems", "int8"]
    rows, against = choose_rows(dict.fromkeys(names, ()))
    assert rows == ["plain", "partner", "systems", AGAINST_PARTNER, "int8"]
    assert against == {"systems": "plain", AGAINST_PARTNER: "partner", "int8": "plain"}
    counts = {"plain": BEFORE, "partner": [read(2, 0, 0, 0)], "systems": [read(1, 1, 0, 0), read(1, 0, 0, 0)]}
    scores = score_all({name: [of_both_splits(of) for of in readings] for name, readings in counts.items()})["test"]
    assert scores["systems"]["wer"] == scores[AGAINST_PARTNER]["wer"] == pytest.approx(100 * 3 / 40)
    assert scores["systems"]["against"]["points"] == pytest.approx(-100 * 5 / 40)
    assert scores[AGAINST_PARTNER]["against"]["points"] == pytest.approx(-100 * 1 / 40)
    assert "against" not in scores["partner"]


MANY = 12
"""Sentences that all become better: the p of the permutation test is 2 / 2**12."""


@pytest.fixture
def scores():
    """A beam that helps, a moving average that does harm, int8 with one error less."""
    plain = [read(*[1] * MANY), read(*[1] * MANY, deleted=1)]
    counts = {
        "plain": plain,
        "beam": [read(*[0] * MANY)] * 2,
        "ema": [read(*[2] * MANY), read(*[2] * MANY)],
        "int8": [plain[0], read(*[1] * MANY)],
    }
    return score_all({name: [of_both_splits(of) for of in readings] for name, readings in counts.items()})


def test_what_gains_nothing_is_said(scores):
    assert scores["test"]["beam"]["against"]["p"] == pytest.approx(2 / 2**MANY)
    assert scores["test"]["beam"]["against"]["holm"] == pytest.approx(3 * 2 / 2**MANY)
    assert list_verdicts(scores["test"]) == [
        "* Fewer word errors: a beam of 100 (-20.83).",  # 25 of 120
        "* More word errors: a moving average of the weights (+19.17).",  # 23 of 120 more
        "* No difference that this test can show: 8-bit integers (-0.83).",
    ]


def test_the_page(scores):
    costs = {"reading": {"plain": 0.002, "ema": 0.0021}, "training": {"plain": 0.4, "ema": 0.42}, "seeds": 3}
    costs["about"] = "Times."
    page = format_page(scores, {"lm, seed 0": {"lm_weight": 0.5, "beam_width": 10}}, costs, "About.", ["flip"])
    lines = page.splitlines()
    assert lines[:2] == ["About.", "Not read to the end: flip."]
    assert "| none: as trained, beam 10 | 20.83 % | 20.0 to 22.5 | 20.00 % | 0.83 % | 0.00 % |  |  |  |  |  |" in lines
    assert "| a beam of 100 | 0.00 % | - | 0.00 % | 0.00 % | 0.00 % | -20.83 |" in page
    assert "| < 0.001 | 0.0015 | -20.0 -21.7 |" in page
    assert "Of 3 comparisons on test, with Holm's p below 0.05:" in lines
    assert [line[:5] for line in lines if line.startswith(("| test", "| dev"))] == ["| tes", "| dev"]
    assert "| lm, seed 0 | 0.5 | 10 |" in lines
    assert "| a moving average of the weights | `ema: 0.999` | 2.10 | 1.05 | 1.05 |" in lines


def test_what_it_costs_to_train():
    """Of several networks all are trained; what the other system's training takes was not measured."""
    reading = dict.fromkeys(("plain", "flip", "seeds", "systems", "together"), 0.004)
    costs = {"reading": reading | {"plain": 0.002}, "training": {"plain": 1.0, "ema": 1.5}, "seeds": 3}
    rows = [line.split(" | ")[2:] for line in format_costs(costs).splitlines()[2:]]
    assert rows == [
        ["2.00", "1.00", "1.00 |"], ["4.00", "2.00", "1.00 |"], ["4.00", "2.00", "3.00 |"], ["4.00", "2.00", " |"],
        ["4.00", "2.00", "4.50 |"],
    ]  # fmt: skip

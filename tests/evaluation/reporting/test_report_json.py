"""What `report.json` holds: counts by hand, totals that add up, and what is refused."""

import json
import math
from dataclasses import replace

import pytest

from evaluation.reporting.page import format_interval, format_percent
from evaluation.reporting.read_report import read_report
from evaluation.wer_result import WerResult
from tests.helpers.evaluation import CONFIG, SENTENCES, evaluation, make_report
from utils.errors import InputError


def test_counts_of_a_split_by_hand():
    split = make_report()["splits"]["dev"]
    assert {key: split[key] for key in "CSDI"} == {"C": 9, "S": 2, "D": 2, "I": 1}
    assert split["wer"] == pytest.approx(100 * 5 / 13)
    assert (split["sentences_count"], split["exact"]) == (5, 1)
    assert (split["normalise"], split["merge_repeats"], split["scorer"]) == ("phoenix2014", True, "python")
    assert split["interval"][0] < split["wer"] < split["interval"][1]
    assert split["conv"]["wer"] == split["wer"]
    assert split["signers"]["Bob"] == {"wer": pytest.approx(100 / 3), "C": 2, "S": 0, "D": 1, "I": 0, "sentences": 2}
    assert split["confusions"] == [{"reference": "B", "hypothesis": "X", "count": 2, "of": 5}]
    assert split["deleted"] == [{"gloss": "B", "count": 2, "of": 5}]
    assert split["inserted"] == [{"gloss": "Y", "count": 1}]
    assert split["unseen"] == [{"gloss": "E", "count": 2, "correct": 2}]
    assert split["unseen_totals"] == {"glosses": 1, "count": 2, "correct": 2}


def test_alignment_and_words_of_a_sentence_by_hand():
    sentence = make_report()["splits"]["dev"]["sentences"][2]
    assert sentence == {
        "id": "three",
        "signer": "Ann",
        **{"C": 3, "S": 0, "D": 0, "I": 1},
        "alignment": [["C", "B", "B"], ["C", "C", "C"], ["I", None, "Y"], ["C", "D", "D"]],
        "words": [["B", 0.0, 0.2, 0.5], ["C", 0.4, 0.2, 0.5], ["Y", 0.8, 0.2, 0.5], ["D", 1.2, 0.2, 0.5]],
    }


def test_parts_add_up_to_the_scorers_totals():
    split, result = make_report()["splits"]["dev"], evaluation().results["sequence"]
    totals = {"C": result.correct, "S": result.substitutions, "D": result.deletions, "I": result.insertions}
    for parts in (split["sentences"], split["lengths"], list(split["signers"].values())):
        assert {key: sum(part[key] for part in parts) for key in "CSDI"} == totals
    for key, rows in (("S", "confusions"), ("D", "deleted"), ("I", "inserted")):
        assert sum(row["count"] for row in split[rows]) == totals[key]
    assert [sentence["id"] for sentence in split["sentences"]] == [name for name, *_ in SENTENCES]


def test_the_report_is_json_and_reads_back(tmp_path):
    content = make_report()
    assert json.loads(json.dumps(content, ensure_ascii=False)) == content
    assert content["format"] == 1
    assert content["created"] == "2026-03-04T05:06:07+00:00"
    assert content["history"][1] == {
        "epoch": 2, "loss": 12.25, "learning_rate": 1e-4, "seconds": 61.0, "wer": 40.0, "conv_wer": 45.0,
        "gradient_norm": None, "skipped": 0, "dev": None, "waiting": None,
    }  # fmt: skip
    file = tmp_path / "report.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    read = read_report(file)
    assert (read.run, read.weights, read.config) == ("run", "run/best.pt", CONFIG)
    assert tuple(of.counts for of in read.splits["dev"].sentences) == evaluation().results["sequence"].sentences
    assert read.splits["dev"].sentences[2].reference == ("B", "C", "D")


def test_a_signer_and_a_length_without_glosses_have_no_rate():
    split = make_report(evaluation((*SENTENCES, ("six", "Cy", "", "A"))))["splits"]["dev"]
    assert split["signers"]["Cy"] == {"wer": None, "C": 0, "S": 0, "D": 0, "I": 1, "sentences": 1}
    assert split["lengths"][0] == {"from": 0, "to": 0, "sentences": 1, "wer": None, "C": 0, "S": 0, "D": 0, "I": 1}
    assert format_percent(None) == format_interval(None) == "\u2013"


def test_counts_that_the_alignment_does_not_give_are_an_error():
    of = evaluation()
    first, *others = of.results["sequence"].sentences
    wrong = WerResult((replace(first, substitutions=0, correct=3), *others))
    with pytest.raises(InputError, match="one: the scorer counted"):
        make_report(replace(of, results={**of.results, "sequence": wrong}))


def test_sentences_in_another_order_are_an_error():
    of = evaluation()
    with pytest.raises(InputError, match="dev: the recognised sentences are not those of the references"):
        make_report(replace(of, entries={"sequence": of.entries["sequence"][::-1]}))
    with pytest.raises(InputError, match="dev: the counts are not those of the references"):
        make_report(replace(of, references=of.references[::-1]))


def test_no_number_of_the_report_is_infinite():
    def numbers(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return [number for part in value for number in numbers(part)]
        return [value] if isinstance(value, float) else []

    assert all(math.isfinite(number) for number in numbers(make_report()))

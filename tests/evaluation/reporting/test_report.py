"""The report of a run: what it counts, and that its page shows that and loads nothing."""

import json
import math
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from evaluation.ctm import CtmEntry, Reference
from evaluation.evaluation_result import Scoring
from evaluation.normalise import RULE_SETS
from evaluation.reporting.breakdown import choose_length_bins, count_by_length
from evaluation.reporting.charts import draw_learning_curve
from evaluation.reporting.confusions import build_confusion_matrix, list_unseen
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.page import Column, format_interval, format_percent, stack_alignments
from evaluation.reporting.report import format_result_line, format_summary, write_report
from evaluation.reporting.report_html import CONVENTIONS, render_report
from evaluation.reporting.report_json import build_report, read_report
from evaluation.wer import score_hypotheses
from evaluation.wer_result import SentenceCounts, WerResult
from tests.helpers.evaluation import CONFIG, SENTENCES, evaluation, words
from utils.errors import InputError

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
HISTORY = (EpochRecord(1, 30.5, 1e-4, 60.0), EpochRecord(2, 12.25, 1e-4, 61.0, 40.0, 45.0))
HOSTILE = '<script>alert("1")</script>'


def made(*evaluations, **changes):
    values = {"config": CONFIG, "history": HISTORY, "weights": "run/best.pt"} | changes
    return build_report("run", NOW, evaluations or [evaluation()], **values)


class Page(HTMLParser):
    """Attributes by element, the ids of sentences, and all text."""

    def __init__(self, text):
        super().__init__()
        self.attributes, self.sentences, self.tags, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "li":
            self.sentences.append(dict(attributes)["data-id"])

    def handle_data(self, data):
        self.text.append(data)


def test_counts_of_a_split_by_hand():
    split = made()["splits"]["dev"]
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
    sentence = made()["splits"]["dev"]["sentences"][2]
    assert sentence == {
        "id": "three",
        "signer": "Ann",
        **{"C": 3, "S": 0, "D": 0, "I": 1},
        "alignment": [["C", "B", "B"], ["C", "C", "C"], ["I", None, "Y"], ["C", "D", "D"]],
        "words": [["B", 0.0, 0.2, 0.5], ["C", 0.4, 0.2, 0.5], ["Y", 0.8, 0.2, 0.5], ["D", 1.2, 0.2, 0.5]],
    }


def test_parts_add_up_to_the_scorers_totals():
    split, result = made()["splits"]["dev"], evaluation().results["sequence"]
    totals = {"C": result.correct, "S": result.substitutions, "D": result.deletions, "I": result.insertions}
    for parts in (split["sentences"], split["lengths"], list(split["signers"].values())):
        assert {key: sum(part[key] for part in parts) for key in "CSDI"} == totals
    for key, rows in (("S", "confusions"), ("D", "deleted"), ("I", "inserted")):
        assert sum(row["count"] for row in split[rows]) == totals[key]
    assert [sentence["id"] for sentence in split["sentences"]] == [name for name, *_ in SENTENCES]


def test_the_report_is_json_and_reads_back(tmp_path):
    content = made()
    assert json.loads(json.dumps(content, ensure_ascii=False)) == content
    assert content["format"] == 1
    assert content["created"] == "2026-03-04T05:06:07+00:00"
    assert content["history"][1] == {
        "epoch": 2, "loss": 12.25, "learning_rate": 1e-4, "seconds": 61.0, "wer": 40.0, "conv_wer": 45.0,
        "gradient_norm": None, "skipped": 0, "dev": None,
    }  # fmt: skip
    file = tmp_path / "report.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    read = read_report(file)
    assert (read.run, read.weights, read.config) == ("run", "run/best.pt", CONFIG)
    assert tuple(of.counts for of in read.splits["dev"].sentences) == evaluation().results["sequence"].sentences
    assert read.splits["dev"].sentences[2].reference == ("B", "C", "D")


def test_a_signer_and_a_length_without_glosses_have_no_rate():
    split = made(evaluation((*SENTENCES, ("six", "Cy", "", "A"))))["splits"]["dev"]
    assert split["signers"]["Cy"] == {"wer": None, "C": 0, "S": 0, "D": 0, "I": 1, "sentences": 1}
    assert split["lengths"][0] == {"from": 0, "to": 0, "sentences": 1, "wer": None, "C": 0, "S": 0, "D": 0, "I": 1}
    assert format_percent(None) == format_interval(None) == "\u2013"


@pytest.mark.parametrize(
    ("lengths", "bins"),
    [
        ([4], [(4, 4)]),
        ([1, 2, 3, 4, 5, 6], [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)]),
        # 92 in the first bin; of the 8 left, 5 bins would take 1.6 each, then 4 of 6 left 1.5, 3 of 4 left 1.3
        ([3] * 90 + [1, 2, *range(4, 11), 20], [(1, 3), (4, 5), (6, 7), (8, 9), (10, 10), (20, 20)]),
    ],
)
def test_bins_of_length_by_hand(lengths, bins):
    assert choose_length_bins(lengths) == bins


def test_every_sentence_is_in_one_bin_of_at_most_six():
    result = WerResult(tuple(SentenceCounts(str(n), "s", n * n % 17, 0, 0, 0) for n in range(300)))
    rows = count_by_length(result)
    assert len(rows) <= 6
    assert sum(row["sentences"] for row in rows) == 300
    assert all(before["to"] < after["from"] for before, after in pairwise(rows))


def test_case_of_a_to_z_makes_no_gloss_unseen():
    assert list_unseen([[("C", "wetter", "WETTER"), ("D", "ä", None)]], {"WETTER", "Ä"}) == [
        {"gloss": "ä", "count": 1, "correct": 0}
    ]


def test_confusion_matrix_by_hand():
    split = {
        "confusions": [
            {"reference": "A", "hypothesis": "X", "count": 4, "of": 9},
            {"reference": "A", "hypothesis": "Y", "count": 1, "of": 9},
            {"reference": "B", "hypothesis": "X", "count": 1, "of": 5},
            {"reference": "C", "hypothesis": "Z", "count": 1, "of": 2},
        ],
        "deleted": [{"gloss": "B", "count": 2, "of": 5}],
    }
    assert build_confusion_matrix(split, rows=2, columns=1) == {
        "columns": ["X"],
        "rows": [
            {"gloss": "A", "of": 9, "errors": 5, "cells": [4], "others": 1, "deleted": 0},
            {"gloss": "B", "of": 5, "errors": 3, "cells": [1], "others": 0, "deleted": 2},
        ],
        "largest": 4,
    }
    assert build_confusion_matrix({"confusions": [], "deleted": []}) == {"columns": [], "rows": [], "largest": 0}


def test_columns_of_two_alignments_by_hand():
    a = [("C", "A", "A"), ("I", None, "X"), ("D", "B", None)]
    b = [("I", None, "Y"), ("S", "A", "Z"), ("I", None, "V"), ("I", None, "W"), ("C", "B", "B")]
    assert stack_alignments([a, b]) == [
        Column(None, (None, ("I", "Y"))),
        Column("A", (("C", "A"), ("S", "Z"))),
        Column(None, (("I", "X"), ("I", "V"))),
        Column(None, (None, ("I", "W"))),
        Column("B", (("D", None), ("C", "B"))),
    ]
    with pytest.raises(ValueError, match="different references"):
        stack_alignments([a, a[:2]])


def test_counts_that_the_alignment_does_not_give_are_an_error():
    of = evaluation()
    first, *others = of.results["sequence"].sentences
    wrong = WerResult((replace(first, substitutions=0, correct=3), *others))
    with pytest.raises(InputError, match="one: the scorer counted"):
        made(replace(of, results={**of.results, "sequence": wrong}))


def test_sentences_in_another_order_are_an_error():
    of = evaluation()
    with pytest.raises(InputError, match="dev: the recognised sentences are not those of the references"):
        made(replace(of, entries={"sequence": of.entries["sequence"][::-1]}))
    with pytest.raises(InputError, match="dev: the counts are not those of the references"):
        made(replace(of, references=of.references[::-1]))


def test_write_report_leaves_two_files(tmp_path):
    folder = tmp_path / "my run"
    page = write_report(folder, [evaluation(), evaluation(split="test")], CONFIG, HISTORY, "best.pt")
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["run"] == "my run"
    assert page.read_text(encoding="utf-8") == render_report(content)  # the page shows what the JSON holds


def test_the_page_holds_every_sentence_once_worst_first_and_its_rate():
    text = render_report(made(evaluation(), evaluation(split="test")))
    page = Page(text)
    worst_first = ["five", "two", "one", "three", "four"]  # 2 errors; then 1 of 2, 1 of 3, 1 of 3; none
    assert page.sentences == worst_first * 2
    assert text.count("38.46\u00a0%") >= 4
    assert "S 2" in text
    assert "does not cover the seed" in text
    assert text.count("merges equal neighbours after decoding") == 2


def test_hostile_glosses_ids_and_signers_are_text():
    name, signer = 'a"onclick="x', "<b>&'"
    sentences = ((name, signer, f"{HOSTILE} Ä&lt; 天气", f"{HOSTILE} 天气"), ("b", "c", HOSTILE, "'\""))
    content = made(evaluation(sentences), config=CONFIG | {"dataset": HOSTILE}, weights=HOSTILE)
    text = render_report(content)
    page = Page(text)
    assert page.tags.count("script") == 1  # ours
    assert page.tags.count("b") == text.count("<b>")
    assert "onclick" not in {key for key, _ in page.attributes}
    assert page.sentences == ["b", name]
    assert HOSTILE in page.text
    assert "Ä&lt;" in page.text
    assert "天气" in page.text
    assert signer in page.text


def test_the_page_loads_nothing():
    text = render_report(made())
    page = Page(text)
    for key, value in page.attributes:
        if key in {"src", "href", "xlink:href", "srcset", "action", "data"}:
            assert value.startswith("#"), (key, value)
        if not key.startswith("xmlns"):
            assert "://" not in (value or ""), (key, value)
    assert not {"link", "iframe", "img", "object", "embed"} & set(page.tags)
    assert "@import" not in text
    assert text.count("url(") == text.count("url(#")
    assert "svg" in page.tags


def test_words_that_normalisation_changed_in_number_stand_apart():
    text = render_report(made(evaluation(spelt={"four": ("D", "__EMOTION__"), "two": ("loc-A",)})))
    assert text.count("before normalisation") == 1  # of "four"; "two" is rewritten, its time stands under its gloss
    assert "<b>__EMOTION__</b> 0.40\u20130.60 · 50\u00a0%" in text


def test_times_stand_under_the_glosses_that_were_read():
    of = evaluation((("one", "Ann", "A B", "B"), ("two", "Ann", "A", "B")))
    entries = (CtmEntry("one", words(("B",), None)), of.entries["sequence"][1])
    text = render_report(made(replace(of, entries={"sequence": entries})))
    assert (
        '<div><b>A</b><s class="D"><i>D</i>\u2013</s></div><div><b>B</b><s>B</s><small>0.00\u20130.20</small></div>'
        in text
    )
    assert '<div><b>A</b><s class="S"><i>S</i>B</s><small>0.00\u20130.20</small><small>50\u00a0%</small></div>' in text


@pytest.mark.parametrize(
    "sentences",
    [
        (("one", "Ann", "A B", "A B"),),  # no error
        (("one", "Ann", "A B", ""), ("two", "Ann", "A", "")),  # nothing read
        (("one", "Ann", "A", "A"), ("two", "Bob", "", "B"), ("three", "Bob", "", "")),  # nothing signed
    ],
)
def test_extreme_splits_have_a_page(sentences):
    content = made(evaluation(sentences), history=(), weights=None)
    text = render_report(content)
    assert content["splits"]["dev"]["interval"] is None
    assert "no 95 % interval" in text
    assert "Learning curve" not in text
    assert sorted(Page(text).sentences) == sorted(name for name, *_ in sentences)


def test_long_lists_say_how_many_more_there_are():
    sentences = [(f"s{n}", "Ann", f"G{n} G{n}X", f"H{n}") for n in range(30)]
    content = made(evaluation(sentences))
    assert len(content["splits"]["dev"]["confusions"]) == 30
    assert "10 more in <code>report.json</code>" in render_report(content)


def test_twelve_hundred_sentences_make_less_than_five_megabytes():
    signed = "MORGEN REGEN NORD WIND SUED KOMMEN REGION DEUTSCH LAND SCHNEE WOLKE SONNE"
    sentences = [(f"01April_2010_Thursday_heute_default-{n}", "Signer01", signed, signed[n % 9 :]) for n in range(1200)]
    assert len(render_report(made(evaluation(sentences))).encode()) < 5_000_000


@pytest.mark.parametrize(
    "history",
    [
        [EpochRecord(1, 30.0, 1e-4, 60.0)],
        [EpochRecord(1, 30.0, 1e-4, 60.0, 90.0)],
        [EpochRecord(1, 30.0, 1e-4, 60.0, 90.0, 80.0), EpochRecord(2, 20.0, 1e-4, 60.0, 95.0, 85.0)],
    ],
)
def test_learning_curves_with_and_without_rates(history):
    svg = draw_learning_curve(made(history=history)["history"])
    assert svg.startswith("<svg")
    assert ("WER on dev" in svg) == (history[0].wer is not None)
    if history[0].wer:
        assert "lowest: 90.00 % in epoch 1" in svg
    assert draw_learning_curve(made(history=history)["history"]) == svg


def test_every_rule_set_is_explained():
    assert CONVENTIONS.keys() == RULE_SETS.keys()


def test_describe_is_a_line():
    assert format_result_line(evaluation()) == "dev WER 38.46 % (S 2, D 2, I 1 of 13)  conv head 38.46 %"


def test_summary_shows_interval_signers_and_conventions_that_count_otherwise():
    references = [Reference(name, signer, tuple(signed.split())) for name, signer, signed, _ in SENTENCES]
    perfect = score_hypotheses(references, {reference.id: reference.glosses for reference in references})
    same = evaluation().results["sequence"]
    others = (Scoring("phoenix2014", False, perfect), Scoring("phoenix2014-T", True, same))
    lines = [line.rstrip() for line in format_summary([evaluation(others=others)]).splitlines()]
    low, high = made()["splits"]["dev"]["interval"]
    assert lines[0].split() == ["split", "WER", "S", "D", "I", "glosses", "95", "%", "interval"]
    assert lines[1].split() == f"dev 38.46 % 2 2 1 13 {low:.1f} to {high:.1f} %".split()
    assert " ".join(lines[2].split()) == "phoenix2014, repeats kept 0.00 % 0 0 0 13"
    assert [line.split()[0] for line in lines[3:5]] == ["Ann", "Bob"]
    assert lines[5:] == ["", "dev hypotheses: run/output-hypothesis-dev.ctm"]


def test_no_number_of_the_report_is_infinite():
    def numbers(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return [number for part in value for number in numbers(part)]
        return [value] if isinstance(value, float) else []

    assert all(math.isfinite(number) for number in numbers(made()))

"""The page of a report: it shows what the report holds, and loads nothing."""

from dataclasses import replace

import pytest

from evaluation.ctm import CtmEntry
from evaluation.normalise import RULE_SETS
from evaluation.reporting.report_html import CONVENTIONS, render_report
from tests.helpers.evaluation import CONFIG, evaluation, make_report, words
from tests.helpers.pages import Page

HOSTILE = '<script>alert("1")</script>'


def test_the_page_holds_every_sentence_once_worst_first_and_its_rate():
    text = render_report(make_report(evaluation(), evaluation(split="test")))
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
    content = make_report(evaluation(sentences), config=CONFIG | {"dataset": HOSTILE}, weights=HOSTILE)
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
    text = render_report(make_report())
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
    text = render_report(make_report(evaluation(spelt={"four": ("D", "__EMOTION__"), "two": ("loc-A",)})))
    assert text.count("before normalisation") == 1  # of "four"; "two" is rewritten, its time stands under its gloss
    assert "<b>__EMOTION__</b> 0.40\u20130.60 · 50\u00a0%" in text


def test_times_stand_under_the_glosses_that_were_read():
    of = evaluation((("one", "Ann", "A B", "B"), ("two", "Ann", "A", "B")))
    entries = (CtmEntry("one", words(("B",), None)), of.entries["sequence"][1])
    text = render_report(make_report(replace(of, entries={"sequence": entries})))
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
    content = make_report(evaluation(sentences), history=(), weights=None)
    text = render_report(content)
    assert content["splits"]["dev"]["interval"] is None
    assert "no 95 % interval" in text
    assert "Learning curve" not in text
    assert sorted(Page(text).sentences) == sorted(name for name, *_ in sentences)


def test_long_lists_say_how_many_more_there_are():
    sentences = [(f"s{n}", "Ann", f"G{n} G{n}X", f"H{n}") for n in range(30)]
    content = make_report(evaluation(sentences))
    assert len(content["splits"]["dev"]["confusions"]) == 30
    assert "10 more in <code>report.json</code>" in render_report(content)


def test_twelve_hundred_sentences_make_less_than_five_megabytes():
    signed = "MORGEN REGEN NORD WIND SUED KOMMEN REGION DEUTSCH LAND SCHNEE WOLKE SONNE"
    sentences = [(f"01April_2010_Thursday_heute_default-{n}", "Signer01", signed, signed[n % 9 :]) for n in range(1200)]
    assert len(render_report(make_report(evaluation(sentences))).encode()) < 5_000_000


def test_every_rule_set_is_explained():
    assert CONVENTIONS.keys() == RULE_SETS.keys()


def test_one_is_not_several():
    text = render_report(make_report(evaluation([("s1", "Ann", "E", "E")], known="A")))
    assert "1 sentence, 1 of them" in text
    assert "of 1 gloss</p>" in text
    assert "1 gloss, signed 1 time (" in text
    assert "read correctly 1 time." in text

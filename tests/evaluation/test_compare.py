"""Two runs held against each other, and the command line that does it."""

import json
import re

import pytest

from evaluation.compare import format_p, main, parse_args
from evaluation.reporting.differences import GlossChange, compare_reports
from evaluation.reporting.read_report import read_report
from evaluation.reporting.report import write_report
from tests.helpers.commands import run_python
from tests.helpers.evaluation import CONFIG, SENTENCES, evaluation
from tests.helpers.pages import Page
from utils.errors import InputError

BETTER = {"one": "A B C", "two": "A", "three": "B C Y D", "four": "D D", "five": "B E B"}
"""Errors of A: 1 1 1 0 2, of B: 0 1 1 1 1."""


def other(**changes):
    return [(name, signer, signed, BETTER[name]) for name, signer, signed, _ in SENTENCES]


@pytest.fixture
def runs(tmp_path):
    write_report(tmp_path / "a", [evaluation(), evaluation(split="test")], CONFIG, weights="a.pt")
    write_report(tmp_path / "b", [evaluation(other())], CONFIG, weights="b.pt")
    return tmp_path / "a", tmp_path / "b"


def run(*arguments):
    main(parse_args([str(argument) for argument in arguments]))


def test_comparison_by_hand(runs):
    (split,) = compare_reports(*map(read_report, runs))
    assert (split.name, split.settings) == ("dev", ())
    assert (split.a.wer, split.b.wer) == (pytest.approx(500 / 13), pytest.approx(400 / 13))
    assert split.difference.points == pytest.approx(-100 / 13)
    assert (split.difference.better, split.difference.worse, split.difference.equal) == (2, 1, 2)
    assert split.difference.p == 1.0  # differences -1, -1, 1: the sums 1 and -1 are no rarer than 3 and -3
    assert split.glosses == (GlossChange("B", 5, 4, 1), GlossChange("E", 2, 0, 1))
    assert [(pair.a.id, pair.difference) for pair in split.sentences] == [
        ("one", -1), ("four", 1), ("five", -1), ("two", 0), ("three", 0)
    ]  # fmt: skip
    assert [(name, a.wer, b.wer) for name, a, b in split.split_by_signer()] == [
        ("Ann", pytest.approx(40.0), pytest.approx(20.0)),
        ("Bob", pytest.approx(100 / 3), pytest.approx(200 / 3)),
    ]


def test_a_run_against_itself(runs):
    for split in compare_reports(read_report(runs[0]), read_report(runs[0])):
        assert (split.difference.points, split.difference.p, split.glosses) == (0.0, 1.0, ())


def test_the_order_of_sentences_does_not_matter(runs, tmp_path):
    write_report(tmp_path / "c", [evaluation(other()[::-1])], CONFIG)
    straight, turned = (compare_reports(read_report(runs[0]), read_report(path)) for path in (runs[1], tmp_path / "c"))
    assert straight == turned


def test_the_text_says_what_a_person_needs(runs, capsys):
    run(runs[0], runs[1] / "report.json")
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"A {runs[0]} (phoenix2014, weights a.pt)" in lines
    assert "A 38.46 % 2 2 1 13 5" in lines
    assert "B 30.77 % 0 2 2 13 5" in lines
    assert "Ann 40.00 % 20.00 % -20.00 10" in lines
    assert lines[lines.index("B reads better errors A errors B signed") + 1] == "B 4 1 5"
    assert lines[lines.index("B reads worse errors A errors B signed") + 1] == "E 0 1 2"
    assert "one 1 0 3" in lines
    assert "B - A: -7.69 points of WER, 95 % interval" in text
    assert "p = 1; fewer errors in 2 sentences, more in 1, as many in 2" in text
    assert text.count("not the seeds") == 1
    assert "NOT SCORED IN THE SAME WAY" not in text


def test_runs_scored_differently_are_said_to_be(runs, tmp_path, capsys):
    evaluated = evaluation(other(), rules="none", merged=False)
    write_report(tmp_path / "c", [evaluated], CONFIG | {"evaluate_tool": "sclite"})
    run(runs[0], tmp_path / "c", "--html", tmp_path / "page.html")
    text = capsys.readouterr().out
    for line in (
        "normalisation: A phoenix2014, B none",
        "equal neighbours merged: A yes, B no",
    ):
        assert f"NOT SCORED IN THE SAME WAY, {line}" in text
        assert line in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "scorer" not in text  # both count the same, which making a report checks


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert capsys.readouterr().out == ""
    return stop.value.code


def test_errors_of_the_command_line(runs, tmp_path, capsys):
    a, b = runs
    missing = tmp_path / "report.json"
    assert fails(capsys, a, tmp_path).startswith(f"evaluation.compare: there is no report {missing}; evaluating a run")
    assert "there is no report" in fails(capsys, tmp_path / "nowhere", b)
    assert "B has no split 'test', it has: dev" in fails(capsys, a, b, "--split", "test")
    write_report(tmp_path / "c", [evaluation(other(), split="test")], CONFIG)
    assert "there is no split that both have: A has dev, B has test" in fails(capsys, b, tmp_path / "c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a report: .*, line 1: this is not JSON"),
        ("[" * 100_000, "not a report: .* levels of lists"),
        ('{"format": 1, "format": 1}', "the key 'format' is given twice"),
        ("[1]", "it has no `format`"),
        ('{"epochs": 3}', "it has no `format`"),
        ('{"format": 7}', "has format 7, expected 1"),
        ('{"format": 1, "run": "x"}', r"is not a report: config: field required \(3 mistakes\)"),
    ],
)
def test_files_that_are_no_reports(tmp_path, content, message):
    file = tmp_path / "some.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_report(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([["I", "A", "A"]], "I contradicts 'A', 'A'"),
        ([["I", None, None]], "I contradicts None, None"),
        ([["C", "A", "B"]], "C contradicts 'A', 'B'"),
        ([["C", "A", None]], "C contradicts 'A', None"),
        ([["S", "A", "a"]], "S contradicts 'A', 'a'"),
        ([["D", "A", "A"]], "D contradicts 'A', 'A'"),
        ([["D", None, "A"]], "D contradicts None, 'A'"),
        ([["C", "A", 1]], "input should be a valid string"),
        ([["C", "A"]], "field required"),
        ("CAA", "input should be a valid tuple"),
    ],
)
def test_operations_that_contradict_their_glosses_are_refused(runs, tmp_path, columns, said):
    content = json.loads((runs[0] / "report.json").read_text(encoding="utf-8"))
    content["splits"]["dev"]["sentences"][1]["alignment"] = columns
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=f"a.json is not a report: splits.dev.sentences.1.*{re.escape(said)}"):
        read_report(tmp_path / "a.json")


def test_what_sclite_takes_for_equal_is_no_contradiction_and_a_sentence_cannot_come_twice(runs, tmp_path):
    content = json.loads((runs[0] / "report.json").read_text(encoding="utf-8"))
    sentences = content["splits"]["dev"]["sentences"]
    sentences[1]["alignment"] = [["C", "A", "a"], ["C", "\u00c4", "A\u0308"], ["S", "\u00c4", "A\u0308"]]
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_report(tmp_path / "a.json").splits["dev"].sentences[1].errors == 1
    (tmp_path / "a.json").write_text(json.dumps(content | {"splits": {"dev": content["splits"]["dev"] | {
        "sentences": [*sentences, sentences[1]]}}}), encoding="utf-8")  # fmt: skip
    with pytest.raises(InputError, match=f"sentences that are there twice: '{sentences[1]['id']}'"):
        read_report(tmp_path / "a.json")


def test_a_spoilt_alignment_is_named(runs):
    file = runs[0] / "report.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["splits"]["dev"]["sentences"][1]["alignment"][0][0] = "Q"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"splits\.dev\.sentences\.1\.alignment\.0\.0"):
        read_report(file)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (SENTENCES[1:], "dev: .*1 are in A only .first: one"),
        ((*SENTENCES, ("six", "Ann", "A", "A")), "dev: .*1 are in B only .first: six"),
        (
            (*SENTENCES[:3], ("four", "Bob", "D E", "D"), SENTENCES[4]),
            "reference of four is not the same: 'D' in A, 'D E' in B",
        ),
    ],
)
def test_other_references_cannot_be_compared(runs, tmp_path, changed, message):
    write_report(tmp_path / "c", [evaluation(changed)], CONFIG)
    with pytest.raises(InputError, match=message):
        compare_reports(read_report(runs[0]), read_report(tmp_path / "c"))


def test_the_page_shows_both_under_the_reference_and_loads_nothing(runs, tmp_path, capsys):
    run(*runs, "--html", tmp_path / "page.html")
    assert capsys.readouterr().out.endswith(f"page: {tmp_path / 'page.html'}\n")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.sentences == ["one", "four", "five", "two", "three"]
    assert '<div><b>B</b><s class="S"><i>S</i>X</s><s>B</s></div>' in text
    assert "\u22127.69 <small>points" in text
    assert "not the seeds" in text
    assert all(value.startswith("#") for key, value in page.attributes if key in {"src", "href"})
    assert "://" not in text
    assert "url(" not in text


def test_hostile_glosses_are_text(tmp_path):
    hostile = "<img/src=x>&\"'"
    for name in ("a", "b<i>"):
        write_report(tmp_path / name, [evaluation([("one", hostile, f"A {hostile}", name)])], CONFIG, weights=hostile)
    run(tmp_path / "a", tmp_path / "b<i>", "--html", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "img" not in page.tags
    assert page.tags.count("script") == 1
    assert dict(page.attributes)["data-signer"] == hostile


@pytest.mark.parametrize(
    ("p", "text"), [(0.0002, "p < 0.001"), (0.0124, "p = 0.012"), (0.25, "p = 0.25"), (1.0, "p = 1")]
)
def test_p_in_words(p, text):
    assert format_p(p) == text


def test_comparing_needs_no_torch():
    code = "import sys, evaluation.compare; print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"
    done = run_python("-c", code)
    assert done.stdout == "[]\n"

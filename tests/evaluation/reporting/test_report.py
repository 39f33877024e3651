"""What is printed after an evaluation, and the two files of a report."""

import json

from evaluation.ctm import Reference
from evaluation.evaluation_result import Scoring
from evaluation.reporting.report import format_result_line, format_results_table, write_report
from evaluation.reporting.report_html import render_report
from evaluation.wer import score_hypotheses
from tests.helpers.evaluation import CONFIG, HISTORY, SENTENCES, evaluation, make_report


def test_write_report_leaves_two_files(tmp_path):
    folder = tmp_path / "my run"
    page = write_report(folder, [evaluation(), evaluation(split="test")], CONFIG, HISTORY, "best.pt")
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["run"] == "my run"
    assert page.read_text(encoding="utf-8") == render_report(content)  # the page shows what the JSON holds


def test_describe_is_a_line():
    assert format_result_line(evaluation()) == "dev WER 38.46 % (S 2, D 2, I 1 of 13)  conv head 38.46 %"


def test_summary_shows_interval_signers_and_conventions_that_count_otherwise():
    references = [Reference(name, signer, tuple(signed.split())) for name, signer, signed, _ in SENTENCES]
    perfect = score_hypotheses(references, {reference.id: reference.glosses for reference in references})
    same = evaluation().results["sequence"]
    others = (Scoring("phoenix2014", False, perfect), Scoring("phoenix2014-T", True, same))
    lines = [line.rstrip() for line in format_results_table([evaluation(others=others)]).splitlines()]
    low, high = make_report()["splits"]["dev"]["interval"]
    assert lines[0].split() == ["split", "WER", "S", "D", "I", "glosses", "95", "%", "interval"]
    assert lines[1].split() == f"dev 38.46 % 2 2 1 13 {low:.1f} to {high:.1f} %".split()
    assert " ".join(lines[2].split()) == "by the rules phoenix2014, repeats kept 0.00 % 0 0 0 13"
    assert [line.split()[0] for line in lines[3:5]] == ["Ann", "Bob"]
    assert lines[5:] == ["", "dev hypotheses: run/output-hypothesis-dev.ctm"]


def test_what_is_not_normalised_is_called_so():
    references = [Reference(name, signer, tuple(signed.split())) for name, signer, signed, _ in SENTENCES]
    perfect = score_hypotheses(references, {reference.id: reference.glosses for reference in references})
    table = format_results_table([evaluation(others=(Scoring("none", True, perfect),))])
    assert "  not normalised, repeats merged  " in table


def test_more_than_a_hundred_percent_is_explained_where_it_occurs():
    many = evaluation([("s1", "Ann", "A", "B C D")])
    for text in (format_results_table([many]), render_report(make_report(many))):
        assert "300.00" in text
        assert text.count("A WER above 100 % means that there are more errors than signed glosses") == 1
    usual = evaluation([("s1", "Ann", "A", "")])
    for text in (format_results_table([usual]), render_report(make_report(usual))):
        assert "100.00" in text
        assert "above 100" not in text

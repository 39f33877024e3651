"""Groups of runs: their spread, the interval over sentences and seeds, the test over runs."""

from itertools import combinations

import numpy as np
import pytest

from evaluation.compare import main, parse_args
from evaluation.reporting.group_statistics import compute_multi_bootstrap, compute_permutation_p
from evaluation.reporting.report import write_report
from tests.helpers.evaluation import CONFIG, SENTENCES, evaluation
from tests.helpers.pages import Page

PERFECT = [(name, signer, signed, signed) for name, signer, signed, _ in SENTENCES]
"""Without its one error in 13 glosses fewer than `SENTENCES`, which have 5."""


def with_errors(count: int):
    """The sentences of which only the first `count` have their error: the last has two."""
    return [*SENTENCES[:count], *PERFECT[count:]]


@pytest.fixture
def groups(tmp_path):
    """Runs with 3, 3 and 2 errors, and with 0, 0 and 1."""
    for name, count in (("a/0", 3), ("a/1", 3), ("a/2", 2), ("b/0", 0), ("b/1", 0), ("b/2", 1)):
        write_report(tmp_path / name, [evaluation(with_errors(count))], CONFIG)
    return tmp_path / "a", tmp_path / "b"


def run(*words):
    main(parse_args([str(word) for word in words]))


def test_what_is_printed_and_the_page(groups, capsys, tmp_path):
    a, b = groups
    run("--group", "old", a / "0", a / "1", a / "2", "--group", "new", b, "--html", tmp_path / "page.html")
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"new {b / '0'}, {b / '1'}, {b / '2'}" in lines  # a folder of runs, as engine.seeds writes it
    assert "old 23.08 23.08 15.38 20.51 4.44" in lines  # 3, 3, 2 of 13; mean 8/39, deviation of sample
    assert "new 0.00 0.00 7.69 2.56 4.44" in lines
    assert "new - old: -17.95 points of WER, 95 % interval -" in text
    assert "p = 0.1 (3 against 3 runs cannot give less than 0.1)" in text
    assert "fewer than 5 runs" in text
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "17.95 points" in page
    assert "23.08" in page
    assert Page(page)


def test_permutation_over_runs_is_exact():
    a, b = [30, 31, 35, 33], [29, 28, 32, 27]
    observed, runs = abs(np.mean(a) - np.mean(b)), a + b
    sums = [sum(runs[i] for i in chosen) for chosen in combinations(range(8), 4)]
    differences = [(s - (sum(runs) - s)) / 4 for s in sums]
    upper = sum(d >= observed - 1e-9 for d in differences) / len(differences)
    assert compute_permutation_p(a, b) == pytest.approx(2 * upper)
    assert compute_permutation_p(a, a) == 1.0
    assert compute_permutation_p([9, 9, 9], [1, 1, 2]) == pytest.approx(2 / 20)


def test_the_interval_covers_seeds_and_sentences():
    rng = np.random.default_rng(1)
    lengths = np.full(400, 10)
    difficulty = rng.uniform(0.05, 0.35, 400)

    def runs(shift: float, spread: float, count: int = 8) -> np.ndarray:
        of_seeds = rng.normal(shift, spread, (count, 1))
        return rng.binomial(10, np.clip(difficulty + of_seeds, 0, 1))

    alike = [compute_multi_bootstrap(runs(0, 0.0), runs(0.03, 0.0), lengths) for _ in range(2)]
    apart = [compute_multi_bootstrap(runs(0, 0.03), runs(0.03, 0.03), lengths) for _ in range(2)]
    for low, high in alike:
        assert 1.5 < low < 3 < high < 4.5  # 3 points, sentences alone
    assert min(high - low for low, high in apart) > 2 * max(high - low for low, high in alike)


def test_the_interval_by_formula():
    """Two sentences of one gloss: of runs without errors, and with one in the first sentence."""
    a, b = np.zeros((2, 2), int), np.array([[1, 0], [1, 0]])
    assert compute_multi_bootstrap(a, b, np.array([1, 1])) == (0.0, 100.0)  # the draw takes it 0, 1 or 2 times
    assert compute_multi_bootstrap(a, b, np.array([1, 0])) is None  # a draw may be without a gloss
    assert compute_multi_bootstrap(a, a, np.array([1, 1])) is None  # every draw is the same


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--group", "A", "a/0", "--group", "B", "b"], "the group A has 1 of at least two runs"),
        (["--group", "A", "--group", "B", "b"], "the group A has 0 of at least two runs"),
        (["--group", "A", "a", "--group", "B", "b", "a/1"], "a/1 is named twice"),
        (["--group", "A", "a/0", "b/../a/0", "--group", "B", "b"], "b/../a/0 is named twice"),
        (["--group", "A", "a", "--group", "A", "b"], "both groups are called A"),
        (["--group", "A", "a", "--group", "B", "b", "--split", "test"], "there is no split test that all runs have"),
        (["--group", "A", "a", "--group", "B", "b/0", "nowhere"], "there is no report"),
        (["--group", "A", "a", "--group", "B", "b", "other"], "A is .*a/0 and B is .*other: dev: the reference of one"),
    ],
)
def test_what_cannot_be_compared(groups, tmp_path, monkeypatch, words, message):
    changed = [("one", "Ann", "A B B", "A"), *SENTENCES[1:]]
    write_report(tmp_path / "other", [evaluation(changed)], CONFIG)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        run(*words)


def test_runs_scored_otherwise_are_named(groups, tmp_path, capsys):
    write_report(tmp_path / "c/0", [evaluation(rules="none")], CONFIG)
    write_report(tmp_path / "c/1", [evaluation()], CONFIG)
    run("--group", "A", groups[0], "--group", "C", tmp_path / "c")
    text = capsys.readouterr().out
    assert text.count("NOT SCORED IN THE SAME WAY, normalisation: A phoenix2014, B none") == 1


@pytest.mark.parametrize("words", [["a"], ["a", "--group", "A", "b", "c"], ["--group", "A", "b", "c"], []])
def test_wrong_options(words, capsys):
    with pytest.raises(SystemExit):
        parse_args(words)
    assert "give two runs, or --group" in capsys.readouterr().err

"""The command that estimates a model and measures its perplexity."""

import pytest

from evaluation.language_model.__main__ import main, parse_args
from evaluation.language_model.arpa import read_arpa
from evaluation.language_model.estimate import estimate
from tests.helpers.commands import prepare_by_command, run_python
from tests.helpers.corpora import BUILDERS
from utils.errors import InputError

TRAIN = [["NORD", "WETTER", "REGEN"], ["REGEN", "HEUTE"], ["WIE", "AUSSEHEN", "MORGEN"]]
"""The training sentences of the small corpus, by the rules of phoenix2014."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    prepare_by_command(BUILDERS["phoenix2014"](folder / "released"), folder / "prepared")
    return folder / "prepared"


def run(*words):
    main(parse_args([str(word) for word in words]))


def test_train_then_perplexity(prepared, tmp_path, capsys):
    lm = tmp_path / "new" / "lm.arpa.gz"
    run("train", "--dataset", "phoenix2014", "--prepared", prepared, "--order", "2", "--out", lm)
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"{lm}: order 2, 10 1-grams, 11 2-grams",
        "estimated on phoenix2014 train, 3 sentences, 8 words (normalise: phoenix2014, equal neighbours merged)",
    ]
    assert said.err.count("which gives no discounts, as in small corpora") == 2
    expected = estimate(TRAIN, 2, report=lambda _: None)
    read = read_arpa(lm)
    assert [list(ngrams) for ngrams in read.ngrams] == [list(ngrams) for ngrams in expected.ngrams]

    run("perplexity", lm, "--dataset", "phoenix2014", "--prepared", prepared)
    lines = capsys.readouterr().out.splitlines()
    scores = expected.score_words(["REGEN", "SONNE"])  # of which SONNE is unknown
    assert lines[:4] == [
        f"{lm}: order 2, 10 1-grams, 11 2-grams",
        "phoenix2014 dev: 1 sentence, 2 words, 1 of them unknown",
        f"perplexity, ends of sentences included: {10 ** (-sum(scores) / 3):.2f}",
        f"without the 1 unknown word: {10 ** (-(scores[0] + scores[2]) / 2):.2f}",
    ]
    assert lines[-1].endswith("so that they count as unknown: 2 of 10 (SCHNEE, SONNE)")


def test_the_rules_of_a_configuration(prepared, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text(f"prepared: {prepared}\nnormalise: none\nmerge_repeats: false\n")
    run("train", "--config", tmp_path / "own.yaml", "--order", "1", "--out", tmp_path / "lm.arpa")
    assert "(normalise: none)" in capsys.readouterr().out
    assert {"loc-NORD", "__EMOTION__"} <= set(read_arpa(tmp_path / "lm.arpa").words)


def test_a_model_of_another_corpus(prepared, tmp_path, capsys):
    (tmp_path / "lm.arpa").write_text("\\data\\\nngram 1=3\n\\1-grams:\n0 <s>\n-0.01 </s>\n-2 RAIN\n\\end\\\n")
    run("perplexity", tmp_path / "lm.arpa", "--dataset", "phoenix2014", "--prepared", prepared)
    said = capsys.readouterr()
    assert "(the model has no <unk>: an unknown word counts as its rarest one)" in said.out
    assert "so that nothing asks for them: 1 of 1 (RAIN)" in said.out
    assert said.err.startswith("warning: its perplexity on phoenix2014 dev is 21.7, worse than the 11 of equal chances")


def test_what_is_missing(prepared, tmp_path):
    with pytest.raises(InputError, match=r"no language model .*none.arpa"):
        run("perplexity", tmp_path / "none.arpa", "--dataset", "phoenix2014", "--prepared", prepared)
    with pytest.raises(InputError, match=r"phoenix2014 is not prepared: .* run `python -m preprocess.prepare"):
        run("train", "--dataset", "phoenix2014", "--prepared", tmp_path / "none", "--out", tmp_path / "lm.arpa")
    with pytest.raises(InputError, match="is a folder"):
        run("train", "--dataset", "phoenix2014", "--prepared", prepared, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["train", "--out", "lm.arpa"], ["train", "--dataset", "CSL"], ["perplexity"], []])
def test_incomplete_command_lines(words):
    with pytest.raises(SystemExit):
        parse_args(words)


def test_as_a_user_calls_it(tmp_path):
    words = ["-m", "evaluation.language_model", "perplexity", str(tmp_path / "x"), "--dataset", "CSL"]
    done = run_python(*words, "--prepared", str(tmp_path / "y"), check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: CSL is not prepared")

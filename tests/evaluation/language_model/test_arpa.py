"""ARPA files as programs write them, against KenLM's reading of one, and what is said of those that are wrong."""

import gzip
import json
import re

import pytest

from evaluation.language_model.arpa import read_arpa, write_arpa
from evaluation.language_model.estimate import estimate
from evaluation.language_model.ngram_model import BEGIN, END, UNKNOWN
from tests.helpers.paths import REPOSITORY
from utils.errors import ParseError

DATA = REPOSITORY / "tests/data/language_model"
PLAIN = "\n".join(
    ["", "\\data\\", "ngram 1=4", "ngram 2=2", "", "\\1-grams:", "-99\t<s>\t-0.5", "-1\t</s>", "-0.3\tA\t-0.2",
     "-0.7\tB", "", "\\2-grams:", "-0.1\t<s> A", "-0.4\tA B", "", "\\end\\", ""]
)  # fmt: skip
ONE = {(BEGIN,): (-99.0, -0.5), (END,): (-1.0, 0.0), ("A",): (-0.3, -0.2), ("B",): (-0.7, 0.0)}
TWO = {(BEGIN, "A"): (-0.1, 0.0), ("A", "B"): (-0.4, 0.0)}


def write(tmp_path, text, name="lm.arpa"):
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def test_scores_are_those_of_kenlm():
    """The answers of kenlm 0.3.0 (pip install kenlm) to `[p for p, _, _ in kenlm.Model(ARPA).full_scores(sentence)]`.

    The file is one of 4-grams that was pruned: of some n-grams, the last n - 1 words aren't listed.
    """
    model = read_arpa(DATA / "pruned.arpa")
    answers = json.loads((DATA / "kenlm_scores.json").read_text())
    assert len(answers) == 40
    for sentence, expected in answers:
        assert model.score_words(sentence.split()) == pytest.approx(expected, abs=2e-6), sentence


def test_what_pruning_left_out_is_listed_with_the_p_of_backing_off():
    model = read_arpa(DATA / "pruned.arpa")
    assert [len(ngrams) for ngrams in model.ngrams] == [9, 45, 65, 30]  # the file has 9, 41, 51, 30
    for shorter, longer in zip(model.ngrams, model.ngrams[1:], strict=False):
        assert {part for ngram in longer for part in (ngram[:-1], ngram[1:])} <= shorter.keys()


def test_a_context_that_was_pruned_by_hand(tmp_path):
    """A B is no 2-gram, though A B A is a 3-gram: p(B | A) = b(A) p(B), and its weight is 1; so for B A."""
    text = PLAIN.replace("ngram 2=2", "ngram 2=1\nngram 3=1").replace("-0.4\tA B\n", "\n\\3-grams:\n-0.05\tA B A\n")
    model = read_arpa(write(tmp_path, text))
    added = {ngram: model.ngrams[1][ngram] for ngram in (("A", "B"), ("B", "A"))}
    assert added == {("A", "B"): (pytest.approx(-0.2 - 0.7), 0.0), ("B", "A"): (pytest.approx(0.0 - 0.3), 0.0)}
    assert model.score_words(["A", "B", "A"]) == pytest.approx([-0.1, -0.2 - 0.7, -0.05, -0.2 - 1.0])


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\t", " ").replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "# SRILM, Tue Nov 3\n\nBeginning of data mark: \\data\\\n" + PLAIN.replace("\\1", "\n\n\\1"),
        PLAIN.replace("-99\t<s>", "0\t<s>").replace("-0.7\tB", "-0.7\tB\t0"),  # KenLM's way
        PLAIN.replace("-0.4\tA B", "-0.4\tA B\t0.0").removesuffix("\n"),
        PLAIN.replace("-99\t<s>", "-inf\t<s>").replace("ngram 1=4", "ngram  1 = 4"),
        PLAIN.replace("-0.2\n", "-2e-1\n") + "after the end\n",
    ],
)
@pytest.mark.parametrize("compress", [False, True])
def test_ways_to_write_the_same(tmp_path, text, compress):
    path = write(tmp_path, gzip.compress(text.encode()) if compress else text, "lm.gz" if not compress else "lm.arpa")
    model = read_arpa(path)
    assert model.order == 2
    assert {gram: value[1:] if gram == (BEGIN,) else value for gram, value in model.ngrams[0].items()} == {
        **ONE, (BEGIN,): (-0.5,)
    }  # fmt: skip
    assert model.ngrams[1] == TWO


def test_words_keep_their_letters(tmp_path):
    """CMU's <UNK> is the unknown word; words are in NFC, and a space of other scripts belongs to its word."""
    text = PLAIN.replace("ngram 1=4", "ngram 1=6").replace("-0.7\tB", "-0.7\tB\n-2\t<UNK>\n-3\tA\u0308\u3000\u00a0x")
    one = read_arpa(write(tmp_path, text)).ngrams[0]
    assert (one[UNKNOWN,][0], one["\u00c4\u3000\u00a0x",][0]) == (-2.0, -3.0)


def test_an_order_without_ngrams(tmp_path):
    """Both ways in which programs write that pruning has left none."""
    for section in ("", "\\3-grams:\n\n"):
        text = PLAIN.replace("ngram 2=2", "ngram 2=2\nngram 3=0").replace("\\end\\", section + "\\end\\")
        model = read_arpa(write(tmp_path, text))
        assert (model.order, model.ngrams[2]) == (3, {})
        assert model.score_words(["A", "B"]) == pytest.approx([-0.1, -0.4, -1.0])


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_writing_and_reading_back(tmp_path, name):
    model = estimate([["A", "B", "\u00c4"], ["B"], ["A", "B"]], 3, report=lambda _: None)
    write_arpa(model, tmp_path / name)
    back = read_arpa(tmp_path / name)
    assert back.order == 3
    for ours, theirs in zip(model.ngrams, back.ngrams, strict=True):
        assert list(ours) == list(theirs)
        assert list(theirs.values()) == [pytest.approx(pair, rel=1e-8) for pair in ours.values()]
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") == name.endswith("gz")
    assert [path.name for path in tmp_path.iterdir()] == [name]


BAD = {
    "": "is empty",
    "hello\n": r"has no line \data\: it is no ARPA file",
    PLAIN[: PLAIN.index("-0.7")]: "line 9: 3 of the 4 1-grams that are announced; the file ends here: it was cut short",
    PLAIN[: PLAIN.index("\\2-grams")]: r"nothing where \2-grams: was expected, since 2 are announced; the file ends",
    PLAIN[: PLAIN.index("\\end")]: r"expected \end\, since \data\ announces n-grams of up to 2 words; the file ends",
    PLAIN.replace("ngram 1=4", "ngram 1=5"): "line 12: 4 of the 5 1-grams that are announced",
    PLAIN.replace("ngram 1=4", "ngram 1=3"): "line 10: more 1-grams than the 3 that are announced",
    PLAIN.replace("\\end\\", "\\3-grams:\n-0.1\tA B A\n\\end\\"): r"line 16: expected \end\, since \data\ announces",
    PLAIN.replace("ngram 2=2", "ngram 3=2"): "line 4: 'ngram 3=2' where ngram 2=... was expected",
    PLAIN.replace("ngram 1=4\nngram 2=2", ""): r"'\\1-grams:' where ngram 1=... was expected",
    PLAIN.replace("\\2-grams", "\\3-grams"): r"line 12: '\\3-grams:' where \2-grams: was expected",
    PLAIN.replace("A B", "<s> A"): "line 14: the 2-gram '<s> A' is listed a second time",
    PLAIN.replace("-0.4\tA B", "0.4\tA B"): "line 14: log10 p is 0.4, so that p is above 1",
    PLAIN.replace("-0.4\tA B", "nan\tA B"): "line 14: log10 p is nan, so that p is no number",
    PLAIN.replace("\t-0.2", "\tnan"): "line 9: the backoff weight is nan",
    PLAIN.replace("\t-0.2", "\tinf"): "line 9: the backoff weight is inf",
    PLAIN.replace("-0.4\tA B", "-0,4\tA B"): "line 14: '-0,4' is no number",
    PLAIN.replace("-0.4\tA B", "-0.4\tA"): "line 14: '-0.4\\tA' is no 2-gram: expected log10 p, 2 words and perhaps",
    PLAIN.replace("-0.4\tA B", "-0.4\tA B C D"): "is no 2-gram",
    PLAIN.replace("-0.4\tA B", "-0.4\tA C"): "line 14: 'C' is not among the 1-grams",
    PLAIN.replace("</s>", "C"): "has no 1-gram </s>: estimate it on sentences",
    PLAIN.replace("<s>", "C"): "has no 1-gram <s>: estimate it on sentences",
    PLAIN.replace("ngram 1=4", "ngram 1=40000000"): "line 3: 40,000,000 n-grams are announced, more than the 5,000,000",
    PLAIN.replace("-0.7\tB", "-0.7\t" + "B" * 70_000): "line 10: a line is longer than any of a language model",
    "iARPA\n" + PLAIN: "line 1: IRSTLM's iARPA, whose numbers mean something else",
    "mmap lm http://kheafield.com/code format version 5\n\0\0\xe4": "is in the binary format of KenLM, which only",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=[str(number) for number in range(len(BAD))])
@pytest.mark.parametrize("compress", [False, True])
def test_what_is_said_of_a_file_that_is_wrong(tmp_path, text, message, compress):
    data = text.encode("latin-1")
    path = write(tmp_path, gzip.compress(data) if compress else data)
    with pytest.raises(ParseError, match=re.escape(message)) as found:
        read_arpa(path)
    assert str(found.value).startswith(str(path))
    assert "\n" not in str(found.value)


def test_files_that_are_not_utf_8(tmp_path):
    path = write(tmp_path, PLAIN.replace("\tB", "\tSCH\u00d6N").encode("latin-1"))
    with pytest.raises(ParseError, match="line 10: byte 0xd6 is not UTF-8: convert the file, for example by iconv"):
        read_arpa(path)
    with pytest.raises(ParseError, match="line 1: byte 0xff is not UTF-8"):
        read_arpa(write(tmp_path, PLAIN.encode("utf-16")))


def test_compressed_files_that_are_damaged(tmp_path):
    whole = gzip.compress((DATA / "pruned.arpa").read_bytes())
    with pytest.raises(ParseError, match="was cut short: what gzip compressed there has no end"):
        read_arpa(write(tmp_path, whole[: len(whole) // 2]))
    with pytest.raises(ParseError, match="was cut short"):
        read_arpa(write(tmp_path, whole[:5]))
    with pytest.raises(ParseError, match="is damaged"):
        read_arpa(write(tmp_path, whole[:10] + b"\xff" * 50 + whole[60:]))


def test_no_file_at_all(tmp_path):
    with pytest.raises(ParseError, match=r"no language model .*lm.arpa: .*evaluation.language_model train"):
        read_arpa(tmp_path / "lm.arpa")
    with pytest.raises(ParseError, match="is no file"):
        read_arpa(tmp_path)
    with pytest.raises(ParseError, match="cannot be read"):
        read_arpa("a\0b")


def test_a_file_that_has_no_end_is_not_read_to_it(tmp_path, monkeypatch):
    """A few kilobytes of gzip can hold gigabytes of empty lines."""
    monkeypatch.setattr("evaluation.language_model.arpa_lines.MOST_BYTES", 10_000)
    with pytest.raises(ParseError, match="line 9995: the file is longer than any"):
        read_arpa(write(tmp_path, gzip.compress(("\\data\\" + "\n" * 1_000_000).encode())))

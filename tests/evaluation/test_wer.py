"""The built-in scorer against sclite's answers, and its command line."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.ctm import Reference, fold_case
from evaluation.wer import align_glosses, build_json, main, parse_args, score_hypotheses
from evaluation.wer_result import SentenceCounts, WerResult

# reference, hypothesis, sclite 2.10's (C, S, D, I). The last column says which other way of counting fails there:
# u(nit costs), or after the diagonal i(nsertion before it), d(eletion before it), x: deletion before insertion.
SCLITE = [
    ("C C S+T", "C C", (2, 0, 1, 0), ""),
    ("Ä A __ON__", "Ä Ä", (1, 1, 1, 0), ""),
    ("C C 我", "我 __ON__", (1, 0, 2, 1), "u"),
    ("ä Ä Ä", "我 ä", (1, 0, 2, 1), "u"),
    ("B B IX", "IX WETTER", (1, 0, 2, 1), "u"),
    ("WETTER WETTER a", "a S+T", (1, 0, 2, 1), "u"),
    ("A WETTER WETTER", "IX A", (1, 0, 2, 1), "u"),
    ("__ON__ WETTER 10", "10 ä __ON__", (0, 3, 0, 0), "id"),
    ("S+T S+T C", "C __ON__ B __ON__", (0, 3, 0, 1), "id"),
    ("IX A A C", "C C 我 B", (0, 4, 0, 0), "id"),
    ("10 __ON__ __ON__", "C Ä 10", (0, 3, 0, 0), "d"),
    ("10 Ä Ä", "ä A 10", (0, 3, 0, 0), "d"),
    ("A __ON__ C A", "A Ä Ä __ON__", (1, 3, 0, 0), "d"),
    ("10 Ä S+T S+T S+T 我 a", "S+T 我 a 我 我 S+T", (2, 3, 2, 1), "uid"),
    ("B 我 __ON__ 我 我 我 B __ON__", "我 我 __ON__ B __ON__ B A A", (3, 4, 1, 1), "uid"),
    ("a 10 WETTER WETTER WETTER a 10 a 10", "10 a 10 10 a 10 WETTER WETTER", (4, 3, 2, 1), "uid"),
    ("10 10 B ä ä ä", "B 10 ä B 10 B", (2, 3, 1, 1), "ud"),
    ("__ON__ __ON__ C C C a a", "a a a __ON__ a ä a ä C", (2, 4, 1, 3), "ud"),
    ("A A IX IX A", "IX A Ä Ä", (1, 3, 1, 0), "i"),
    ("C a IX a a a a B", "C IX B Ä C", (2, 3, 3, 0), "i"),
    ("C 10 10 __ON__ ä S+T", "__ON__ ä ä __ON__ S+T", (3, 0, 3, 2), "udx"),
    ("ä ä 10 10 ä C C ä", "10 ä C C C 10 ä ä C", (5, 0, 3, 4), "udx"),
    ("ä Ä WETTER 我 Ä ä 我 WETTER S+T Ä", "ä 我 ä 我 Ä WETTER Ä 我 WETTER", (6, 0, 4, 3), "ux"),
    ("10 Ä A A ä ä Ä ä 10 B", "A 10 A Ä B Ä A", (3, 3, 4, 1), "ui"),
    ("WETTER Ä ä a WETTER", "C C ä C WETTER ä a", (2, 3, 0, 2), "dx"),
    ("B B B B 10 IX B IX", "10 10 10 10 B 10 B B 10 10", (3, 5, 0, 2), "dx"),
    ("A Ä x", "a ä X", (2, 1, 0, 0), ""),
    ("A B", "", (0, 0, 2, 0), ""),
    ("", "A", (0, 0, 0, 1), ""),
    ("A\u3000B C", "A C", (1, 1, 0, 0), ""),
    ("SU\u0308D É A", "SÜD E\u0301 a", (3, 0, 0, 0), ""),  # of the same in NFC
    ("SÜD e\u0301 ab", "SU\u0308D É AB", (2, 1, 0, 0), ""),
]


def counts(sentence):
    return sentence.correct, sentence.substitutions, sentence.deletions, sentence.insertions


@pytest.mark.parametrize(("reference", "hypothesis", "expected", "_"), SCLITE)
def test_counts_are_those_of_sclite(reference, hypothesis, expected, _):
    result = score_hypotheses(
        [Reference("a", "p", tuple(reference.split(" ") if reference else ()))], {"a": hypothesis.split()}
    )
    assert counts(result.sentences[0]) == expected


def test_alignment_by_hand():
    assert align_glosses(["A", "B", "C", "D"], ["a", "C", "X", "D", "E"]) == [
        ("C", "A", "a"),
        ("D", "B", None),
        ("C", "C", "C"),
        ("I", None, "X"),
        ("C", "D", "D"),
        ("I", None, "E"),
    ]
    assert align_glosses(["A", "A"], ["A"]) == [("D", "A", None), ("C", "A", "A")]  # read from the end
    assert align_glosses([], []) == []


glosses = st.lists(st.sampled_from(["A", "a", "B", "Ä", "ä", "IX"]), max_size=12)


@settings(max_examples=200)
@given(glosses, glosses)
def test_an_alignment_spells_both_sides_at_the_smallest_cost(reference, hypothesis):
    path = align_glosses(reference, hypothesis)
    assert [r for _, r, _ in path if r is not None] == reference
    assert [h for _, _, h in path if h is not None] == hypothesis
    for op, r, h in path:
        same = r is not None and h is not None and fold_case(r) == fold_case(h)
        assert op == ("I" if r is None else "D" if h is None else "C" if same else "S")
    assert sum({"C": 0, "S": 4, "I": 3, "D": 3}[op] for op, _, _ in path) == smallest_cost(reference, hypothesis)


def smallest_cost(reference, hypothesis):
    row = [3 * h for h in range(len(hypothesis) + 1)]
    for gloss in reference:
        above, row = row, [row[0] + 3]
        for h, other in enumerate(hypothesis):
            pair = above[h] + (0 if fold_case(gloss) == fold_case(other) else 4)
            row.append(min(pair, above[h + 1] + 3, row[h] + 3))
    return row[-1]


REFERENCES = [
    Reference("a", "Signer02", ("A", "B", "C", "D")),
    Reference("b", "Signer01", ("A", "B")),
    Reference("c", "Signer02", ("A",)),
]


def test_the_result_adds_up():
    result = score_hypotheses(REFERENCES, {"c": ["A", "A"], "a": ["a", "X", "C"], "b": []})
    assert [sentence.id for sentence in result.sentences] == ["a", "b", "c"]
    assert [counts(sentence) for sentence in result.sentences] == [(2, 1, 1, 0), (0, 0, 2, 0), (1, 0, 0, 1)]
    assert [sentence.reference_length for sentence in result.sentences] == [4, 2, 1]
    assert (result.correct, result.substitutions, result.deletions, result.insertions) == (3, 1, 3, 1)
    assert result.reference_length == 7
    assert result.wer == pytest.approx(100 * 5 / 7)
    signers = result.split_by_signer()
    assert list(signers) == ["Signer01", "Signer02"]
    assert signers["Signer01"].wer == 100.0
    assert signers["Signer02"].wer == pytest.approx(100 * 3 / 5)


def test_no_reference_glosses_is_an_error_and_not_a_score():
    empty = score_hypotheses([Reference("a", "p", ())], {"a": ["A"]})
    assert empty.insertions == 1
    with pytest.raises(ValueError, match="no reference gloss in 1 sentences"):
        _ = empty.wer
    with pytest.raises(ValueError, match="undefined"):
        _ = WerResult(()).wer


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [
        (REFERENCES, {"a": [], "c": []}, "1 references have no hypothesis: b"),
        (REFERENCES, {}, "3 references have no hypothesis: a, b, c"),
        (REFERENCES, {"a": [], "b": [], "c": [], "d": []}, "1 hypotheses have no reference: d"),
        ([*REFERENCES, REFERENCES[0]], {"a": [], "b": [], "c": []}, "1 references share an id: a"),
    ],
)
def test_references_and_hypotheses_belong_together(references, hypotheses, message):
    with pytest.raises(ValueError, match=message):
        score_hypotheses(references, hypotheses)


def test_a_missing_hypothesis_can_be_asked_to_count_as_deletions():
    assert score_hypotheses(REFERENCES, {"a": ["A"]}, require_all=False).deletions == 3 + 2 + 1


def test_a_string_is_no_hypothesis():
    with pytest.raises(TypeError, match="hypothesis of a is a string"):
        score_hypotheses(REFERENCES[:1], {"a": "A B"})


def test_a_signer_without_glosses_has_no_rate():
    sentences = (SentenceCounts("a", "p", 1, 0, 0, 0), SentenceCounts("b", "q", 0, 0, 0, 1))
    assert build_json(WerResult(sentences))["signers"]["q"] == {"wer": None, "C": 0, "S": 0, "D": 0, "I": 1}


STM = "a 1 Signer01 0.0 1.79769e+308 A B C\nb 1 Signer02 0.0 1.79769e+308 NORD\nc 1 Signer02 0.0 1.79769e+308 X\n"
CTM = "b 1 0.0 0.1 loc-NORD\nb 1 0.1 0.1 __PU__\na 1 0.0 0.1 a\na 1 0.1 0.1 C\n"


@pytest.fixture
def run(tmp_path, capsys):
    def run(ctm, stm, *options):
        (tmp_path / "h.ctm").write_text(ctm, encoding="utf-8")
        (tmp_path / "r.stm").write_text(stm, encoding="utf-8")
        main(parse_args(["--hyp", str(tmp_path / "h.ctm"), "--ref", str(tmp_path / "r.stm"), *options]))
        return capsys.readouterr()

    return run


def test_command_line_text(run):
    printed = run(CTM, STM)
    rows = [line.split() for line in printed.out.splitlines()]
    assert rows[0] == ["WER", "S", "D", "I", "glosses", "sentences"]
    assert rows[1] == ["all", "80.00", "%", "1", "2", "1", "5", "3"]
    assert rows[2] == ["Signer01", "33.33", "%", "0", "1", "0", "3", "1"]
    assert rows[3] == ["Signer02", "150.00", "%", "1", "1", "1", "2", "2"]
    assert "1 of 3 references have no line" in printed.err
    assert "(first: c)" in printed.err


def test_command_line_json(run):
    printed = run(CTM, STM, "--json", "--normalise", "phoenix2014")
    result = json.loads(printed.out)
    assert result["sentences"] == [
        {"id": "a", "C": 2, "S": 0, "D": 1, "I": 0},
        {"id": "b", "C": 1, "S": 0, "D": 0, "I": 0},
        {"id": "c", "C": 0, "S": 0, "D": 1, "I": 0},
    ]
    assert result["wer"] == pytest.approx(40.0)
    assert result["signers"]["Signer02"] == {"wer": 50.0, "C": 1, "S": 0, "D": 1, "I": 0}


# CTM files whose times go back, a stands before b; sclite 2.10's (C, S, D, I) of a, whose reference is A B C.
UNORDERED = [
    ((".4 .1 C", "0 .1 A", ".2 .1 B"), (2, 0, 1, 1)),
    ((".4 .1 A", ".2 .1 B", "0 .1 C"), (3, 0, 0, 0)),
    (("5 .1 A", ".1 .1 B", ".2 .1 C"), (3, 0, 0, 0)),
    (("2 1 B", "1 1 A", "0 9 C"), (2, 0, 1, 1)),
    (("2 0 C", "1 0 B", "0 0 A"), (1, 2, 0, 0)),
]


@pytest.mark.parametrize(("words", "expected"), UNORDERED)
@pytest.mark.parametrize("end", ["1.79769e+308", "1.0"])
def test_words_are_scored_in_the_order_of_the_file_as_sclite_does(run, words, expected, end):
    ctm = "".join(f"a 1 {word}\n" for word in words) + "b 1 0 1 D\n"
    printed = run(ctm, f"a 1 p 0.0 {end} A B C\nb 1 p 0.0 {end} D\n", "--json")
    assert tuple(json.loads(printed.out)["sentences"][0][key] for key in "CSDI") == expected
    assert "the times of 1 sentence go back (first: a)" in printed.err


def test_words_that_begin_together_are_in_order(run):
    assert run("a 1 0 1 A\na 1 0 1 B\na 1 .5 .1 C\n", "a 1 p 0.0 1.0 A B C\n").err == ""


def test_command_line_says_nothing_where_all_is_there(run):
    assert run("a 1 0 1 A\n", "a 1 p 0.0 1.0 A\n").err == ""


@pytest.mark.parametrize(
    ("ctm", "stm", "message"),
    [
        ("z 1 0.0 0.1 A\n", STM, "h.ctm:1: the id 'z' has no reference"),
        ("a 1 0.0 0.1 A\na 1 0.1\n", STM, "h.ctm:2: 3 fields"),
        (CTM, "a 1 p\n", "r.stm:1: 3 fields"),
        (CTM, "", "no reference in this file"),
        ("a 1 0 1 A\n", "a 1 p 0.0 1.0\n", "no reference gloss"),
        (CTM.replace("NORD", "NO\u200bRD"), STM, r"h.ctm:1: 'loc-NO.u200bRD' holds U\+200B ZERO WIDTH SPACE"),
        (CTM, STM.replace("NORD", "\ufeffNORD"), r"r.stm:2: .* holds U\+FEFF ZERO WIDTH NO-BREAK SPACE"),
        (CTM.replace("a 1", "a\u00ad 1"), STM, r"h.ctm:3: .* holds U\+00AD SOFT HYPHEN"),
    ],
)
def test_command_line_errors(run, ctm, stm, message):
    with pytest.raises(SystemExit, match=message):
        run(ctm, stm)


def test_command_line_without_the_file(tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        main(parse_args(["--hyp", str(tmp_path / "nowhere.ctm"), "--ref", str(tmp_path / "nowhere.stm")]))


def test_command_line_names_the_rule_sets(capsys):
    with pytest.raises(SystemExit):
        parse_args(["--hyp", "h", "--ref", "r", "--normalise", "phoenix"])
    assert "phoenix2014-sentence" in capsys.readouterr().err


@pytest.mark.parametrize(("ctm_form", "stm_form"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_both_sides_may_come_in_any_unicode_form(run, ctm_form, stm_form):
    ctm, stm = "bär 1 0 .1 ÜBUNG\nbär 1 .1 .1 É\n", "bär 1 Jörg 0.0 1.0 ÜBUNG É\n"
    printed = run(unicodedata.normalize(ctm_form, ctm), unicodedata.normalize(stm_form, stm), "--json")
    result = json.loads(printed.out)
    assert result["wer"] == 0
    assert list(result["signers"]) == ["Jörg"]
    assert printed.err == ""

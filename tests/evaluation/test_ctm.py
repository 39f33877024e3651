"""CTM and STM files: what is read, what is written, and what is refused by name."""

import os

import pytest

from evaluation.ctm import (
    CtmEntry,
    CtmWord,
    FormatError,
    Reference,
    check_gloss,
    fold_case,
    read_ctm,
    read_stm,
    write_ctm,
    write_stm,
)

ORDINARY = ["__ON__", "A+B", "[EMPTY]", "X-Y", "(X)", "%HES", "/", "10", "*A", "<UNK>", "Ä", "我", "A\u3000B", "\u00a0"]
REFUSED = [
    ("@", "nothing"),
    ("A{B", "interprets"),
    ("A;", "interprets"),
    ("A\\B", "interprets"),
    ("A*", r"ends in '\*'"),
    ("<ALT_BEGIN>", "keyword"),
    ("<alt>", "keyword"),
    ("<ALT_END>", "keyword"),
    ("IGNORE_TIME_SEGMENT_IN_SCORING", "keyword"),
    ("A" * 501, "longer than 500 bytes"),
    ("Ä" * 251, "longer than 500 bytes"),
    ("", "empty"),
    ("WIE AUSSEHEN", "white space"),
    ("A\tB", "white space"),
    ("A\n", "white space"),
    ("A\r", "white space"),
    ("A\vB", "white space"),
    ("A\fB", "white space"),
    ("A\0B", "zero byte"),
]


def put(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def test_a_pipe_that_nobody_writes_to_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.ctm")
    for read in (read_ctm, read_stm):
        with pytest.raises(FormatError, match="is a pipe"):
            read(tmp_path / "pipe.ctm")


def test_case_folding_is_ascii_only():
    assert fold_case("WETTER Ä Ö İ \u212a ß") == "wetter Ä Ö İ \u212a ß"  # \u212a: the Kelvin sign


@pytest.mark.parametrize("gloss", [*ORDINARY, "A" * 500])
def test_ordinary_glosses_survive_a_file(tmp_path, gloss):
    write_ctm(tmp_path / "h.ctm", [("s", [(gloss, 0.0, 0.1)])])
    write_stm(tmp_path / "r.stm", [Reference("s", "p", ("A", gloss))])
    assert read_ctm(tmp_path / "h.ctm") == [CtmEntry("s", (CtmWord(gloss, 0.0, 0.1),))]
    assert read_stm(tmp_path / "r.stm") == [Reference("s", "p", ("A", gloss))]


@pytest.mark.parametrize(("gloss", "reason"), REFUSED)
def test_glosses_that_sclite_would_rewrite_are_not_written(tmp_path, gloss, reason):
    with pytest.raises(FormatError, match=reason):
        check_gloss(gloss)
    with pytest.raises(FormatError, match=f"^sentence-7: .*{reason}"):
        write_ctm(tmp_path / "h.ctm", [("sentence-7", [("A", 0.0, 0.1), (gloss, 0.1, 0.1)])])
    with pytest.raises(FormatError, match=f"^sentence-7: .*{reason}"):
        write_stm(tmp_path / "r.stm", [Reference("sentence-7", "p", ("A", gloss))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gloss", ["@", "A{B", "A;", "A*", "<ALT>", "A" * 501, "A\vB"])
def test_glosses_that_sclite_would_rewrite_are_not_read(tmp_path, gloss):
    with pytest.raises(FormatError, match="file:2: the gloss"):
        read_ctm(put(tmp_path, f"s 1 0 1 A\ns 1 0 1 {gloss}\n"))
    with pytest.raises(FormatError, match="file:2: the gloss"):
        read_stm(put(tmp_path, f"r 1 p 0 1 A\ns 1 p 0 1 A {gloss}\n"))


def test_a_reference_must_not_start_like_a_label(tmp_path):
    with pytest.raises(FormatError, match="label"):
        write_stm(tmp_path / "r.stm", [Reference("s", "p", ("<UNK>", "A"))])
    with pytest.raises(FormatError, match=r"file:1: .*label"):
        read_stm(put(tmp_path, "s 1 p 0.0 1.0 <o,f0,male> A\n"))
    check_gloss("<UNK>")


def test_written_files_look_as_the_corpora_do(tmp_path):
    entries = [CtmEntry("b", [CtmWord("A", 0.0, 0.16), CtmWord("B", 0.16, 0.5, 0.75)]), CtmEntry("c", []), ("a", [])]
    write_ctm(tmp_path / "h.ctm", entries)
    assert (tmp_path / "h.ctm").read_bytes() == b"b 1 0.000 0.160 A\nb 1 0.160 0.500 B 0.7500\n"
    write_stm(tmp_path / "r.stm", [Reference("b", "Signer01", ("A", "Ä")), Reference("c", "Signer02", ())])
    assert (tmp_path / "r.stm").read_bytes() == (
        "b 1 Signer01 0.0 1.79769e+308 A Ä\nc 1 Signer02 0.0 1.79769e+308\n".encode()
    )
    assert read_stm(tmp_path / "r.stm")[1].glosses == ()


def test_a_refused_file_leaves_the_old_one(tmp_path):
    write_ctm(tmp_path / "h.ctm", [("a", [("A", 0.0, 0.1)])])
    with pytest.raises(FormatError):
        write_ctm(tmp_path / "h.ctm", [("a", [("@", 0.0, 0.1)])])
    assert read_ctm(tmp_path / "h.ctm")[0].glosses == ("A",)
    assert [path.name for path in tmp_path.iterdir()] == ["h.ctm"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("a", []), ("a", [])], "'a' occurs twice"),
        ([("a", []), ("A", [])], "'A' collides with 'a'"),
        ([("a b", [])], "white space"),
        ([("", [])], "empty"),
        ([(";a", [])], "';'"),
        ([("a" * 251, [])], "longer than 250 bytes"),
        ([("a", [("A", -0.1, 0.1)])], "a: the start is -0.1"),
        ([("a", [("A", 0.0, float("nan"))])], "the duration is nan"),
        ([("a", [("A", 0.0, 0.1, float("inf"))])], "the confidence is inf"),
    ],
)
def test_what_a_ctm_file_cannot_hold(tmp_path, entries, message):
    with pytest.raises(FormatError, match=message):
        write_ctm(tmp_path / "h.ctm", entries)


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ([Reference("a", "p", ("A",)), Reference("A", "p", ("A",))], "collides"),
        ([Reference("a", "", ("A",))], "signer '' is empty"),
        ([Reference("a", "p q", ("A",))], "signer 'p q'"),
    ],
)
def test_what_an_stm_file_cannot_hold(tmp_path, references, message):
    with pytest.raises(FormatError, match=message):
        write_stm(tmp_path / "r.stm", references)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\ufeff;; made by hand\n", "\n  \n\t\n"])
@pytest.mark.parametrize("gap", [" ", "\t", " \t  "])
def test_white_space_comments_and_byte_order_marks_do_not_matter(tmp_path, start, end, gap):
    lines = ["  a 1 0.0 .5 Ä", "", ";; a comment", "a 1 0.5 0.5 B\u30001 0.5  ", "b 1 0 1 C"]
    text = start + "".join(line.replace(" ", gap) + end for line in lines)
    assert read_ctm(put(tmp_path, text)) == [
        CtmEntry("a", (CtmWord("Ä", 0.0, 0.5), CtmWord("B\u30001", 0.5, 0.5, 0.5))),
        CtmEntry("b", (CtmWord("C", 0.0, 1.0),)),
    ]
    text = start + f"a 1 p 0.0 1.79769e+308 A\u00a0B  C{end};; x{end}{end}b 1 q 0.0 1.0".replace(" ", gap)
    assert read_stm(put(tmp_path, text)) == [Reference("a", "p", ("A\u00a0B", "C")), Reference("b", "q", ())]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a 1 0.0 0.1", "4 fields, expected <id> 1 <start> <duration> <gloss>"),
        ("a 1 0.0 0.1 A 0.5 x", "7 fields"),
        ("a 1 0.0 0.1 WIE AUSSEHEN", "confidence is 'AUSSEHEN'"),
        ("a 1 x 0.1 A", "start is 'x'"),
        ("a 1 0.0 -1 A", "duration is '-1'"),
        ("a 1 nan 0.1 A", "start is 'nan'"),
        ("a 1 1_000 0.1 A", "start is '1_000'"),
        ("a 1 \u0661 0.1 A", "start is '\u0661'"),
        ("a 1 0.0 1e400 A", "duration is '1e400'"),
        ("a 1 * * <ALT_BEGIN>", "is a keyword of sclite"),
        ("a 2 0.0 0.1 A", "channel .* is '2'"),
        ("z 1 0.0 0.1 A", "'z' has no reference"),
        ("A 1 0.0 0.1 A", "'A' has no reference"),
        ("first 1 0.0 0.1 A", "'first' occurs twice, or its lines are not together"),
        (b"a 1 0.0 0.1 \xff", "not UTF-8"),
    ],
)
def test_a_malformed_ctm_line_is_named(tmp_path, line, message):
    line = line.encode() if isinstance(line, str) else line
    path = put(tmp_path, b"first 1 0 1 A\n\nsecond 1 0 1 B\n" + line + b"\n")
    with pytest.raises(FormatError, match=f"file:4: .*{message}"):
        read_ctm(path, ids=["first", "second", "a"])


def test_ids_that_differ_in_case_alone_collide(tmp_path):
    with pytest.raises(FormatError, match="file:2: the id 'A' collides with 'a'"):
        read_ctm(put(tmp_path, "a 1 0 1 X\nA 1 0 1 X\n"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a 1 p 0.0", "4 fields"),
        ("a A p 0.0 1.0 X", "channel .* is 'A'"),
        ("a 1 p X 1.0 X", "begin is 'X'"),
        ("a 1 p 0.0 inf X", "end is 'inf'"),
        ("a 1 p 1.0 1.0 X", "ends at 1.0, before or at its begin"),
        ("first 1 p 0.0 1.0 X", "'first' occurs twice"),
        ("first 2 p 0.0 1.0 X", "channel .* is '2'"),
        ("a 1 p 0.0 1.0 { A / B }", "which sclite interprets"),
        ("a 1 p 0.0 1.0 IGNORE_TIME_SEGMENT_IN_SCORING", "is a keyword of sclite"),
        (b"a 1 p 0.0 1.0 \xe4", "not UTF-8"),
    ],
)
def test_a_malformed_stm_line_is_named(tmp_path, line, message):
    line = line.encode() if isinstance(line, str) else line
    with pytest.raises(FormatError, match=f"file:2: .*{message}"):
        read_stm(put(tmp_path, b"first 1 p 0 1 A\n" + line))


def test_an_stm_file_without_references_is_an_error_and_an_empty_ctm_file_is_not(tmp_path):
    path = put(tmp_path, ";; nothing\n")
    assert read_ctm(path) == []
    with pytest.raises(FormatError, match="no reference"):
        read_stm(path)

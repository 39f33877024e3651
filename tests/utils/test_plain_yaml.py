import os

import pytest

from utils.errors import ParseError
from utils.plain_yaml import MOST_BYTES, parse_yaml, read_yaml

LAUGHS = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{{', '.join(f'k{index}: *{old}' for index in range(9))}}}\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a:", {"a": None}),
        ("a: ~\nb: null", {"a": None, "b": None}),
        ("a: yes\nb: off\nc: True", {"a": True, "b": False, "c": True}),
        ("a: 012\nb: -3\nc: +4", {"a": 12, "b": -3, "c": 4}),
        ("a: 1e-3\nb: 1.5\nc: .5\nd: 2.", {"a": 1e-3, "b": 1.5, "c": 0.5, "d": 2.0}),
        ("a: 12:30\nb: 2024-02-30\nc: 0x10\nd: .nan", {"a": "12:30", "b": "2024-02-30", "c": "0x10", "d": ".nan"}),
        ("a: '3'\nb: \"no\"\nc: |\n  1\n", {"a": "3", "b": "no", "c": "1\n"}),
        ("a: [1, b, {c: 2}]", {"a": [1, "b", {"c": 2}]}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("a: {<<: [{b: 1}, {b: 2, c: 3}]}", {"a": {"b": 1, "c": 3}}),
        ("a: !!str 3\nb: !!int 4", {"a": 3, "b": 4}),
        ("on: 1", {"on": 1}),
        (f"a: {'9' * 5000}", {"a": "9" * 5000}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)  # fmt: skip
def test_plain_values(text, value, tmp_path):
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == value


def test_text_stays_as_it_was_written():
    text = "a: 0123\nb: {a: 0123, c: [no, 1.10, ~, 'x y'], d: no}\n"
    assert parse_yaml(text, "", {"a", "b.c"}.__contains__) == {
        "a": "0123",
        "b": {"a": 123, "c": ["no", "1.10", None, "x y"], "d": False},
    }


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "line 1: this is not YAML"),
        ("a: 1\nb: [2", "this is not YAML"),
        ("a: *x", "line 1: this is not YAML: .*alias"),
        ("a: 1\n--- \nb: 2", "this is not YAML"),
        ("a: 1\na: 2", "line 2: a is already on line 1"),
        ("b: {c: 1,\n c: 2}", "line 2: c is already on line 1"),
        ("? [a]\n: 1", "line 1: a key must be one word"),
        ("a: !!python/object/apply:os.system [ls]", "line 1: the tag !!python/object/apply:os.system has no place"),
        ("a: 1\nb: !!binary aGk=", "line 2: the tag !!binary has no place"),
        ("a: !!set {b}", "the tag !!set has no place"),
        ("a: {<<: 3}", "<< needs a section"),
        ("a: &a\n  x: *a", "too large or endless"),
        ("a: &a [*a]", "too large or endless"),
        ("a: &a\n  <<: *a", "too large or endless"),
        (LAUGHS, "too large or endless"),
        ("a: " + "[" * 3000 + "]" * 3000, "line 1: more than 20 levels"),
        ("a: " + "{b: " * 3000 + "}" * 3000, "line 1: more than 20 levels"),
        ("- " * 3000 + "a", "line 1: more than 20 levels"),
        ("a: " + "[" * 100_000 + "]" * 100_000, "line 1: (more than 20 levels|this is not YAML)"),
        ("a: b\0", "character #x0000"),
        ("a: \x07", "character #x0007"),
        ("\ta: 1", "line 1: this is not YAML"),
        ("%YAML 9.9\n---\na: 1", "this is not YAML"),
    ],
)
def test_what_is_not_plain_yaml(text, message, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(ParseError, match=rf"^{file}, (?s:.)*{message}"):
        read_yaml(file)


def test_large_files_are_read_alike():
    text = "".join(f"key{index}: [{index}, no, 1.5, 'x']\n" for index in range(20_000))
    assert len(text) > 2**16
    content = parse_yaml(text, "a.yaml")
    assert (len(content), content["key19999"]) == (20_000, [19_999, False, 1.5, "x"])
    with pytest.raises(ParseError, match=r"a\.yaml, line 20001: key0 is already on line 1"):
        parse_yaml(text + "key0: 1\n", "a.yaml")


def test_files_that_cannot_be_read(tmp_path):
    file = tmp_path / "a.yaml"
    with pytest.raises(FileNotFoundError):
        read_yaml(file)
    with pytest.raises(ParseError, match=r"a\.yaml is no file"):
        file.mkdir()
        read_yaml(file)
    with pytest.raises(ParseError, match=r"fifo is no file"):  # nobody writes to it
        os.mkfifo(tmp_path / "fifo")
        read_yaml(tmp_path / "fifo")
    with pytest.raises(ParseError, match="cannot be read"):
        read_yaml("a\0b")
    with pytest.raises(ParseError, match="cannot be read"):
        read_yaml("a" * 5000)
    other = tmp_path / "b.yaml"
    other.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ParseError, match=r"b\.yaml, line 2: byte 0xff is not UTF-8"):
        read_yaml(other)
    with other.open("wb") as sparse:
        sparse.truncate(MOST_BYTES + 1)
    with pytest.raises(ParseError, match="is larger than 4 MiB"):
        read_yaml(other)

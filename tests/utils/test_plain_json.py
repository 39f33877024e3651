import gc
import json
import sys

import pytest

from utils.errors import ParseError
from utils.files import read_text, write_json
from utils.plain_json import parse_json, read_json


@pytest.mark.parametrize("value", [None, 3, [], {}, {"a": [1, -2.5, "雨", True, None, {"b": {}}]}, 2**70, 1e300])
def test_what_was_written_is_read(value, tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    assert read_json(file) == value
    file.write_text("\ufeff" + json.dumps(value), encoding="utf-8")
    assert read_json(file) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.json, line 1: this is not JSON"),
        ('{"a": 1,\n "b": }', r"a\.json, line 2: this is not JSON"),
        ('{"a": 1} {', r"a\.json, line 1: this is not JSON"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', r"a\.json: the key 'b' is given twice"),
        ('{"a": NaN}', r"a\.json: NaN is no number"),
        ("[-Infinity]", r"a\.json: -Infinity is no number"),
        ("[1e999]", r"a\.json: 1e999 is too large"),
        ("[" + "9" * 500 + ".0]", r"a\.json: 9{20} is too large"),
        ("9" * 5000, r"a\.json: a number of 5000 digits"),
        ("[" + "9" * 50 + "]", r"a\.json: a number of 50 digits"),
        ("[" * 100_000, r"a\.json (has more than 50 levels|, line 1: this is not JSON)"),
        ("[" * 60 + "]" * 60, r"a\.json has more than 50 levels"),
        ('{"a":' * 60 + "1" + "}" * 60, r"a\.json has more than 50 levels"),
        ('["\\ud800"]', r"a\.json: .*half of a character"),
        ('{"\\udc00": 1}', r"a\.json: .*half of a character"),
    ],
)
def test_what_is_not_plain_json(text, message):
    with pytest.raises(ParseError, match=rf"^{message}"):
        parse_json(text, "a.json")
    assert gc.isenabled()


def test_levels_that_are_allowed():
    text = "[" * 50 + "]" * 50
    assert parse_json(text, "a.json") == json.loads(text)


def test_a_file_name_that_is_not_utf8_comes_back(tmp_path):
    write_json(tmp_path / "a.json", ["b\udcfc"], keep_names=True)
    assert read_json(tmp_path / "a.json") == ["b\udcfc"]


def test_a_surrogate_pair_is_one_character():
    assert parse_json('["\\ud83d\\ude00"]', "a.json") == ["😀"]


def test_the_stack_is_left_alone():
    limit = sys.getrecursionlimit()
    with pytest.raises(ParseError):
        parse_json("[" * 100_000 + "]" * 100_000, "a.json")
    assert sys.getrecursionlimit() == limit


def test_what_editors_on_windows_write(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf["a",\r\n"b"]\r')
    assert read_json(tmp_path / "a.json") == ["a", "b"]
    assert read_text(tmp_path / "a.json", 100) == '["a",\n"b"]\n'


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "a.json")
    with pytest.raises(ParseError, match="is no file"):
        read_json(tmp_path)
    (tmp_path / "b.json").write_bytes(b'["\xff"]')
    with pytest.raises(ParseError, match=r"b\.json, line 1: byte 0xff is not UTF-8"):
        read_json(tmp_path / "b.json")

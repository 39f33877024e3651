import os
import shutil
import subprocess
from pathlib import Path

import pytest

from utils.text import did_you_mean, number_repeats, plural, quote_path, shorten, show_name, show_text


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [
        (0, ("frame",), "0 frames"),
        (1, ("frame",), "1 frame"),
        (2, ("frame",), "2 frames"),
        (1, ("gloss", "glosses"), "1 gloss"),
        (3, ("gloss", "glosses"), "3 glosses"),
    ],
)
def test_nouns_agree_with_their_number(count, nouns, text):
    assert plural(count, *nouns) == text


def test_long_lists_end_in_an_ellipsis():
    assert shorten("ABC") == "A, B, C"
    assert shorten("ABCDEF") == "A, B, C, D, E, ..."
    assert shorten("ABCDEF", most=2) == "A, B, ..."
    assert shorten([]) == ""


def test_the_nearest_names_are_suggested():
    assert did_you_mean("batchsize", ["batch_size", "beam_width"]) == "; did you mean batch_size?"
    assert did_you_mean("SONE", ["SONNE", "SONNTAG", "MORGEN"], most=2) == "; did you mean SONNE or SONNTAG?"
    assert did_you_mean("zzz", ["batch_size"]) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\udce9.mp4", r"caf\xE9.mp4"),
        ("\udcff\udc80", r"\xFF\x80"),
        ("\udcc3\udcbc \udcc3", r"ü \xC3"),  # what a system that only knows ASCII makes of a name in UTF-8
        ("\ud83d.mp4", r"\ud83d.mp4"),  # half a character, as names on Windows may hold it
        ("\ud83d\udce9", r"\ud83d\xE9"),
        ("Ä 我 \\xE9", r"Ä 我 \xE9"),
    ],
)
def test_bytes_that_are_not_utf8_are_shown(text, shown):
    assert show_text(text) == show_text(Path(text)) == shown
    assert shown.encode("utf-8")


def test_the_bytes_of_a_real_name_are_shown():
    assert show_text(os.fsdecode(b"caf\xe9/\xc3\xbc")) == r"caf\xE9/ü"


def test_equal_texts_are_numbered():
    assert number_repeats(["a", "b"]) == ["a", "b"]
    assert number_repeats(["a", "a", "a-2", "a"]) == ["a", "a-3", "a-2", "a-4"]


def test_names_hold_no_ends_of_lines():
    assert show_name("a\nb\x1b[31m\udce9\u2028.mp4") == r"a\x0Ab\x1B[31m\xE9\x2028.mp4"
    assert show_name("U\u0308 我") == "U\u0308 我"


@pytest.mark.parametrize("name", ["a", "a b", "it's", "caf\udce9", "a b\udce9'\\", "$HOME\udce9", "我"])
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_paths_are_quoted_for_the_shell(name):
    said = subprocess.run(["bash", "-c", f"printf %s {quote_path(name)}"], capture_output=True, check=True).stdout
    assert os.fsdecode(said) == name
    assert quote_path(name).encode()

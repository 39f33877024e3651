import pytest

from utils.text import did_you_mean, plural, shorten


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

"""One spelling for each text."""

import pytest

from utils.unicode import find_on_disk, name_unseen, to_nfc

NFC, NFD = "MÜLLER", "MU\u0308LLER"


def test_both_forms_are_one_text():
    assert to_nfc(NFD) == to_nfc(NFC) == NFC != NFD
    assert to_nfc("\u1100\u1161") == "\uac00"  # Hangul
    assert to_nfc("\u0915\u093c") == to_nfc("\u0958")  # NFC takes these apart


@pytest.mark.parametrize("text", ["SONNE", "sonne", "\uff21", "\ufb01", "①", "A\u3000B"])
def test_letters_of_other_case_and_width_stay(text):
    assert to_nfc(text) == text


@pytest.mark.parametrize(
    ("letter", "name"),
    [
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u200d", "U+200D ZERO WIDTH JOINER"),
        ("\u200c", "U+200C ZERO WIDTH NON-JOINER"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\u2060", "U+2060 WORD JOINER"),
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\u200f", "U+200F RIGHT-TO-LEFT MARK"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2066", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("\u061c", "U+061C ARABIC LETTER MARK"),
        ("\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
        ("\U000e0101", "U+E0101 VARIATION SELECTOR-18"),
        ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("\u034f", "U+034F COMBINING GRAPHEME JOINER"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\u2029", "U+2029 PARAGRAPH SEPARATOR"),
        ("\x85", "U+0085 control character"),
        ("\x00", "U+0000 control character"),
        ("\x1f", "U+001F control character"),
        ("\x7f", "U+007F control character"),
        ("\r", "U+000D control character"),
        ("\udce9", "U+DCE9 no character"),
        ("\ufffe", "U+FFFE no character"),
    ],
)
def test_what_cannot_be_seen_is_named(letter, name):
    assert name_unseen(f"SON{letter}NE") == name_unseen(letter) == name


JOINED = ("می\u200cروم", "ශ්\u200dරී", "क्\u200dष", "क्\u200cष")


@pytest.mark.parametrize("text", ["", "SONNE", NFC, NFD, "我", "A\u3000B", "A\u00a0B", "A\tB", "😀", *JOINED])
def test_what_can_be_seen_is_let_through(text):
    assert name_unseen(text) == ""


@pytest.mark.parametrize("text", ["می\u200dروم", "\u200cروم", "می\u200c", "A\u200cB"])
def test_a_joiner_that_joins_nothing_is_named(text):
    assert name_unseen(text).startswith("U+200")


def test_a_name_is_found_in_the_form_that_the_disk_has(tmp_path):
    for typed, held in ((NFC, NFD), (NFD, NFC)):
        home = tmp_path / f"{len(held)}"
        (home / held / "a").mkdir(parents=True)
        (home / held / f"{held}.mp4").touch()
        assert find_on_disk(home / typed / f"{typed}.mp4") == home / held / f"{held}.mp4"
        assert find_on_disk(home / typed / "a") == home / held / "a"
        assert find_on_disk(home / held) == home / held
        assert find_on_disk(home / typed / "none.mp4") == home / held / "none.mp4"
        assert find_on_disk(home / "other" / typed) == home / "other" / typed


def test_a_name_that_is_there_is_taken_as_it_is(tmp_path):
    for name in (NFC, NFD):
        (tmp_path / name).write_text(name, encoding="utf-8")
    if len(list(tmp_path.iterdir())) == 2:  # macOS takes them for one
        assert find_on_disk(tmp_path / NFC).read_text(encoding="utf-8") == NFC
        assert find_on_disk(tmp_path / NFD).read_text(encoding="utf-8") == NFD

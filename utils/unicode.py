"""One spelling for each text: Unicode's form NFC, no characters that nobody sees, names of files in either form.

A letter with a mark can be one character (U+00C4) or two (U+0041 U+0308). They look the same, so they are made the
same: NFC, the form that most programs write. Letters in upper and lower case or of other widths stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

UNSEEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of control and format characters, of halves of characters, and of ends of lines."""

# What else the standard lets programs show as nothing (its Default_Ignorable_Code_Point), a blank, and no characters.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
    "\ufdd0-\ufdef\ufffe\uffff]"
)
_JOINERS = "\u200c\u200d"
_VIRAMA = 9  # the combining class of the marks that take a letter's vowel away


def to_nfc(text: str) -> str:
    """The text in Unicode's form NFC."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def name_unseen(text: str) -> str:
    """The first character of the text that cannot be seen, as "U+200B ZERO WIDTH SPACE"; "" if there is none.

    Spaces and tabs count as seen. So do the joiners of scripts that are not written without them: after a virama, and
    U+200C between two Arabic letters (RFC 5892, appendix A).
    """
    if text.isascii() and text.isprintable():
        return ""
    for place, letter in enumerate(text):
        unseen = unicodedata.category(letter) in UNSEEN_CATEGORIES or _UNSEEN.match(letter)
        if unseen and letter != "\t" and not (letter in _JOINERS and _joins(text, place)):
            nameless = "control character" if unicodedata.category(letter) == "Cc" else "no character"
            return f"U+{ord(letter):04X} {unicodedata.name(letter, nameless)}"
    return ""


def _joins(text: str, place: int) -> bool:
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    return text[place] == "\u200c" and all(
        letter and unicodedata.name(letter, "").startswith("ARABIC LETTER") for letter in (before, after)
    )


def find_on_disk(path: Path) -> Path:
    """The path as the disk spells it: where it is not there, one whose name is the same in NFC, if there is one.

    macOS hands on names in another form than they were typed in, and lists of clips keep what was typed.
    """
    if str(path).isascii() or path.exists() or path.parent == path:
        return path
    folder = find_on_disk(path.parent)
    wanted = to_nfc(path.name)
    if not folder.is_dir():
        return path
    if (folder / path.name).exists() or path.name.isascii():
        return folder / path.name
    return next((entry for entry in sorted(folder.iterdir()) if to_nfc(entry.name) == wanted), folder / path.name)

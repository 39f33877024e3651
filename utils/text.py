"""Small pieces of the sentences that users read."""

from __future__ import annotations

import codecs
import difflib
import re
import reprlib
import shlex
from collections.abc import Iterable, Sequence
from itertools import count

ERRORS = "mstfnet.escape"
"""The name of the error handler that `escaping_errors` registers."""

_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]+")
_ESCAPED_BYTES = re.compile("[\udc80-\udcff]+")

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 80
SHORT.maxlong = 40
SHORT.maxlevel = 3


def quote_value(value: object) -> str:
    """A value as Python writes it, for a message: of long text, long numbers and deep containers only the ends."""
    try:
        return SHORT.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number of thousands of digits"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """The count with its noun: "1 frame", "2 frames"; `many` is the plural where an s does not make it."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {many or noun + 's'}"


def shorten(names: Iterable[str], most: int = 5) -> str:
    """The first `most` names, separated by commas; an ellipsis stands for the rest."""
    listed = list(names)
    rest = ["..."] if len(listed) > most else []
    return ", ".join([*listed[:most], *rest])


def list_first(texts: Sequence[str], most: int = 10, count: int | None = None) -> list[str]:
    """The first `most` of the texts, and a last one that says how many more there are.

    Args:
        texts: mistakes or other things to name.
        most: the number of those that are named.
        count: the number of all, if `texts` does not hold them all.
    """
    more = (len(texts) if count is None else count) - most
    return [*texts[:most], *([f"and {more:,} more"] if more > 0 else [])]


def shorten_text(text: str, most: int = 80) -> str:
    """The text itself, or its beginning and "..." where it has more characters than `most`."""
    return text if len(text) <= most else f"{text[:most]}..."


def did_you_mean(name: str, choices: Sequence[str], most: int = 1, cutoff: float = 0.5) -> str:
    """ "; did you mean A?" with the choices that are spelt most like `name`; "" where none is near."""
    near = difflib.get_close_matches(name, choices, n=most, cutoff=cutoff)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def show_text(text: object) -> str:
    r"""The text, or the path, as Unicode that UTF-8 can hold: bytes of a file name that are not UTF-8 stand as `\xE9`.

    Python keeps such bytes as lone surrogates, with which a file is found, but which no text file can hold.
    """
    return _SURROGATES.sub(lambda found: _show_surrogates(found[0]), str(text))


def show_name(name: str) -> str:
    r"""The name of a file as `show_text` has it, and with `\x0A` and the like for ends of lines and other controls."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02X}", show_text(name))


def quote_path(path: object) -> str:
    r"""The path for a command to be copied: quoted where the shell needs it, and `$'caf\xE9'` if it is not UTF-8."""
    text = str(path)
    if show_text(text) == text:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{show_text(escaped)}'"


def number_repeats(texts: Iterable[str]) -> list[str]:
    """The texts in their order, of which those that an earlier one equals get a number: A, A-2, A-3."""
    taken: set[str] = set()
    listed = list(texts)
    firsts = set(listed)
    for place, text in enumerate(listed):
        unique = text
        for number in count(2):
            if unique not in taken and (unique == text or unique not in firsts):
                break
            unique = f"{text}-{number}"
        taken.add(unique)
        listed[place] = unique
    return listed


def escaping_errors() -> str:
    r"""The name of the error handler that writes what an encoding cannot hold as `\xE9`, `\u4e2d` or `\U0001f600`."""
    codecs.register_error(ERRORS, _escape)
    return ERRORS


def _show_surrogates(text: str) -> str:
    # Where the system's encoding is ASCII, a UTF-8 name arrives as surrogates too: what is whole in them is decoded.
    decoded = text.encode("utf-8", "surrogateescape") if _ESCAPED_BYTES.fullmatch(text) else b""
    shown = decoded.decode("utf-8", "surrogateescape") or text
    shown = _ESCAPED_BYTES.sub(lambda found: "".join(f"\\x{ord(byte) - 0xDC00:02X}" for byte in found[0]), shown)
    return _SURROGATES.sub(lambda found: found[0].encode("ascii", "backslashreplace").decode("ascii"), shown)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown = show_text(error.object[error.start : error.end])
    return shown.encode("ascii", "backslashreplace").decode("ascii"), error.end

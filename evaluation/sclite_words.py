"""What sclite takes for a gloss or an id of its files, and what it would misread."""

from __future__ import annotations

import re
import string

from utils.errors import InputError

MAX_GLOSS_BYTES, MAX_ID_BYTES = 500, 250  # sclite's limits
SCLITE_KEYWORDS = ("<alt_begin>", "<alt>", "<alt_end>", "ignore_time_segment_in_scoring")
NOT_IN_A_WORD = re.compile("[ \t\n\r\v\f\0]")

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class FormatError(InputError, ValueError):
    """A CTM or STM line that cannot be read, or a value that such a file cannot hold."""


def fold_case(text: str) -> str:
    """Lower A-Z alone, as sclite does whatever the encoding; by `str.lower`, `Ä` and `ä` would be the same gloss."""
    return text.translate(_LOWER)


def check_gloss(gloss: str, first_of_reference: bool = False) -> None:
    """Raise FormatError if sclite would not take `gloss` as the one plain word it is."""
    for failed, problem in (
        (not gloss, "is empty"),
        (NOT_IN_A_WORD.search(gloss) is not None, "contains white space or a zero byte"),
        (gloss == "@", "is sclite's word for nothing"),
        (any(letter in gloss for letter in "{;\\"), "contains '{', ';' or a backslash, which sclite interprets"),
        (gloss.endswith("*"), "ends in '*', which sclite removes"),
        (fold_case(gloss) in SCLITE_KEYWORDS, "is a keyword of sclite"),
        (first_of_reference and gloss.startswith("<"), "starts a reference with '<', which sclite takes for a label"),
        (len(gloss.encode("utf-8", "surrogatepass")) > MAX_GLOSS_BYTES, f"is longer than {MAX_GLOSS_BYTES} bytes"),
    ):
        if failed:
            raise FormatError(f"the gloss {gloss[:60]!r} {problem}; rename it in the data or map it before scoring")


def check_id(name: str) -> None:
    """Raise FormatError if sclite would not take `name` for the id of a sentence."""
    if not name or NOT_IN_A_WORD.search(name) or name.startswith(";"):
        raise FormatError(f"the id {name[:60]!r} is empty, starts with ';' or contains white space")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise FormatError(f"the id {name[:60]!r}... is longer than {MAX_ID_BYTES} bytes, sclite's limit")

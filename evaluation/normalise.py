"""Gloss normalisation before scoring: the named rules of each corpus, applied to hypotheses only.

References are scored as released. The makers of PHOENIX2014 have simplified those of dev and test; hypotheses are spelt
like the labels of train, and are brought to the same spelling here. Published word error rates of PHOENIX2014 and
PHOENIX2014-T use `phoenix2014`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from config.schema import Rules
from utils.unicode import to_nfc

Rule = Callable[[list[str]], list[str]]

MARKERS = ("__EMOTION__", "__PU__", "__LEFTHAND__", "__EPENTHESIS__")

_LETTER = re.compile("[A-Z]|SCH|NN")
_WORD = re.compile("[A-Z]+")


def _substitute(pattern: str, replacement: str) -> Rule:
    """A rule that rewrites each gloss by itself; a gloss that becomes empty is dropped."""
    compiled = re.compile(pattern)

    def rule(glosses: list[str]) -> list[str]:
        rewritten = [compiled.sub(replacement, gloss) for gloss in glosses]
        return [gloss for gloss in rewritten if gloss]

    return rule


def drop_markers(glosses: list[str]) -> list[str]:
    """Drop the four markers of things that are no glosses; `__ON__` and `__OFF__` stay."""
    return [gloss for gloss in glosses if gloss not in MARKERS]


def join_wie_aussehen(glosses: list[str]) -> list[str]:
    """`WIE AUSSEHEN` is one sign: `WIE-AUSSEHEN`."""
    joined: list[str] = []
    # Glosses, not text: replacing "WIE AUSSEHEN" in a joined line would also change "SOWIE AUSSEHEN".
    for gloss in glosses:
        if gloss == "AUSSEHEN" and joined and joined[-1] == "WIE":
            joined[-1] = "WIE-AUSSEHEN"
        else:
            joined.append(gloss)
    return joined


def join_letters(glosses: list[str]) -> list[str]:
    """Neighbours that spell (single capitals, `SCH`, `NN`) become one gloss, joined by `+`."""
    joined: list[str] = []
    for is_letter, group in groupby(glosses, key=lambda gloss: bool(_LETTER.fullmatch(gloss))):
        run = list(group)
        joined += ["+".join(run)] if is_letter else run
    return joined


def merge_repeated_words(glosses: list[str]) -> list[str]:
    """A run of equal neighbours made of A-Z alone becomes one gloss."""
    merged: list[str] = []
    for gloss, run in groupby(glosses):
        merged += [gloss] if _WORD.fullmatch(gloss) else list(run)
    return merged


def merge_repeated_glosses(glosses: list[str]) -> list[str]:
    """A run of equal neighbours, whatever they are, becomes one gloss."""
    return [gloss for gloss, _ in groupby(glosses)]


# The order of this table matters: `ZEIGEN-PLUSPLUS` becomes `ZEIGEN`, not `ZEIGEN-BILDSCHIRM`, because the rule of the
# trailing `ZEIGEN` comes before the one that deletes `-PLUSPLUS`, as in the corpus's own script.
GLOSS_RULES: dict[str, Rule] = {
    "delete loc-": _substitute("loc-", ""),
    "delete cl-": _substitute("cl-", ""),
    "delete qu-": _substitute("qu-", ""),
    "delete poss-": _substitute("poss-", ""),
    "delete lh-": _substitute("lh-", ""),
    "S0NNE to SONNE": _substitute("S0NNE", "SONNE"),
    "HABEN2 to HABEN": _substitute("HABEN2", "HABEN"),
    "trailing ZEIGEN to ZEIGEN-BILDSCHIRM": _substitute(r"ZEIGEN\Z", "ZEIGEN-BILDSCHIRM"),
    "delete RAUM after two capitals": _substitute("([A-Z][A-Z])RAUM", r"\1"),
    "delete -PLUSPLUS": _substitute("-PLUSPLUS", ""),
}

RULE_SETS: Mapping[Rules, Mapping[str, Rule]] = {
    "phoenix2014": {**GLOSS_RULES, "drop markers": drop_markers},
    "phoenix2014-sentence": {
        **GLOSS_RULES,
        "join WIE AUSSEHEN": join_wie_aussehen,
        "join letters": join_letters,
        "merge repeated words": merge_repeated_words,
        "drop markers": drop_markers,  # last: a marker keeps its neighbours apart, so `A __EMOTION__ A` stays `A A`
    },
    "phoenix2014-T": {
        # The references of PHOENIX2014-T keep `poss-EUCH`, `HABEN2` and so on, which `phoenix2014` rewrites in the
        # hypothesis alone, so that these glosses could never match. These are the rules of translation systems.
        "drop __X__": _substitute(r"\A__.+__\Z", ""),
        "delete leading loc- and cl-": _substitute(r"\A(?:(?:loc|cl)-)+", ""),
        "delete trailing -PLUSPLUS": _substitute(r"(?:-PLUSPLUS)+\Z", ""),
        "delete RAUM after capitals": _substitute("([A-Z]+)RAUM", r"\1"),
        "join WIE AUSSEHEN": join_wie_aussehen,
        "join letters": join_letters,
        "merge repeated words": merge_repeated_words,
        "merge repeats": merge_repeated_glosses,
    },
    "none": {},
}
"""The rules of each set, in the order in which they are applied. `config.schema.Rules` lists the names."""


def normalise(glosses: Sequence[str], rules: Rules) -> list[str]:
    """Apply a rule set to the glosses of one hypothesis.

    Args:
        glosses: the recognised glosses in order; they stay as they are.
        rules: the name of the rule set, a key of `RULE_SETS`.

    Returns:
        the normalised glosses, in Unicode's form NFC; no rule adds one.

    Raises:
        ValueError: there is no such rule set.
        TypeError: `glosses` is a string.
    """
    if rules not in RULE_SETS:
        raise ValueError(f"unknown normalisation {rules!r}, expected one of: {', '.join(RULE_SETS)}")
    if isinstance(glosses, str):
        raise TypeError(f"expected a sequence of glosses, got the string {glosses!r}")
    result = list(map(to_nfc, glosses))
    for rule in RULE_SETS[rules].values():
        result = rule(result)
    return result

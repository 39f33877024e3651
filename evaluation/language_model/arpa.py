r"""ARPA files: language models as SRILM, KenLM, IRSTLM and others write them, gzipped or not.

    \data\
    ngram 1=4
    ngram 2=3

    \1-grams:
    log10 p <tab> word [<tab> log10 of the backoff weight]
    ...
    \end\
"""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path

from evaluation.language_model.arpa_lines import Lines, open_arpa
from evaluation.language_model.ngram_model import BEGIN, END, LOG_ZERO, UNKNOWN, NgramModel, Ngrams
from utils.errors import ParseError
from utils.files import atomic_path
from utils.text import plural, shorten_text
from utils.unicode import to_nfc

MOST_NGRAMS = 5_000_000
"""More than any model of glosses has, and about as many as a usual machine has memory for."""
DATA, LAST = "\\data\\", "\\end\\"

_COUNT = re.compile(r"ngram[ \t]+([0-9]{1,3})[ \t]*=[ \t]*([0-9]{1,18})")
_OTHER_NAMES = {"<UNK>": UNKNOWN}
"""What the CMU toolkit calls an unknown word."""


def read_arpa(path: str | Path) -> NgramModel:
    r"""Read a model; words in Unicode's form NFC.

    Programs that prune may keep an n-gram without its first n - 1 words, or without its last: these get the probability
    that backing off gives them, and a weight of 1, so that every sentence has the probability that it had without them.

    Args:
        path: an ARPA file, in UTF-8, compressed by gzip or not, whatever its name is.

    Raises:
        ParseError: there is no such file, it is cut short, damaged, too large or no ARPA file, what it announces is not
            what it holds, or a line is wrong (names it).
    """
    with open_arpa(Path(path)) as lines:
        counts = _read_counts(lines)
        ngrams: list[Ngrams] = []
        for length, announced in enumerate(counts, start=1):
            ngrams.append(_read_section(lines, length, announced, ngrams[0] if ngrams else None))
        if lines.text != LAST:
            raise lines.error(f"expected {LAST}, since {DATA} announces n-grams of up to {plural(len(counts), 'word')}")
    if missing := [word for word in (BEGIN, END) if (word,) not in ngrams[0]]:
        raise ParseError(
            f"{path} has no 1-gram {' and no '.join(missing)}: estimate it on sentences with beginning and end"
        )
    model = NgramModel(len(counts), tuple(ngrams))
    _complete(model)
    return model


def _read_counts(lines: Lines) -> list[int]:
    """How many n-grams of each length a file announces; the line after them is read then."""
    while lines.advance() != DATA:
        if not lines.text:
            raise ParseError(f"{lines.path} has no line {DATA}: it is no ARPA file")
        if lines.text == "iARPA":
            raise lines.error("IRSTLM's iARPA, whose numbers mean something else: convert it by compile-lm --text=yes")
    counts: list[int] = []
    while found := _COUNT.fullmatch(lines.advance()):
        length, count = map(int, found.groups())
        if length != len(counts) + 1:
            raise lines.error(f"{lines.quote()} where ngram {len(counts) + 1}=... was expected")
        counts.append(count)
        if sum(counts) > MOST_NGRAMS:
            raise lines.error(
                f"{sum(counts):,} n-grams are announced, more than the {MOST_NGRAMS:,} that are read: prune the model"
            )
    if not counts:
        raise lines.error(f"{lines.quote()} where ngram 1=... was expected")
    return counts


def _read_section(lines: Lines, length: int, announced: int, words: Ngrams | None) -> Ngrams:
    """The n-grams of a length; the line after them is read then.

    Args:
        lines: the file, at the section's first line.
        length: the number of words of its n-grams.
        announced: how many there should be.
        words: the 1-grams; None where these are read.
    """
    ngrams: Ngrams = {}
    if lines.text != (title := f"\\{length}-grams:"):
        if announced == 0:  # some programs leave a section out that has nothing in it
            return ngrams
        raise lines.error(f"{lines.quote()} where {title} was expected, since {announced:,} are announced")
    spelt = dict(_OTHER_NAMES)
    while lines.advance() and not lines.text.startswith("\\"):
        fields = [field for field in lines.text.replace("\t", " ").split(" ") if field]
        if not 1 <= len(fields) - length <= 2:
            raise lines.error(
                f"{shorten_text(lines.quote())} is no {length}-gram: expected log10 p, {plural(length, 'word')} and "
                "perhaps a backoff weight"
            )
        ngram = tuple(spelt.get(word) or spelt.setdefault(word, to_nfc(word)) for word in fields[1 : length + 1])
        if ngram in ngrams:
            raise lines.error(f"the {length}-gram {shorten_text(' '.join(ngram))!r} is listed a second time")
        if words is not None and (unknown := [word for word in ngram if (word,) not in words]):
            raise lines.error(f"{shorten_text(unknown[0])!r} is not among the 1-grams")
        ngrams[ngram] = (_parse_log_p(fields[0], lines), _parse_weight(fields[length + 1 :], lines))
        if len(ngrams) > announced:
            raise lines.error(f"more {length}-grams than the {announced:,} that are announced")
    if len(ngrams) < announced:
        raise lines.error(f"{len(ngrams):,} of the {announced:,} {length}-grams that are announced")
    return ngrams


def _parse_log_p(text: str, lines: Lines) -> float:
    value = _parse_number(text, lines)
    if not value <= 0:
        raise lines.error(f"log10 p is {text}, so that p is {'no number' if math.isnan(value) else 'above 1'}")
    return max(value, LOG_ZERO)


def _parse_weight(texts: list[str], lines: Lines) -> float:
    """The logarithm of a backoff weight, 0.0 if there is none; it may be above 0."""
    value = _parse_number(texts[0], lines) if texts else 0.0
    if not value <= -LOG_ZERO:
        raise lines.error(f"the backoff weight is {texts[0]}, expected the logarithm of a number")
    return max(value, LOG_ZERO)


def _parse_number(text: str, lines: Lines) -> float:
    try:
        return float("x" if "_" in text else text)  # Python would read 1_0
    except ValueError:
        raise lines.error(f"{shorten_text(text)!r} is no number") from None


def _complete(model: NgramModel) -> None:
    """List the parts of n-grams that the file leaves out, as `read_arpa` has it."""
    for longer, shorter in zip(model.ngrams[:1:-1], model.ngrams[-2:0:-1], strict=True):
        for ngram in longer:
            for part in (ngram[:-1], ngram[1:]):
                if part not in shorter:
                    shorter[part] = (model.score_word(part[:-1], part[-1]), 0.0)


def write_arpa(model: NgramModel, path: str | Path) -> None:
    """Write a model, whole or not at all; compressed if the name ends in `.gz`."""
    lines = ["", DATA, *(f"ngram {length}={len(ngrams)}" for length, ngrams in enumerate(model.ngrams, start=1))]
    for length, ngrams in enumerate(model.ngrams, start=1):
        lines += ["", f"\\{length}-grams:"]
        for ngram, (log_p, log_weight) in ngrams.items():
            weight = f"\t{log_weight:.9g}" if log_weight else ""
            lines.append(f"{log_p:.9g}\t{' '.join(ngram)}{weight}")
    data = "\n".join([*lines, "", LAST, ""]).encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(data, mtime=0) if Path(path).suffix == ".gz" else data)

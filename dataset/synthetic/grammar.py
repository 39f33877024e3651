"""The small grammar of the built-in corpus: sentences as sequences of glosses."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from dataset.synthetic.lexicon import Sign

Sentence = tuple[str, ...]

# Topic, comment and place change places as they do in signing, so that position alone says little about the gloss.
PATTERNS: tuple[tuple[str, ...], ...] = (
    ("weather", "state"),
    ("region", "weather"),
    ("time", "state"),
    ("state", "region"),
    ("time", "region", "weather"),
    ("weather", "region", "state"),
    ("region", "time", "state"),
    ("time", "weather", "state"),
    ("state", "weather", "time"),
    ("region", "state", "weather"),
    ("number", "weather", "region"),
    ("time", "number", "state"),
    ("time", "region", "weather", "state"),
    ("region", "weather", "time", "state"),
    ("weather", "state", "region", "time"),
    ("region", "weather", "region", "weather"),
    ("time", "weather", "weather", "region"),
    ("state", "time", "weather", "region"),
    ("weather", "number", "time", "region"),
    ("region", "number", "state", "time"),
    ("time", "region", "weather", "region", "state"),
    ("region", "state", "time", "weather", "state"),
    ("weather", "time", "state", "region", "weather"),
    ("time", "state", "time", "state", "region"),
    ("number", "region", "state", "weather", "time"),
)
LENGTHS = {2: 0.14, 3: 0.35, 4: 0.33, 5: 0.18}  # how often a pattern has so many glosses
REPEAT_RATE = 0.06  # sentences with one gloss twice in a row, which CTC can only read with a blank between
HELD_OUT = 0.2  # the share of all sentences that train never sees
CANDIDATES = 12  # sentences among which the one with the rarest glosses is taken
ATTEMPTS = 2_000  # tries to find them, before a pattern counts as one without sentences in this split


def is_held_out(sentence: Sentence, seed: int) -> bool:
    """Whether a sentence belongs to dev and test (True) or to train (False).

    A checksum decides, not a draw: so each split can be made without the others, and none shares a sentence with train.
    """
    return zlib.crc32(f"{seed} {' '.join(sentence)}".encode()) / 2**32 < HELD_OUT


def draw_sentences(signs: Sequence[Sign], count: int, held_out: bool, seed: int, stream: int) -> list[Sentence]:
    """Draw sentences of 2 to 5 glosses in which every gloss is about equally frequent.

    About 6 % hold one gloss twice in a row.

    Args:
        signs: the lexicon.
        count: the number of sentences.
        held_out: whether they are of dev or test; for one `seed`, no sentence of train is ever among them.
        seed: the seed of the corpus.
        stream: the number of the split, which separates the splits' random numbers.

    Raises:
        ValueError: a small lexicon and this seed leave a split without any sentence.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, stream]))
    lexicon: dict[str, list[str]] = {}
    for sign in signs:
        lexicon.setdefault(sign.word_class, []).append(sign.gloss)
    patterns = [p for p in PATTERNS if all(len(lexicon.get(c, ())) >= n for c, n in Counter(p).items())]
    longest = max(map(len, patterns))
    # Repetitions are spread evenly, not drawn, so that a small corpus has some too; the phase says where they begin.
    phase = rng.uniform(0.3, 0.9)
    seen: Counter[str] = Counter()
    sentences = []
    for index in range(count):
        repeat = int((index + 1) * REPEAT_RATE + phase) > int(index * REPEAT_RATE + phase)
        length = int(rng.choice(list(LENGTHS), p=list(LENGTHS.values())))
        length = min(length, longest - repeat)
        fresh: list[Sentence] = []
        for other in sorted({len(p) for p in patterns}, key=lambda n: abs(n - length)):
            # A small lexicon may have no sentence of the wanted length in this part of the language.
            usable = [p for p in patterns if len(p) == other]
            fresh = fresh or _draw_candidates(rng, usable, lexicon, repeat, held_out, seed)
        if not fresh and repeat:
            fresh = _draw_candidates(rng, patterns, lexicon, False, held_out, seed)
        if not fresh:
            raise ValueError(f"seed = {seed}: {len(signs)} glosses give a split no sentence; choose another seed")
        # The candidate whose glosses are the rarest so far keeps the frequencies level.
        best = min(fresh, key=lambda sentence: sum(seen[g] for g in sentence) / len(sentence))
        seen.update(best)
        sentences.append(best)
    return sentences


def _draw_candidates(
    rng: np.random.Generator,
    patterns: Sequence[tuple[str, ...]],
    lexicon: dict[str, list[str]],
    repeat: bool,
    held_out: bool,
    seed: int,
) -> list[Sentence]:
    found: list[Sentence] = []
    for _ in range(ATTEMPTS):
        sentence = _fill(rng, patterns[int(rng.integers(len(patterns)))], lexicon)
        if repeat:
            place = int(rng.integers(len(sentence)))
            sentence = (*sentence[: place + 1], *sentence[place:])
        if is_held_out(sentence, seed) == held_out:
            found.append(sentence)
            if len(found) == CANDIDATES:
                return found
    return found


def _fill(rng: np.random.Generator, pattern: Sequence[str], lexicon: dict[str, list[str]]) -> Sentence:
    chosen: dict[str, list[str]] = {c: list(rng.permutation(lexicon[c])) for c in sorted(set(pattern))}
    return tuple(str(chosen[word_class].pop()) for word_class in pattern)

"""Dividing a corpus that comes without splits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from dataset.manifest import SPLITS
from preprocess.corpora.corpus import PreparationError, Recording

HELD_OUT = 0.1  # share of the clips, for dev and for test each
LARGEST_SIGNER = 0.2  # share of the clips: a signer with more stays in train, which would lose too much
FEWEST_SIGNERS = 5  # with fewer, too few would be left in train


def draw_split(recordings: Sequence[Recording], seed: int) -> tuple[dict[str, str], str]:
    """Divide recordings into train, dev and test, whatever their order.

    With at least five signers whole signers go to dev and to test, so that these measure signers never seen. With
    fewer, clips do, and every signer stays in train too.

    Returns:
        the split of each recording by id, and a sentence that says what was done.

    Raises:
        PreparationError: there are too few clips.
    """
    rng = random.Random(seed)
    ordered = sorted(recordings, key=lambda entry: entry.id)  # a table that is sorted anew keeps its split
    signers = _hold_out_signers(ordered, rng)
    if signers:
        chosen = {entry.id: signers.get(entry.signer, "train") for entry in ordered}
        names = {split: [name for name, place in sorted(signers.items()) if place == split] for split in SPLITS[1:]}
        how = f"by signer (dev: {', '.join(names['dev'])}; test: {', '.join(names['test'])}; all others in train)"
    else:
        chosen = _hold_out_clips(ordered, rng)
        how = "by clip, every signer being in train: dev and test do not tell how well unknown signers are read"
    counts = Counter(chosen.values())
    amounts = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    return chosen, f"the CSV gives no split; drawn with seed {seed}: {amounts}, {how}"


def _hold_out_signers(recordings: Sequence[Recording], rng: random.Random) -> dict[str, str]:
    """Choose signers for dev and test.

    Returns:
        the split of each chosen signer; empty if there are too few, or too few that have a small share of the clips.
    """
    clips = Counter(entry.signer for entry in recordings)
    if len(clips) < FEWEST_SIGNERS:
        return {}
    small = sorted(signer for signer, count in clips.items() if count <= LARGEST_SIGNER * len(recordings))
    rng.shuffle(small)
    chosen: dict[str, str] = {}
    for split in SPLITS[1:]:
        held = 0
        while small and held < HELD_OUT * len(recordings):
            signer = small.pop()
            chosen[signer] = split
            held += clips[signer]
    return chosen if set(chosen.values()) == set(SPLITS[1:]) else {}


def _hold_out_clips(recordings: Sequence[Recording], rng: random.Random) -> dict[str, str]:
    """Choose clips for dev and test; returns the split of each clip by id."""
    shuffled = list(recordings)
    rng.shuffle(shuffled)
    kept = {entry.signer: entry.id for entry in shuffled}  # one clip of each signer, for train
    free = [entry.id for entry in shuffled if entry.id != kept[entry.signer]]
    size = max(1, round(HELD_OUT * len(recordings)))
    if len(free) < 2 * size:
        raise PreparationError(
            f"{len(recordings)} clips of {len(kept)} signers are too few to divide: every signer must be in train, and "
            f"{size} clips each in dev and test; add clips, or give every row of the CSV a split"
        )
    chosen = {entry.id: "train" for entry in recordings}
    return chosen | dict.fromkeys(free[:size], "dev") | dict.fromkeys(free[size : 2 * size], "test")

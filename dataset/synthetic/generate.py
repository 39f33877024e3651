"""The built-in corpus: rendered continuous signing in the tree of a public corpus.

`python -m dataset.synthetic --layout phoenix2014 --out DIR` writes PNG frames and annotations exactly as PHOENIX2014
has them, so that the ordinary preparation reads them. Same arguments, same bytes (with the same NumPy and OpenCV).
Beside them lies what no real corpus has: when exactly each gloss is signed (`BOUNDARIES`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dataset.manifest import SPLITS
from dataset.rendered import BOUNDARIES
from dataset.synthetic.grammar import draw_sentences
from dataset.synthetic.layout import Layout, SyntheticClip
from dataset.synthetic.layouts import LAYOUTS
from dataset.synthetic.lexicon import MAX_GLOSSES, MIN_GLOSSES, take_signs
from dataset.synthetic.motion import FPS, Motion, plan_motion
from dataset.synthetic.render import HEIGHT, WIDTH, Renderer
from dataset.synthetic.resting import add_rest
from dataset.synthetic.signers import SIGNERS, TEST_ONLY_SIGNER, draw_conditions
from utils.arguments import MOST_SEED, MOST_WORKERS, named_path, number, whole_number
from utils.errors import InputError
from utils.files import write_json
from utils.progress import show_progress
from utils.text import plural
from utils.workers import available_cores, map_in_workers

MOST_SENTENCES = 100_000
UNSEEN_EVERY = 3
"""Every third sentence of test is signed by the signer whom train never shows: enough for a WER of that signer alone,
while most of the test still measures known signers."""

REST = (0.4, 4.4)
"""The shortest and the longest rest in a clip of train, in seconds: some are long enough to walk out and in again."""

NUMBERS = ("glosses", *SPLITS)
"""The options whose usual values depend on the layout, in the order of `Layout.usual`."""


def plan_corpus(glosses: int, counts: Sequence[int], seed: int, rests: float = 0.0) -> list[SyntheticClip]:
    """Plan who signs what.

    Args:
        glosses: the number of signs, which are the first of the lexicon.
        counts: the numbers of clips in train, dev and test.
        seed: the seed of the corpus.
        rests: the share of the clips of train in which the signer rests too, before the sentence or after it.

    Raises:
        ValueError: the lexicon has not so many signs, or they are too few for a grammar.
    """
    clips: list[SyntheticClip] = []
    for stream, (split, count) in enumerate(zip(SPLITS, counts, strict=True)):
        sentences = draw_sentences(take_signs(glosses), count, split != "train", seed, stream)
        signers = _assign_signers(split, count, np.random.default_rng([seed, stream, 1]))
        places = _draw_rests(count, rests if split == "train" else 0.0, np.random.default_rng([seed, stream, 3]))
        for index, (sentence, signer, rest) in enumerate(zip(sentences, signers, places, strict=True)):
            clips.append(SyntheticClip(split, index, len(clips), signer, sentence, rest))
    return clips


def plan_clip(clip: SyntheticClip, seed: int) -> tuple[Motion, np.random.Generator]:
    """Plan the movement in a clip.

    Returns:
        the movement, and the random numbers that go on with the rest of the clip.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, SPLITS.index(clip.split), clip.index, 2]))
    motion = plan_motion(clip.sentence, SIGNERS[clip.signer], rng)
    if clip.rest:
        motion = add_rest(motion, clip.rest == "before", round(FPS * rng.uniform(*REST)), SIGNERS[clip.signer], rng)
    return motion, rng


def render_clip(clip: SyntheticClip, seed: int) -> Iterable[np.ndarray]:
    """Render the frames of a clip, one after another: (260, 210, 3) uint8 RGB."""
    motion, rng = plan_clip(clip, seed)
    renderer = Renderer(SIGNERS[clip.signer], draw_conditions(rng, HEIGHT, WIDTH), rng)
    for hands, face in zip(motion.hands, motion.face, strict=True):
        yield renderer.render_frame(hands, face)


def find_gloss_boundaries(clips: Sequence[SyntheticClip], layout: Layout, seed: int) -> dict[str, Any]:
    """Find when each gloss is signed: what `BOUNDARIES` holds for the clips of a corpus."""
    ids = layout.map_ids(clips)
    strokes: dict[str, dict[str, list]] = {split: {} for split in layout.splits}
    for clip in clips:
        spans = plan_clip(clip, seed)[0].strokes
        glosses = layout.translate_label(clip)
        strokes[clip.split][ids[clip]] = [[gloss, *span] for gloss, span in zip(glosses, spans, strict=True)]
    return {"frame_rate": FPS, "clips": strokes}


def generate(
    layout: str,
    out: str | Path,
    glosses: int = MAX_GLOSSES,
    train: int = 400,
    dev: int = 40,
    test: int = 60,
    seed: int = 0,
    workers: int | None = None,
    rests: float = 0.0,
) -> dict[SyntheticClip, int]:
    """Write a corpus of rendered clips. Each has its own random numbers, so the bytes do not depend on `workers`.

    Args:
        layout: a key of `LAYOUTS`, the corpus whose tree is written.
        out: a new or empty folder.
        glosses: the number of signs.
        train, dev, test: the numbers of sentences.
        seed: the seed of everything that is drawn.
        workers: the number of processes; one a core if it is None.
        rests: as for `plan_corpus`.

    Returns:
        the clips with their numbers of frames.

    Raises:
        ValueError: an argument out of its range.
        FileExistsError: `out` is there and not an empty folder.
        InputError: a worker process was killed.
    """
    workers = available_cores() if workers is None else workers
    _check_arguments(layout, train, dev, test, seed, workers, rests)
    root = Path(out)
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise FileExistsError(f"{root} exists and is not an empty folder; nothing was changed: name a new folder")
    chosen = LAYOUTS[layout]
    clips = [clip for clip in plan_corpus(glosses, (train, dev, test), seed, rests) if clip.split in chosen.splits]
    root.mkdir(parents=True, exist_ok=True)
    lengths = dict(zip(clips, _write_clips(clips, chosen, root, seed, workers), strict=True))
    chosen.write_annotations(root, lengths)
    chosen.write_extras(root, lengths)
    write_json(root / BOUNDARIES, find_gloss_boundaries(clips, chosen, seed))
    return lengths


def _check_arguments(
    layout: str, train: int, dev: int, test: int, seed: int, workers: int, rests: float
) -> None:  # fmt: skip
    if layout not in LAYOUTS:
        raise ValueError(f"layout = {layout!r}: must be one of {', '.join(LAYOUTS)}")
    for name, value, least in (("train", train, 1), ("dev", dev, 0), ("test", test, 0), ("seed", seed, 0),
                               ("workers", workers, 1)):  # fmt: skip
        if value < least:
            raise ValueError(f"{name} = {value}: must be {least} or more")
    if not 0 <= rests <= 1:
        raise ValueError(f"rests = {rests}: must be from 0 to 1, a share of the sentences of train")


def _assign_signers(split: str, count: int, rng: np.random.Generator) -> list[int]:
    """Choose an index into `SIGNERS` for each clip, about equally often.

    The first of train is always Signer04: the wrong row in the CSL-Daily layout means a clip of that signer.
    """
    known = [i for i, signer in enumerate(SIGNERS) if signer.name != TEST_ONLY_SIGNER]
    order = [int(i) for _ in range(0, count, len(known)) for i in rng.permutation(known)][:count]
    if split == "train" and count:
        first = next((place for place, i in enumerate(order) if i == 3), 0)
        order[0], order[first] = 3, order[0]
    if split == "test":
        unseen = next(i for i, signer in enumerate(SIGNERS) if signer.name == TEST_ONLY_SIGNER)
        order = [unseen if place % UNSEEN_EVERY == UNSEEN_EVERY - 1 else i for place, i in enumerate(order)]
    return order


def _draw_rests(count: int, share: float, rng: np.random.Generator) -> list[str]:
    """Choose when the signer of each clip rests: in this share of them, as often before as after the sentence."""
    resting, before = rng.random((2, count))
    return [("before" if b < 0.5 else "after") if r < share else "" for r, b in zip(resting, before, strict=True)]


def _write_clips(clips: Sequence[SyntheticClip], layout: Layout, root: Path, seed: int, workers: int) -> list[int]:
    write = partial(_write_clip, layout=layout, root=root, seed=seed)
    killed = InputError(
        "a worker process was killed, most likely because memory ran out: remove the folder, which is incomplete, and "
        "try again with fewer --workers"
    )
    written = map_in_workers(write, clips, workers, killed)
    return list(show_progress(written, len(clips), "rendering", "clip"))


def _write_clip(clip: SyntheticClip, layout: Layout, root: Path, seed: int) -> int:
    return layout.write_clip(root, clip, render_clip(clip, seed))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of the generator."""
    parser = argparse.ArgumentParser(prog="python -m dataset.synthetic", description="Write the built-in corpus.")
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="phoenix2014", help="whose tree to write")
    parser.add_argument(
        "--out", type=named_path, required=True, help="a new or empty folder; it plays the corpus' root"
    )
    signs, count = whole_number(MIN_GLOSSES, MAX_GLOSSES), whole_number(0, MOST_SENTENCES)
    workers, seed = whole_number(1, MOST_WORKERS), whole_number(0, MOST_SEED)
    for place, name in enumerate(NUMBERS):
        public, own = (LAYOUTS[layout].usual[place] for layout in ("phoenix2014", "custom"))
        what, kind = ("size of the lexicon", signs) if name == "glosses" else (f"sentences of {name}", count)
        parser.add_argument(f"--{name}", type=kind, help=f"{what} (default {public}; of custom {own})")
    rests = "share of the sentences of train before or after which the signer rests (default 0)"
    parser.add_argument("--rests", type=number(0, 1), default=0.0, metavar="SHARE", help=rests)
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--workers", type=workers, default=None, help="processes (default: one a core)")
    args = parser.parse_args(argv)
    for place, name in enumerate(NUMBERS):
        if getattr(args, name) is None:
            setattr(args, name, LAYOUTS[args.layout].usual[place])
    return args


def main(args: argparse.Namespace) -> None:
    """Write the corpus and say what was written."""
    lengths = generate(
        args.layout, args.out, args.glosses, args.train, args.dev, args.test, args.seed, args.workers, args.rests
    )
    for split in LAYOUTS[args.layout].splits:
        frames = [length for clip, length in lengths.items() if clip.split == split]
        print(f"{split}: {plural(len(frames), 'sentence')}, {plural(sum(frames), 'frame')}")
    print(f"{args.layout} layout in {args.out}")

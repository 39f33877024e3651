"""One signer who signs several sentences and rests between them: what a camera sees, and no clip of a corpus shows.

`python -m dataset.synthetic.recording --out FILE.mp4` writes the video and beside it, as `FILE.json`, when each gloss
is signed and what the signer does between the sentences. Same arguments, same frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dataset.synthetic.grammar import Sentence, draw_sentences
from dataset.synthetic.layout import PNG
from dataset.synthetic.lexicon import MAX_GLOSSES, MIN_GLOSSES, take_signs
from dataset.synthetic.motion import FPS, Motion, plan_motion
from dataset.synthetic.render import HEIGHT, WIDTH, Renderer
from dataset.synthetic.resting import RESTS, plan_face, plan_rest
from dataset.synthetic.signers import SIGNERS, draw_conditions
from dataset.write_video import check_video_name, write_video
from utils.arguments import MOST_SEED, named_path, whole_number
from utils.errors import InputError
from utils.files import write_json
from utils.output import run_command
from utils.text import plural

MOST_SENTENCES = 1000
LONGEST_REST = 600.0  # seconds
STREAM = 3
"""The number of the random numbers of sentences, after those of train, dev and test."""


@dataclass(frozen=True)
class Recording:
    """A signer of T frames who signs and rests. Frames are given as the first and the one after the last.

    Attributes:
        motion: how the signer moves; its strokes are those of all glosses.
        signer: an index into `SIGNERS`.
        glosses: what is signed, in the order of the strokes.
        sentences: the frames of each sentence, with the way from rest and back.
        rests: the frames of each rest with its kind, a key of `RESTS`.
        seed: the seed of what is drawn.
    """

    motion: Motion
    signer: int
    glosses: tuple[str, ...]
    sentences: tuple[tuple[int, int], ...]
    rests: tuple[tuple[str, int, int], ...]
    seed: int

    def __len__(self) -> int:
        return len(self.motion.hands)

    def describe(self) -> dict[str, object]:
        """What stands in the file beside the video."""
        strokes = zip(self.glosses, self.motion.strokes, strict=True)
        return {
            "frame_rate": FPS,
            "frames": len(self),
            "signer": SIGNERS[self.signer].name,
            "glosses": [[gloss, *span] for gloss, span in strokes],
            "sentences": [list(span) for span in self.sentences],
            "rests": [list(rest) for rest in self.rests],
        }


def plan_recording(
    sentences: Sequence[Sentence], rest: tuple[float, float], signer: int, seed: int, kinds: Sequence[str] = ()
) -> Recording:
    """Plan a recording: a rest, then each sentence with a rest after it.

    Args:
        sentences: the glosses of each sentence; none for a signer who only rests.
        rest: the shortest and the longest rest, in seconds.
        signer: an index into `SIGNERS`.
        seed: the seed of what is drawn.
        kinds: what the signer does in the rests, keys of `RESTS`, over and over; all of them in an order that is
            drawn if there are none.

    Raises:
        ValueError: a rest is not positive, too long, or the longest is shorter than the shortest.
    """
    if not 0 < rest[0] <= rest[1] <= LONGEST_REST:
        raise ValueError(f"rests of {rest[0]:g} to {rest[1]:g} seconds: they last from above 0 to {LONGEST_REST:g}")
    rng = np.random.default_rng(np.random.SeedSequence([seed, STREAM, signer]))
    order = tuple(kinds) or tuple(map(str, rng.permutation(sorted(RESTS))))
    motions = [plan_motion(sentence, SIGNERS[signer], rng) for sentence in sentences]
    # Between two sentences a signer comes slowly from the posture after the one to that before the other.
    after = [motion.hands[-1] for motion in motions]
    before = [motion.hands[0] for motion in motions]
    if not motions:
        after = before = [plan_motion(("MORGEN",), SIGNERS[signer], rng).hands[0]]
    pieces, sways, spans, rests, strokes, at = [], [], [], [], [], 0
    for number in range(len(motions) + 1):
        kind, frames = order[number % len(order)], max(1, round(FPS * rng.uniform(*rest)))
        start, end = after[max(number - 1, 0)], before[min(number, len(before) - 1)]
        hands, sway = plan_rest(kind, start if number else end, end, frames, SIGNERS[signer], rng)
        pieces.append(hands)
        sways.append(sway)
        rests.append((kind, at, at + frames))
        at += frames
        if number < len(motions):
            motion = motions[number]
            pieces.append(motion.hands)
            sways.append(np.zeros(len(motion.hands)))
            strokes += [(at + first, at + last) for first, last in motion.strokes]
            spans.append((at, at + len(motion.hands)))
            at += len(motion.hands)
    face = plan_face(at, spans, rng)
    face[:, 0] += np.concatenate(sways)
    glosses = tuple(gloss for sentence in sentences for gloss in sentence)
    motion = Motion(np.concatenate(pieces), face, tuple(strokes))
    return Recording(motion, signer, glosses, tuple(spans), tuple(rests), seed)


def render_recording(recording: Recording) -> Iterator[np.ndarray]:
    """Render the frames of a recording, one after another: (260, 210, 3) uint8 RGB."""
    rng = np.random.default_rng(np.random.SeedSequence([recording.seed, STREAM, recording.signer, 1]))
    renderer = Renderer(SIGNERS[recording.signer], draw_conditions(rng, HEIGHT, WIDTH), rng)
    for hands, face in zip(recording.motion.hands, recording.motion.face, strict=True):
        yield renderer.render_frame(hands, face)


def draw_recording(
    sentences: int,
    rest: tuple[float, float],
    signer: int,
    seed: int,
    glosses: int = 12,
    kinds: Sequence[str] = (),
) -> Recording:
    """Plan a recording of sentences that no training on the built-in corpus of this seed has seen.

    Args:
        sentences: their number.
        rest, signer, seed, kinds: as for `plan_recording`.
        glosses: the number of signs, which are the first of the lexicon.

    Raises:
        ValueError: as for `plan_recording`, or there is no lexicon of this size.
    """
    drawn = draw_sentences(take_signs(glosses), sentences, True, seed, STREAM) if sentences else []
    return plan_recording(drawn, rest, signer, seed, kinds)


def write_recording(recording: Recording, path: Path) -> Path:
    """Write a recording, as a video or as a folder of PNG images, and its description beside it.

    Returns:
        the file of the description.

    Raises:
        InputError: the file cannot be written, or the folder is there and not empty.
    """
    described = path.with_name(f"{path.stem if path.suffix else path.name}.json")
    if path.suffix:
        write_video(path, render_recording(recording), np.arange(len(recording) + 1) / FPS)
    else:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise InputError(f"{path} exists and is not an empty folder; nothing was changed: name a new folder")
        path.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(render_recording(recording)):
            encoded = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), PNG)[1]
            (path / f"{number:06d}.png").write_bytes(encoded.tobytes())
    write_json(described, recording.describe())
    return described


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dataset.synthetic.recording", description="Write a recording of a signer who rests."
    )
    parser.add_argument("--out", type=named_path, required=True, help="a video (.mp4, .webm) or a new folder of images")
    parser.add_argument("--sentences", type=whole_number(0, MOST_SENTENCES), default=6, help="default %(default)s")
    parser.add_argument(
        "--rest", type=float, nargs=2, default=(3.0, 6.0), metavar=("A", "B"), help="seconds of a rest (default 3 6)"
    )
    parser.add_argument("--kinds", nargs="+", choices=tuple(RESTS), default=(), help="what rests are; default all")
    signer = whole_number(1, len(SIGNERS))
    parser.add_argument("--signer", type=signer, default=1, help=f"who signs, 1 to {len(SIGNERS)}")
    glosses = whole_number(MIN_GLOSSES, MAX_GLOSSES)
    parser.add_argument("--glosses", type=glosses, default=12, help="size of the lexicon (default %(default)s)")
    parser.add_argument("--seed", type=whole_number(0, MOST_SEED), default=0)
    args = parser.parse_args(argv)
    if not 0 < args.rest[0] <= args.rest[1] <= LONGEST_REST:
        parser.error(f"argument --rest: from above 0 to {LONGEST_REST:g} seconds, the shortest first")
    return args


def main(args: argparse.Namespace) -> None:
    """Write the recording and say what was written."""
    if args.out.suffix:
        check_video_name(args.out)
    recording = draw_recording(args.sentences, tuple(args.rest), args.signer - 1, args.seed, args.glosses, args.kinds)
    described = write_recording(recording, args.out)
    seconds = len(recording) / FPS
    print(
        f"{args.out}: {seconds:.0f} s, {plural(len(recording.glosses), 'gloss', 'glosses')} in "
        f"{plural(args.sentences, 'sentence')}; boundaries in {described}"
    )


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

"""Measure what is read while nobody signs: python -m benchmarks.silence --model_path work_dir/quickstart/best.pt

Signers of the built-in corpus sign sentences with rests between them, as `dataset.synthetic.recording` renders them.
Each recording is read live, with and without the rule that leaves out glosses where nothing moves, offline in windows,
and sentence by sentence, without the rests. Glosses that lie in a rest as a whole are false.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.live_recording import PlayedVideo, read_at_once
from dataset.crop import crop_and_resize
from dataset.synthetic.motion import FPS
from dataset.synthetic.recording import Recording, draw_recording, render_recording
from dataset.synthetic.resting import RESTS
from dataset.synthetic.signers import SIGNERS
from evaluation.ctm import CtmWord
from evaluation.inference.live import LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from evaluation.inference.windows import find_centre, find_end
from evaluation.wer import align_glosses
from utils.arguments import MOST_SEED, whole_number
from utils.output import run_command
from utils.table import format_table


def keep(frames: np.ndarray) -> np.ndarray:
    """Leave the pictures as they are rendered."""
    return frames


def add_noise(frames: np.ndarray) -> np.ndarray:
    """Add the noise of a bad camera to frames (T, H, W, 3)."""
    draw = np.random.default_rng(0)
    return np.stack([np.clip(frame + draw.normal(0, 12, frame.shape), 0, 255).astype(np.uint8) for frame in frames])


def change_light(frames: np.ndarray) -> np.ndarray:
    """Let the light become a quarter brighter and darker every eight seconds in frames (T, H, W, 3)."""
    light = 1 + 0.25 * np.sin(2 * np.pi * np.arange(len(frames)) / (8 * FPS))
    return np.stack([np.clip(frame * gain, 0, 255).astype(np.uint8) for frame, gain in zip(frames, light, strict=True)])


PICTURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"clean": keep, "noise": add_noise, "light": change_light}


def read_offline(recogniser: Recogniser, frames: np.ndarray) -> Sequence[CtmWord]:
    """Read frames (T, H, W, 3) as a video file is read."""
    name = "recording"
    video = PlayedVideo(Path(name), np.arange(len(frames) + 1) / FPS, FPS, pictures=tuple(frames))
    return transcribe(recogniser, video, Reading(), name).words


def read_sentences(recogniser: Recogniser, frames: np.ndarray, recording: Recording) -> list[CtmWord]:
    """Read each sentence of frames (T, H, W, 3) alone, as a clip of a corpus."""
    return [
        word._replace(start=word.start + first / FPS)
        for first, end in recording.sentences
        for word in recogniser.recognise(frames[first:end]).words
    ]


def count(recording: Recording, words: Iterable[CtmWord]) -> Counter[str]:
    """Count what was read: false glosses by the kind of the rest, and C, S, D and I of the sentences.

    A gloss that reaches into a sentence is that sentence's, since the network often ends the last gloss too late; of
    two it is that one's in which more of it lies. Only what lies in a rest as a whole is false.
    """
    of_rests: list[float] = []
    of_sentences: list[list[str]] = [[] for _ in recording.sentences]
    for word in words:
        begin, end = word.start * FPS, find_end(word) * FPS
        shared = [min(end, last) - max(begin, first) for first, last in recording.sentences]
        if max(shared, default=0.0) > 0:
            of_sentences[int(np.argmax(shared))].append(word.gloss)
        else:
            of_rests.append(find_centre(word) * FPS)
    found: Counter[str] = Counter()
    for kind, first, last in recording.rests:
        found[kind] += sum(first <= place < last for place in of_rests)
    signed = list(zip(recording.glosses, recording.motion.strokes, strict=True))
    for read, (first, last) in zip(of_sentences, recording.sentences, strict=True):
        reference = [gloss for gloss, (start, _) in signed if first <= start < last]
        found.update(operation for operation, _, _ in align_glosses(reference, read))
    return found


def describe(name: str, found: Counter[str], minutes: Mapping[str, float]) -> list[str]:
    """A row of the table: false glosses a minute of each kind of rest and of all, errors of the sentences."""
    rates = [f"{found[kind] / minutes[kind]:.1f}" if minutes[kind] else "-" for kind in RESTS]
    total = sum(found[kind] for kind in RESTS) / max(sum(minutes.values()), 1e-9)
    signed = found["C"] + found["S"] + found["D"]
    errors = found["S"] + found["D"] + found["I"]
    return [name, *rates, f"{total:.1f}", *(str(found[key]) for key in "SDI"), f"{100 * errors / max(signed, 1):.1f} %"]


def main(args: argparse.Namespace) -> None:
    """Measure and print a table for each kind of pictures."""
    recogniser = Recogniser.from_checkpoint(args.model_path, "cpu")
    settings = LiveSettings(args.window, args.hop, args.lookahead)
    side = recogniser.frame_size
    for name in args.pictures:
        counts: dict[str, Counter[str]] = {}
        minutes: dict[str, float] = dict.fromkeys(RESTS, 0.0)
        for signer in args.signers:
            recording = draw_recording(args.sentences, (3.0, 7.0), signer - 1, args.seed, args.glosses)
            rendered = PICTURES[name](np.stack(list(render_recording(recording))))
            frames = np.stack([crop_and_resize(frame, side) for frame in rendered])
            for kind, first, end in recording.rests:
                minutes[kind] += (end - first) / FPS / 60
            readings = {
                "live, all glosses": read_at_once(LiveRecogniser(recogniser, settings, drop_still=False), frames, FPS),
                "live": read_at_once(LiveRecogniser(recogniser, settings), frames, FPS),
                "offline, windows": read_offline(recogniser, frames),
                "sentences alone": read_sentences(recogniser, frames, recording),
            }
            for reading, words in readings.items():
                counts.setdefault(reading, Counter()).update(count(recording, words))
        print(f"{name}: {sum(minutes.values()):.1f} minutes of rests")
        header = [f"{name}: false glosses a minute", *RESTS, "all", "S", "D", "I", "WER"]
        print(format_table(header, [describe(reading, found, minutes) for reading, found in counts.items()]))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_path", "--model-path", type=Path, required=True, help="a checkpoint of this project")
    who = whole_number(1, len(SIGNERS))
    everybody = tuple(range(1, len(SIGNERS) + 1))
    parser.add_argument("--signers", type=who, nargs="+", default=everybody, help="who signs (default: all)")
    parser.add_argument("--sentences", type=whole_number(1, 100), default=6, help="a signer (default %(default)s)")
    parser.add_argument("--glosses", type=whole_number(5, 36), default=12, help="as trained (default %(default)s)")
    parser.add_argument("--pictures", nargs="+", choices=tuple(PICTURES), default=tuple(PICTURES))
    parser.add_argument("--seed", type=whole_number(0, MOST_SEED), default=0)
    slots = whole_number(1, 10_000)
    for name, usual in (("window", 100), ("hop", 8), ("lookahead", 16)):
        parser.add_argument(f"--{name}", type=slots, default=usual, help="frames (default %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

"""Measure reading while someone signs: python -m benchmarks.live [SECTION ...] --model_path work_dir/quickstart/best.pt

delay      plays the clips of a split one after the other in real time, and says how long after the end of a gloss it is
           final; and the WER of what is final, beside that of whole clips
settings   the WER of what is final, over windows, lookaheads and the share of frames that is taken
rates      the published size with random weights at 224x224 pixels, in the number formats that this processor has: the
           windows that `test_one_video.py --camera` chooses here, and whether it keeps up with them
endurance  plays clips for --minutes: memory, WER, delay, and how far the clock of what is read wanders
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.export import build_random_recogniser
from benchmarks.int8 import SHORTEST
from benchmarks.live_endurance import EDGES, PARTS, format_endurance, read_memory
from benchmarks.live_rates import format_rates
from benchmarks.live_recording import (
    PlayedVideo,
    Shown,
    count_errors,
    format_delays,
    load_recording,
    pair_right,
    play,
    read_at_once,
)
from dataset.manifest import SPLITS, load_manifest
from engine.export_parity import make_random_clip
from evaluation.inference.live import LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.live_speed import choose_settings, measure_speed
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from evaluation.wer_result import SentenceCounts, WerResult
from utils.arguments import MOST_NUMBER, named_path, whole_number
from utils.errors import InputError
from utils.output import run_command
from utils.table import format_table

WINDOWS, LOOKAHEADS, EVERY = (48, 64, 100), (4, 8, 16, 24), (1, 2, 3)  # of `settings`
HOP = 8
GOAL_SECONDS, GOAL_POINTS = 1.5, 3.0
INT8_CLIPS = 4  # random ones, from which ranges are taken
CHECKED = 12.0  # seconds that each number format has to keep up


def measure_delay(args: argparse.Namespace) -> None:
    """Print delays and WERs of each split."""
    recogniser, settings = load(args)
    delays, errors = [], []
    for split in args.splits:
        recording = load_split(args, recogniser, split)
        shown, notices = play(recogniser, settings, recording)
        delays.append([split, *format_delays(pair_right(recording.signed, shown))])
        errors += compare_errors(recogniser, settings, recording, split, shown)
        print(*(f"{split}: {notice}" for notice in notices), sep="\n", end="\n" if notices else "")
    heads = ("seconds after", "final", "signed: median", "95 %", "its read end: median", "95 %")
    print(format_table(heads, delays))
    print(f"goal: final at most {GOAL_SECONDS:g} s after the end")
    print(format_table(("WER", "live", "offline", "more by live (points)"), errors))
    print(f"goal: clips by themselves at most {GOAL_POINTS:g} points more")


def compare_errors(
    recogniser: Recogniser, settings: LiveSettings, recording: PlayedVideo, split: str, shown: Sequence[Shown]
) -> list[list[str]]:
    """Compare live with offline: the recording in one, as it was played, and each clip by itself."""
    all_signed = [of.gloss for of in recording.signed]
    played = WerResult((count_errors(all_signed, [of.word for of in shown]),))
    windows = transcribe(recogniser, recording, Reading(), split).words
    live, whole = read_clips(recogniser, settings, recording), read_clips(recogniser, None, recording)
    return [
        format_comparison(f"{split}, clips by themselves", live.wer, whole.wer),
        format_comparison(f"{split}, one recording", played.wer, WerResult((count_errors(all_signed, windows),)).wer),
    ]


def format_comparison(name: str, live: float, offline: float) -> list[str]:
    """A row of two word error rates and their difference."""
    return [name, f"{live:.2f} %", f"{offline:.2f} %", f"{live - offline:+.2f}"]


def read_clips(recogniser: Recogniser, settings: LiveSettings | None, recording: PlayedVideo) -> WerResult:
    """Read each clip of a recording by itself: as a stream, or whole where there are no settings."""
    counts: list[SentenceCounts] = []
    for first, end in recording.clips:
        inside = [of.gloss for of in recording.signed if first <= of.start * recording.rate < end]
        pictures = recording.pictures[first:end]
        if settings is None:
            counts.append(count_errors(inside, recogniser.recognise(np.stack(pictures)).words))
        else:
            counts.append(
                count_errors(inside, read_at_once(LiveRecogniser(recogniser, settings), pictures, recording.rate))
            )
    return WerResult(tuple(counts))


def compare_settings(args: argparse.Namespace) -> None:
    """Print the WER of what is final over the settings that may be chosen."""
    recogniser = load_recogniser(args)
    rows = []
    recordings = {split: load_split(args, recogniser, split) for split in args.splits}
    for settings in list_settings():
        row = [str(value) for value in (settings.window, settings.lookahead, settings.every)]
        for recording in recordings.values():
            clips = read_clips(recogniser, settings, recording).wer
            joined = read_at_once(LiveRecogniser(recogniser, settings), recording.pictures, recording.rate)
            counts = count_errors([of.gloss for of in recording.signed], joined)
            row += [f"{clips:.2f}", f"{WerResult((counts,)).wer:.2f}"]
        rows.append(row)
    heads = [f"{split}: {what}" for split in recordings for what in ("clips", "recording")]
    print(format_table(("window", "lookahead", "every", *heads), rows))
    whole = (f"{split} {read_clips(recogniser, None, recording).wer:.2f}" for split, recording in recordings.items())
    print(f"WER in percent, a reading every {HOP} frames; whole clips offline: {', '.join(whole)}")


def list_settings() -> list[LiveSettings]:
    """The settings that are compared: windows with lookaheads, and of the longest ones with fewer frames."""
    all_frames = [LiveSettings(window, HOP, lookahead) for window in WINDOWS for lookahead in LOOKAHEADS]
    return all_frames + [LiveSettings(max(WINDOWS), HOP, LOOKAHEADS[2], every) for every in EVERY[1:]]


def measure_rates(args: argparse.Namespace) -> None:
    """Print what this machine keeps up with, for each number format."""
    recogniser = build_random_recogniser()
    clips = [
        make_random_clip(SHORTEST + number, recogniser.config.feeder_args.input_size) for number in range(INT8_CLIPS)
    ]
    print(format_rates(recogniser, clips, args.seconds))


def measure_endurance(args: argparse.Namespace) -> None:
    """Play clips for long and print what grows or wanders."""
    recogniser, settings = load(args)
    recording = load_split(args, recogniser, args.splits[0]).trim(settings.hop)
    seconds = max(args.minutes * 60, PARTS * recording.round / args.speed)
    rounds = round(seconds * args.speed / recording.round / PARTS) * PARTS
    memory: list[tuple[float, float]] = []
    shown, notices = play(
        recogniser, settings, recording.repeat((rounds + EDGES) * recording.round), args.speed,
        lambda moment: memory.append((moment, read_memory())),
    )  # fmt: skip
    print(format_endurance(recording, rounds, shown, memory))
    print(*notices, sep="\n", end="\n" if notices else "")


def load_recogniser(args: argparse.Namespace) -> Recogniser:
    """Load the network of the command line."""
    if args.model_path is None:
        raise InputError("this section reads clips of a trained network's corpus: give --model_path")
    return Recogniser.from_checkpoint(args.model_path, "cpu")


def load(args: argparse.Namespace) -> tuple[Recogniser, LiveSettings]:
    """Load the network, and choose the windows as `test_one_video.py` does."""
    recogniser = load_recogniser(args)
    settings, lines = choose_settings(recogniser, measure_speed(recogniser), args.window, args.hop, args.lookahead)
    print(f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}", *lines, sep="\n")
    return recogniser, settings


def load_split(args: argparse.Namespace, recogniser: Recogniser, split: str) -> PlayedVideo:
    """Read the clips of a split."""
    config = recogniser.config
    prepared = Path(args.prepared or config.prepared)
    return load_recording(load_manifest(prepared, config.dataset, split), prepared, args.clips)


SECTIONS: dict[str, Callable[[argparse.Namespace], None]] = {
    "delay": measure_delay,
    "settings": compare_settings,
    "rates": measure_rates,
    "endurance": measure_endurance,
}


def main(args: argparse.Namespace) -> None:
    """Measure and print, section by section."""
    try:
        for section in args.sections or SECTIONS:
            print(f"== {section}", flush=True)
            SECTIONS[section](args)
    except InputError as error:
        sys.exit(f"error: {error}")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    number = whole_number(1, MOST_NUMBER)
    parser.add_argument("sections", nargs="*", metavar="SECTION", choices=list(SECTIONS), help="all if none is named")
    parser.add_argument("--model_path", "--model-path", type=named_path, help="a checkpoint of this project")
    parser.add_argument("--prepared", help="where its corpus is prepared, if not where its configuration says")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["dev", "test"], help="default: dev test")
    parser.add_argument("--clips", type=number, help="the first clips of each split alone (default: all)")
    for name in ("window", "hop", "lookahead"):
        parser.add_argument(f"--{name}", type=number, help="frames, in place of what is chosen for this machine")
    parser.add_argument("--minutes", type=float, default=30.0, help="of endurance (%(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="of endurance: times real time (%(default)s)")
    parser.add_argument("--seconds", type=float, default=CHECKED, help="of rates, for each format (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

"""Read the glosses of a video, a folder of images or a folder of either, with a trained network.

python test_one_video.py --model_path work_dir/quickstart/best.pt --video_path clip.mp4
python test_one_video.py --model_path best.pt --video_path clips/ --save "out/{name}.eaf" all.ctm
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataset.crop import CROPS
from dataset.video import list_clips
from evaluation.inference.outputs import NAME, Outputs
from evaluation.inference.transcript import FORMATS
from utils.errors import InputError

LANGUAGES = {"phoenix": "phoenix2014", "phoenix-t": "phoenix2014-T", "csl-daily": "CSL-Daily", "csl": "CSL"}
"""`--language` -> the corpus."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False, epilog="All times are those of the video as it plays."
    )

    def add(name: str, **options: Any) -> None:
        parser.add_argument(*dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")), dest=name, **options)

    add("model_path", type=Path, required=True, metavar="FILE", help="checkpoint")
    add("video_path", type=Path, required=True, metavar="PATH", help="video, folder of images, or folder of such clips")
    add("device", default="auto", help="auto, cpu, mps, 0, cuda:0, ... (%(default)s)")
    add(
        "language", choices=list(LANGUAGES), help="network of a checkpoint without configuration, as published ones are"
    )
    add("dict", type=Path, metavar="FILE", help="glosses of a checkpoint that holds none")
    add("max_frames_num", type=int, default=360, metavar="N", help="frames read at once (%(default)s)")
    add("window", action="store_true", help="read longer clips in overlapping windows, not N evenly spaced frames")
    add("fps", type=float, metavar="F", help="read F frames a second, as 25, the rate of the training (default: all)")
    add("crop", choices=CROPS, default=CROPS[0], help="squash the picture as in training, or take the middle square")
    add("allow_truncated", action="store_true", help="read files that are cut short as far as they go")
    add(
        "nbest",
        type=_count,
        default=0,
        metavar="N",
        help="also show the N best guesses (at most the beam's)",
    )
    saved = f"transcripts, ending in {', '.join(FORMATS)}; {NAME} stands for the clip"
    add("save", action="extend", nargs="+", default=[], metavar="FILE", help=saved)
    add("overlay", metavar="FILE.mp4", help=f"the video with its glosses; {NAME} stands for the clip")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number, 0 or more, not {text!r}")
    return int(text)


def main(args: argparse.Namespace) -> None:
    """Do what the command line asks for; exits with one message where that is impossible."""
    try:
        clips = list_clips(args.video_path)
        outputs = Outputs(tuple(args.save), args.overlay)
        outputs.check(clips, args.video_path)
        from evaluation.inference.read_clips import Reading, load_recogniser, read_clips  # noqa: PLC0415  brings PyTorch

        reading = Reading(args.max_frames_num, args.window, args.fps, args.crop)
        recogniser = load_recogniser(args.model_path, args.device, LANGUAGES.get(args.language), args.dict)
        failures = read_clips(recogniser, clips, reading, outputs, args.nbest, args.allow_truncated)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    if failures and len(clips) == 1:
        sys.exit("\n".join(f"error: {message}" for message in failures.values()))
    if failures:
        messages = [f"{name}: {message}" for name, message in failures.items()]
        sys.exit("\n  ".join([f"error: not all of {len(clips)} clips could be read and saved", *messages]))


if __name__ == "__main__":
    main(parse_args())

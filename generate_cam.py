"""Show where in a clip a trained network found its glosses.

python generate_cam.py --model_path work_dir/quickstart/best.pt --video_path clip.mp4 --out heat
python generate_cam.py --model_path best.pt --dataset phoenix2014 --split test --select_id 0 --target reference
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dataset.manifest import SPLITS
from evaluation.heat.request import LAYERS, METHODS, ClipChoice, HeatRequest
from evaluation.inference.options import add_network_options, add_option, add_reading_options
from evaluation.inference.reading import Reading
from preprocess.corpora.registry import LANGUAGES
from utils.arguments import named_path
from utils.errors import InputError
from utils.output import run_command
from utils.patience import LOADING, say_if_long

CORPUS_OPTIONS = {"split": ClipChoice.split, "select_id": ClipChoice.clip, "config": ClipChoice.config}
"""The options that choose a clip of a corpus, each with what holds if it is not given."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
        epilog="Writes every frame under its heat, a contact sheet with the glosses below the frames in which they "
        "were signed, and a video. The heat of a gloss has one scale for the whole clip: frames without evidence stay "
        "cold. With ResNet34 at 224x224 pixels layer1 needs about 50 MB of memory a frame, layer4 next to none.",
    )
    add_network_options(parser, LANGUAGES)
    clip = parser.add_mutually_exclusive_group(required=True)
    add_option(clip, "video_path", type=named_path, metavar="PATH", help="video, or folder of a clip's images")
    add_option(clip, "dataset", metavar="NAME", help="a prepared corpus, instead of a video")
    add_option(parser, "split", choices=SPLITS, help=f"the corpus's split ({ClipChoice.split})")
    add_option(
        parser,
        "select_id",
        metavar="ID",
        help=f"the clip's id, or its number in the split, from 0 ({ClipChoice.clip})",
    )
    add_option(
        parser,
        "config",
        metavar="FILE",
        help="where the corpus is, if not where the checkpoint's own configuration says",
    )
    add_reading_options(parser)
    add_option(
        parser,
        "sample",
        action="store_true",
        help="take N evenly spaced frames of longer clips, as the papers' code does, instead of overlapping windows",
    )
    add_option(
        parser,
        "layer",
        default=HeatRequest.layer,
        help=f"{', '.join(LAYERS)}: finer or coarser, stfN and corrN where the network has them (%(default)s)",
    )
    add_option(parser, "target", default=HeatRequest.target, help="hypothesis, reference or gloss:NAME (%(default)s)")
    add_option(parser, "method", default=HeatRequest.method, help=f"{', '.join(METHODS)} (%(default)s)")
    add_option(
        parser,
        "out",
        type=named_path,
        default=Path("work_dir/heat"),
        metavar="DIR",
        help="the folder to write to (%(default)s)",
    )
    args = parser.parse_args(arguments)
    for name, default in CORPUS_OPTIONS.items():
        if args.video_path is not None and getattr(args, name) is not None:
            parser.error(f"--{name} belongs to --dataset: it says nothing about a clip of --video_path")
        setattr(args, name, getattr(args, name) or default)
    return args


def main(args: argparse.Namespace) -> None:
    """Draw what the command line asks for; exits with one message where that is impossible."""
    try:
        request = HeatRequest(args.layer, args.target, args.method)
        reading = Reading(args.max_frames_num, windows=not args.sample, rate=args.fps, crop=args.crop)
        choice = ClipChoice(
            args.video_path, args.dataset or "", args.split, args.select_id, args.config, args.allow_truncated
        )
        # Imported here because they bring PyTorch, which takes seconds: a mistake in typing is answered at once.
        with say_if_long(LOADING):
            from evaluation.heat.generate import generate_heat_map  # noqa: PLC0415
            from evaluation.inference.read_clips import load_recogniser  # noqa: PLC0415

        recogniser = load_recogniser([args.model_path], args.device, LANGUAGES.get(args.language), args.dict)
        print(*generate_heat_map(recogniser, choice, reading, request, args.out), sep="\n")
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

"""Show where in a clip a trained network found its glosses.

python generate_cam.py --model_path work_dir/quickstart/best.pt --video_path clip.mp4 --out heat
python generate_cam.py --model_path best.pt --dataset phoenix2014 --split test --select_id 0 --target reference
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataset.crop import CROPS
from dataset.manifest import SPLITS
from evaluation.heat.request import LAYERS, METHODS, HeatRequest, Source
from test_one_video import LANGUAGES
from utils.errors import InputError


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
        epilog="Writes every frame under its heat, a contact sheet with the glosses below the frames in which they "
        "were signed, and a video. The heat of a gloss has one scale for the whole clip: frames without evidence stay "
        "cold. With ResNet34 at 224x224 pixels layer1 needs about 50 MB of memory a frame, stf3 next to none.",
    )

    def add(name: str, to: Any = parser, **options: Any) -> None:
        to.add_argument(*dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")), dest=name, **options)

    add("model_path", type=Path, required=True, metavar="FILE", help="checkpoint")
    source = parser.add_mutually_exclusive_group(required=True)
    add("video_path", source, type=Path, metavar="PATH", help="video, or folder of a clip's images")
    add("dataset", source, metavar="NAME", help="a prepared corpus, instead of a video")
    add("split", default="dev", choices=SPLITS, help="its part (%(default)s)")
    add("select_id", default="0", metavar="ID", help="its clip: id, or number in the split from 0 (%(default)s)")
    add("config", metavar="FILE", help="where the corpus is, if not where the checkpoint's own configuration says")
    add("layer", default=HeatRequest.layer, help=f"{', '.join(LAYERS)}: finer or coarser (%(default)s)")
    add("target", default=HeatRequest.target, help="hypothesis, reference or gloss:NAME (%(default)s)")
    add("method", default=HeatRequest.method, help=f"{', '.join(METHODS)} (%(default)s)")
    add("out", type=Path, default=Path("work_dir/heat"), metavar="DIR", help="folder to write to (%(default)s)")
    add("device", default="auto", help="auto, cpu, mps, 0, cuda:0, ... (%(default)s)")
    add("language", choices=list(LANGUAGES), help="network of a checkpoint without configuration, as published ones")
    add("dict", type=Path, metavar="FILE", help="glosses of a checkpoint that holds none")
    add("max_frames_num", type=int, default=360, metavar="N", help="of longer clips N evenly spaced ones (%(default)s)")
    add("fps", type=float, metavar="F", help="read F frames a second, as 25, the rate of the training (default: all)")
    add("crop", choices=CROPS, default=CROPS[0], help="squash the picture as in training, or take the middle square")
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> None:
    """Draw what the command line asks for; exits with one message where that is impossible."""
    try:
        request = HeatRequest(args.layer, args.target, args.method)
        source = Source(args.video_path, args.dataset or "", args.split, args.select_id, args.config)
        from evaluation.heat.generate import Reading, draw_heat  # noqa: PLC0415  brings PyTorch: not for a typing error
        from evaluation.inference.read_clips import load_recogniser  # noqa: PLC0415

        reading = Reading(args.max_frames_num, rate=args.fps, crop=args.crop)
        recogniser = load_recogniser(args.model_path, args.device, LANGUAGES.get(args.language), args.dict)
        print(*draw_heat(recogniser, source, reading, request, args.out), sep="\n")
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main(parse_args())

"""The command line of preparation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from dataset.frame_rate import FASTEST
from preprocess.corpora.registry import CORPORA
from utils.arguments import LARGEST_SIDE, MOST_SEED, MOST_WORKERS, named_path, whole_number
from utils.workers import available_cores

REPOSITORY = Path(__file__).resolve().parents[1]
FRAME_SIZE = 256
"""Side in pixels of resized frames, as in the papers: training crops 224 x 224 pixels out of them."""

IMAGE_FORMATS = ("png", "jpg")
"""The formats of resized frames, which are the suffixes of their names."""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; folders that it leaves out are filled in."""
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.prepare",
        description="Prepare a corpus: gloss dictionary, reference transcripts, resized frames and manifests.",
    )
    parser.add_argument("--dataset", required=True, choices=tuple(CORPORA), help="the corpus; custom is your own")
    parser.add_argument("--dataset-root", type=named_path, help="its folder (default: dataset/NAME in the repository)")
    parser.add_argument("--output", type=named_path, help="where to write (default: preprocess/NAME in the repository)")
    parser.add_argument(
        "-p",
        "--process-image",
        action="store_true",
        help="write resized frames; a run that was interrupted goes on where it stopped",
    )
    _add_workers(parser)
    parser.add_argument(
        "--frame-size",
        type=whole_number(1, LARGEST_SIDE),
        default=FRAME_SIZE,
        metavar="PIXELS",
        help=f"side of the resized frames (default: {FRAME_SIZE})",
    )
    parser.add_argument(
        "--allow-truncated", action="store_true", help="take what is there of videos that are cut short or damaged"
    )
    parser.add_argument(
        "--fps",
        type=parse_rate,
        metavar="F",
        help="resample: write F frames a second of each clip, such as 25 (default: all frames)",
    )
    parser.add_argument(
        "--image-fps",
        type=parse_rate,
        metavar="F",
        help="the frames a second of clips that are images, which do not say it (default: the corpus's, if known)",
    )
    parser.add_argument(
        "--image-format",
        choices=IMAGE_FORMATS,
        help="format of the resized frames: png keeps every pixel; jpg (quality 95) is read several times as fast and "
        "takes a fraction of the disk (default: PNG stays PNG; JPEG and the frames of videos become JPEG)",
    )
    parser.add_argument("--pack", choices=("lmdb",), help="also pack the resized frames: one file a split")
    parser.add_argument(
        "--labels", type=named_path, metavar="CSV", help="custom: the table, if DIR does not hold just one"
    )
    parser.add_argument(
        "--seed", type=whole_number(0, MOST_SEED), help="custom: draws the split if the table gives none (default: 0)"
    )
    args = parser.parse_args(argv)
    if not CORPORA[args.dataset].takes_labels and (args.labels is not None or args.seed is not None):
        parser.error("--labels and --seed belong to --dataset custom")
    for option, does in (("pack", "packs"), ("fps", "resamples"), ("image-format", "is of")):
        if getattr(args, option.replace("-", "_")) and not args.process_image:
            parser.error(f"--{option} {does} the frames that --process-image writes: give both")
    args.seed = args.seed or 0  # None until here, so that `--seed 0` is refused for the other corpora as well
    args.dataset_root = args.dataset_root or get_default_root(args.dataset)
    args.output = args.output or get_default_output(args.dataset)
    return args


def _add_workers(parser: argparse.ArgumentParser) -> None:
    cores = available_cores()
    parser.add_argument(
        "--workers",
        type=whole_number(1, MOST_WORKERS),
        default=cores,
        metavar="N",
        help=f"processes that resize (default: the number of cores, {cores})",
    )
    parser.add_argument(
        "-m",
        "--multiprocessing",
        dest="workers",
        action="store_const",
        const=cores,
        help="the default, accepted because the papers' instructions have it",
    )


def get_default_root(dataset: str) -> Path:
    """Get the folder where a corpus is looked for unless told otherwise."""
    return REPOSITORY / "dataset" / (CORPORA[dataset].root_name or dataset)


def get_default_output(dataset: str) -> Path:
    """Get the folder where a corpus is prepared unless told otherwise."""
    return REPOSITORY / "preprocess" / dataset


def parse_rate(text: str) -> float:
    """Parse a frame rate, above 0 and at most 1000, as an option's value.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= FASTEST:  # so written, NaN is refused too
        raise argparse.ArgumentTypeError(f"must be a number of frames a second, at most {FASTEST}, not {text!r}")
    return rate

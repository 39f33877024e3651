"""Export a trained network: as a file for other programs, or as a folder in which it is shared.

python -m engine.export --model_path work_dir/quickstart/best.pt --format onnx
python -m engine.export --model_path work_dir/quickstart/best.pt --format safetensors --out quickstart

The network in a file takes `video`, clips (B, T_pad, 3, S, S) uint8 RGB of any length, padded as `utils.temporal` does,
and gives `logits` (B, T', V); in the format torch_export one clip. docs/python.md says what a user needs to know. What
was written is read back and compared with PyTorch before it gets its name.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from dataset.legacy import load_dictionary
from engine.checkpoint_config import load_evaluation_config
from engine.export_folder import check_place, collect_shared, write_model_folder
from engine.export_formats import FORMATS
from engine.model_card import build_card, collect_facts
from evaluation.inference.onnx_network import build_metadata
from evaluation.inference.options import NETWORK, add_option
from evaluation.inference.recogniser import Network, Recogniser, TorchNetwork
from utils.arguments import named_path
from utils.checkpoint import load_checkpoint
from utils.errors import InputError
from utils.files import atomic_path, check_can_be_written, real_path
from utils.hub import find_checkpoint, parse_repository
from utils.model_folder import CARD, WEIGHTS, is_model_folder
from utils.output import run_command
from utils.precision import without_tf32
from utils.table import format_table

FOLDER = "safetensors"  # the format that is a folder, which this project reads again
LENGTHS = (1, 2, 5, 16, 33, 60)  # frames of the clips that are compared: an exporter may fix the length of its example
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Parity:
    """How far an exported network is from PyTorch on one clip.

    Attributes:
        frames: the number of the clip's frames.
        steps: the number of its output steps.
        absolute: the largest difference of a logit.
        relative: the same difference as a share of the largest logit.
    """

    frames: int
    steps: int
    absolute: float
    relative: float


def write_and_read_back(recogniser: Recogniser[TorchNetwork], name: str, path: Path) -> Network:
    """Write a network to a file, and read the file back.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        name: the format, a key of `FORMATS`.
        path: the file.
    """
    example = recogniser.network.make_batch(
        make_random_clip(LENGTHS[-1], recogniser.config.feeder_args.input_size)
    ).video
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporters warn of what might go wrong; the comparison finds what does
        FORMATS[name].write(recogniser.network, example, path, build_metadata(recogniser))
        return FORMATS[name].read(path, recogniser.network)


def compare_networks(reference: Network, other: Network, size: int, lengths: Sequence[int] = LENGTHS) -> list[Parity]:
    """Compare the logits of two networks on random clips.

    Args:
        reference: PyTorch's network.
        other: the exported one.
        size: the side of the frames, in pixels.
        lengths: the numbers of frames of the clips.

    Raises:
        InputError: the logits have other shapes.
    """
    found = []
    for frames in lengths:
        clip = make_random_clip(frames, size)
        expected, given = reference(clip), other(clip)
        if expected.shape != given.shape:
            raise InputError(f"{frames} frames give logits {given.shape}, where PyTorch gives {expected.shape}")
        largest = float(np.abs(given - expected).max())
        found.append(Parity(frames, len(expected), largest, largest / float(np.abs(expected).max())))
    return found


def make_random_clip(frames: int, size: int) -> np.ndarray:
    """A clip of coloured patches that change with every frame, (T, 3, S, S) uint8; the same for the same arguments."""
    patches = np.random.default_rng(frames).integers(0, 256, (frames, 3, 8, 8), dtype=np.uint8)
    place = np.arange(size) * 8 // size
    return np.ascontiguousarray(patches[:, :, place][:, :, :, place])


def export(recogniser: Recogniser[TorchNetwork], name: str, out: Path) -> list[Parity]:
    """Write a network; the file appears only if it gives what PyTorch gives.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        name: the format, a key of `FORMATS`.
        out: the file.

    Returns:
        the differences from PyTorch.

    Raises:
        InputError: it does not give the same, or `out` has the wrong ending.
    """
    if out.suffix != FORMATS[name].suffix:
        raise InputError(f"--out {out}: a file of the format {name} must end in {FORMATS[name].suffix}")
    with atomic_path(out) as temporary:
        exported = write_and_read_back(recogniser, name, temporary)
        reference = TorchNetwork(recogniser.network.model, "fp32")  # what was written, whatever it was trained in
        with without_tf32(reference.model.device):
            found = compare_networks(reference, exported, recogniser.config.feeder_args.input_size)
        print(format_parity(found))
        wrong = [clip for clip in found if not (clip.absolute <= TOLERANCE and clip.relative <= TOLERANCE)]
        if wrong:
            raise InputError(
                f"the exported network is not PyTorch's: on {len(wrong)} of {len(found)} clips their logits differ by "
                f"more than {TOLERANCE:g}; {out} was not written"
            )
    return found


def format_parity(found: Sequence[Parity]) -> str:
    """A table with a line for each clip."""
    rows = [(str(p.frames), str(p.steps), f"{p.absolute:.1e}", f"{p.relative:.1e}") for p in found]
    return format_table(("frames", "steps", "largest difference of logits", "relative"), rows)


def export_to_file(recogniser: Recogniser, args: argparse.Namespace) -> None:
    """Write a network to the file that the command line asks for, and say so."""
    out = args.out or locate_beside(args.model_path, FORMATS[args.format].suffix)
    if real_path(out) == real_path(args.model_path):
        raise InputError(f"--out {out} is the checkpoint itself, which would be lost: choose another name")
    if args.licence or args.overwrite:
        raise InputError(f"--licence and --overwrite belong to --format {FOLDER}")
    check_can_be_written(out)
    export(recogniser, args.format, out)
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB, equal to PyTorch's network within {TOLERANCE:g}")


def export_to_folder(recogniser: Recogniser[TorchNetwork], args: argparse.Namespace) -> None:
    """Write a network to the model folder that the command line asks for, and say so."""
    out = args.out or locate_beside(args.model_path, "-model")
    if is_model_folder(find_checkpoint(args.model_path)):
        raise InputError(f"{args.model_path} is a model folder already: copy it")
    out = out if out.name else real_path(out)
    check_place(out, args.overwrite)
    content = load_checkpoint(args.model_path)
    shared = collect_shared(recogniser, content)
    card = build_card(collect_facts(shared, content, args.model_path, out.name, args.licence))
    aside = write_model_folder(shared, card, out)
    if aside:
        print(f"{out} was there already: the old one is {aside} now")
    size = (out / WEIGHTS).stat().st_size / 2**20
    print(f"{out}: {size:.1f} MiB of weights, equal bit by bit; its card is {out / CARD}")
    if not args.licence:
        print(
            "the licence of the weights is yours to fill in there, with the corpus's terms in mind (or --licence TEXT)"
        )


def locate_beside(source: Path, ending: str) -> Path:
    """Where to write if the command line does not say: beside a file or folder, in the current one for a repository."""
    repository = parse_repository(str(source))
    if repository:
        return Path(Path(repository.name).name + ending)
    place = source if source.name else real_path(source)  # `.` has no name
    return place.with_name((place.name if place.is_dir() else place.stem) + ending)


def main(args: argparse.Namespace) -> None:
    """Export and compare; exits with one message where that is impossible."""
    try:
        words = {"phase": "test", "load_weights": str(args.model_path)}
        config = load_evaluation_config(args.config, words)[0] if args.config else None
        vocabulary = load_dictionary(args.dict) if args.dict else None
        recogniser = Recogniser.from_checkpoint(args.model_path, args.device, config, vocabulary)
        (export_to_folder if args.format == FOLDER else export_to_file)(recogniser, args)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = partial(add_option, parser)
    add("model_path", type=named_path, required=True, metavar="FILE", help=NETWORK)
    add("format", choices=[*FORMATS, FOLDER], required=True, help="what to write")
    add("out", type=named_path, metavar="PATH", help="the file or folder to write (default: beside the checkpoint)")
    add("device", default="cpu", help="where to trace and compare; PyTorch's formats then run there (%(default)s)")
    add("config", metavar="FILE", help="configuration, for a checkpoint that holds none")
    add("dict", type=named_path, metavar="FILE", help="gloss dictionary, for a checkpoint that holds none")
    add("licence", metavar="TEXT", help=f"licence of the weights, for the card of {FOLDER}; cc-by-nc-4.0, or in words")
    add("overwrite", action="store_true", help="move a model folder of that name aside")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

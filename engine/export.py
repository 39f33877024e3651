"""Export a trained network: as a file for other programs, or as a folder in which it is shared.

python -m engine.export --model_path work_dir/quickstart/best.pt --format onnx
python -m engine.export --model_path work_dir/quickstart/best.pt --format onnx --int8
python -m engine.export --model_path work_dir/quickstart/best.pt --format safetensors --out quickstart

The network in a file takes `video`, clips (B, T_pad, 3, S, S) uint8 RGB of any length, padded as `utils.temporal` does,
and gives `logits` (B, T', V); in the format torch_export one clip. docs/python.md says what a user needs to know. What
was written is read back and compared with PyTorch before it gets its name; in int8 its word errors on dev are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dataset.legacy import load_dictionary
from engine.checkpoint_config import load_evaluation_config
from engine.export_folder import check_place, collect_shared, write_model_folder
from engine.export_formats import FORMATS
from engine.export_parity import TOLERANCE, Parity, write_equal
from engine.int8 import USUAL_CLIPS, Int8Corpus, load_int8_corpus, write_int8
from engine.model_card import build_card, collect_facts
from evaluation.inference.options import NETWORK, add_option
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from utils.arguments import MOST_NUMBER, named_path, number, whole_number
from utils.checkpoint import load_checkpoint
from utils.errors import InputError
from utils.files import atomic_path, check_can_be_written, real_path
from utils.hub import find_checkpoint, parse_repository
from utils.model_folder import CARD, WEIGHTS, is_model_folder
from utils.output import run_command
from utils.text import plural

FOLDER = "safetensors"  # the format that is a folder, which this project reads again
INT8_FORMAT = "onnx"
MAX_LOSS = 0.5  # points of word error rate
EQUAL = f"equal to PyTorch's network within {TOLERANCE:g}"


def export(
    recogniser: Recogniser[TorchNetwork], name: str, out: Path, corpus: Int8Corpus | None = None, max_loss: float = 0.0
) -> list[Parity]:
    """Write a network; the file appears only if it gives what PyTorch gives, or in int8 if it costs few word errors.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        name: the format, a key of `FORMATS`.
        out: the file.
        corpus: what quantising needs, for ONNX in int8; None for float32.
        max_loss: the points of word error rate that int8 may cost.

    Returns:
        the differences from PyTorch, in float32.

    Raises:
        InputError: it does not give the same, int8 costs more, or `out` has the wrong ending.
    """
    if out.suffix != FORMATS[name].suffix:
        raise InputError(f"--out {out}: a file of the format {name} must end in {FORMATS[name].suffix}")
    try:
        with atomic_path(out) as temporary:
            if corpus is None:
                return write_equal(recogniser, name, temporary)
            with tempfile.TemporaryDirectory() as folder:
                in_float = Path(folder, f"float32{out.suffix}")
                found = write_equal(recogniser, name, in_float)
                write_int8(in_float, temporary, corpus, max_loss)
            return found
    except InputError as error:
        raise InputError(f"{error}; {out} was not written") from error


def export_to_file(recogniser: Recogniser, args: argparse.Namespace) -> None:
    """Write a network to the file that the command line asks for, and say so."""
    ending = "-int8" if args.int8 else ""
    out = args.out or locate_beside(args.model_path, f"{ending}{FORMATS[args.format].suffix}")
    if real_path(out) == real_path(args.model_path):
        raise InputError(f"--out {out} is the checkpoint itself, which would be lost: choose another name")
    if args.licence or args.overwrite:
        raise InputError(f"--licence and --overwrite belong to --format {FOLDER}")
    check_can_be_written(out)
    corpus = load_int8_corpus(recogniser, args.prepared, args.calibrate) if args.int8 else None
    export(recogniser, args.format, out, corpus, MAX_LOSS if args.max_loss is None else args.max_loss)
    equal = f"in int8, ranges from {plural(len(corpus.places), 'clip')}" if corpus else EQUAL
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB, {equal}")


def check_int8_options(args: argparse.Namespace) -> None:
    """Check that the options of int8 are given where they mean something.

    Raises:
        InputError: they are not.
    """
    if args.int8 and args.format != INT8_FORMAT:
        raise InputError(
            f"--int8 belongs to --format {INT8_FORMAT}: only onnxruntime computes this network in 8-bit integers, and "
            f"{args.format} keeps its weights as they are"
        )
    given = {f"--{name.replace('_', '-')}": getattr(args, name) for name in ("calibrate", "max_loss", "prepared")}
    idle = [name for name, value in given.items() if value is not None]
    if idle and not args.int8:
        raise InputError(f"{', '.join(idle)}: of use with --int8 alone")


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
        check_int8_options(args)
        words = {"phase": "test", "load_weights": str(args.model_path)}
        config = load_evaluation_config(args.config, words)[0] if args.config else None
        vocabulary = load_dictionary(args.dict) if args.dict else None
        recogniser = Recogniser.from_checkpoint(args.model_path, args.device, config, vocabulary)
        if recogniser.config.lm:
            print(
                f"the language model {recogniser.config.lm} is left out, with the bonus and penalty chosen for it: "
                "what is written decodes without; give its users the file too, for --lm"
            )
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
    add("int8", action="store_true", help="compute convolutions in 8-bit integers (onnx); needs the prepared corpus")
    few = whole_number(1, MOST_NUMBER)
    add("calibrate", type=few, metavar="N", help=f"training clips that int8 is fitted to (default {USUAL_CLIPS})")
    add("max_loss", type=number(0, 100), metavar="P", help=f"points of dev WER that int8 may cost (default {MAX_LOSS})")
    add("prepared", type=named_path, metavar="DIR", help="prepared corpus for int8 (default: the checkpoint's)")
    add("licence", metavar="TEXT", help=f"licence of the weights, for the card of {FOLDER}; cc-by-nc-4.0, or in words")
    add("overwrite", action="store_true", help="move a model folder of that name aside")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

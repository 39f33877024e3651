"""The options that `test_one_video.py` and `generate_cam.py` share; knows nothing of PyTorch, so that help is quick."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from dataset.crop import CROPS
from evaluation.inference.reading import Reading
from utils.arguments import named_path

NETWORK = "the network: a checkpoint, a model folder, or owner/name of a repository on the Hugging Face Hub"


def add_option(parser: argparse._ActionsContainer, name: str, **settings: Any) -> None:
    """Add --NAME to a parser or a group of options, spelt with dashes as well as with underscores.

    Args:
        parser: the parser, or a group of it.
        name: the option's name with underscores.
        settings: the other arguments of `ArgumentParser.add_argument`.
    """
    spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])  # once where both are the same
    parser.add_argument(*spellings, dest=name, **settings)


def add_network_options(parser: argparse.ArgumentParser, languages: Iterable[str], several: bool = False) -> None:
    """Add the options that say which network reads, and on what.

    Args:
        parser: the parser.
        languages: the choices of --language.
        several: whether there may be several networks, whose hypotheses are combined, and --tta; `model_path` is a
            list then.
    """
    if several:
        text = f"{NETWORK}; of several the hypotheses are combined"
        add_option(parser, "model_path", type=named_path, required=True, nargs="+", metavar="FILE", help=text)
        text = "flip: each network also sees the mirrored clip, and the hypotheses are combined"
        add_option(parser, "tta", nargs="+", choices=["flip"], default=[], help=text)
    else:
        add_option(parser, "model_path", type=named_path, required=True, metavar="FILE", help=NETWORK)
    add_option(parser, "device", default="auto", help="auto, cpu, mps, 0, cuda:0, ... (%(default)s)")
    add_option(
        parser,
        "language",
        choices=list(languages),
        help="whose network it is, if the checkpoint does not say so; published ones do not",
    )
    add_option(
        parser, "dict", type=named_path, metavar="FILE", help="the glosses, if the checkpoint does not hold them"
    )


def add_decoding_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what the beam search counts in besides the network."""
    add_option(parser, "decoding", metavar="FILE", help="settings of the beam search, as evaluation.tune writes them")
    add_option(parser, "lm", metavar="FILE", help="language model (ARPA) of the beam search; none: without one")
    add_option(parser, "lm_weight", type=float, metavar="W", help="weight of the language model (default: 0.3)")


def add_reading_options(parser: argparse.ArgumentParser, live: bool = False) -> None:
    """Add the options that say how the frames of a clip are taken; they become a `Reading`.

    Args:
        parser: the parser.
        live: whether a stream may be read too: `max_frames_num` is None then where nothing is said.
    """
    text = f"the most frames that are read at once ({Reading.max_frames}"
    text += "; of a stream as many as this machine keeps up with)" if live else ")"
    usual = None if live else Reading.max_frames
    add_option(parser, "max_frames_num", type=int, default=usual, metavar="N", help=text)
    add_option(
        parser,
        "fps",
        type=float,
        metavar="F",
        help="read F frames a second, such as the rate of the training (default: all frames)",
    )
    add_option(
        parser,
        "crop",
        choices=CROPS,
        default=Reading.crop,
        help="squash the picture to a square as in training (none), or take the middle square (%(default)s)",
    )
    add_option(
        parser, "allow_truncated", action="store_true", help="read what is there of files that are cut short or damaged"
    )

"""The options of `test_one_video.py` for a stream; knows nothing of PyTorch, so that help is quick."""

from __future__ import annotations

import argparse
from pathlib import Path

from dataset.video import list_clips
from evaluation.inference.options import add_option
from utils.arguments import MOST_NUMBER, named_path, whole_number
from utils.errors import InputError

MOST_CAMERA = 99
"""The largest number of a camera."""

OF_A_WHOLE_CLIP = {
    "sample": "a stream is read in windows (--max-frames-num, --hop, --lookahead)",
    "fps": "frames are taken by their times, as many a second as in the training",
    "nbest": "only the best guess becomes final",
}
"""Options that a stream does not go with, and why."""
OF_A_FILE = {
    "overlay": "the pictures of a camera are not kept, so there is no video to show glosses in",
    "allow_truncated": "a camera is no file",
}
"""Those that a camera does not go with."""
OF_A_PLAYED_FILE = {"overlay": "the file with its glosses is written by --video-path"}
"""Those that a file which is played does not go with."""


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is read, of which one is needed."""
    sources = parser.add_mutually_exclusive_group(required=True)
    help = "video, folder of images, or folder of such clips"
    add_option(sources, "video_path", type=named_path, metavar="PATH", help=help)
    help = "a camera by its number, 0 for the first one: each gloss is shown when it is final, until Ctrl-C"
    add_option(sources, "camera", type=whole_number(0, MOST_CAMERA), metavar="N", help=help)
    help = "play a video, or a folder of images, and read it as a camera's pictures"
    add_option(sources, "live", type=named_path, metavar="FILE", help=help)


def add_windows(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a stream is read, and a file by the same rule."""
    number = whole_number(1, MOST_NUMBER)
    help = "frames from one window to the next (default: what this machine keeps up with; files: two thirds)"
    add_option(parser, "hop", type=number, metavar="N", help=help)
    number = whole_number(0, MOST_NUMBER)
    help = "frames that must follow the middle of a gloss before it is final (of a stream by default as --hop)"
    add_option(parser, "lookahead", type=number, metavar="N", help=help)


def is_live(args: argparse.Namespace) -> bool:
    """Whether the command line asks for a stream."""
    return args.camera is not None or args.live is not None


def find_stream(args: argparse.Namespace) -> tuple[str, Path]:
    """The name and the path of the stream that is asked for; a camera has a path that does not exist.

    Raises:
        InputError: options do not go with it, or the file is not there or is several clips.
    """
    source, refused = ("--live", OF_A_PLAYED_FILE) if args.camera is None else ("--camera", OF_A_FILE)
    said = [
        f"--{name.replace('_', '-')} cannot go with {source}: {why}"
        for name, why in (OF_A_WHOLE_CLIP | refused).items()
        if getattr(args, name)
    ]
    if said:
        raise InputError("\n  ".join(said))
    if args.camera is not None:
        name = f"camera{args.camera}"
        return name, Path(name)
    clips = list_clips(args.live)
    if len(clips) > 1:
        raise InputError(f"{args.live} holds {len(clips)} clips: name one of them, or read all with --video-path")
    return next(iter(clips.items()))

"""Read the glosses of a video, a folder of images, a folder of several such clips, or a camera, with a trained network.

python test_one_video.py --model_path work_dir/quickstart/best.pt --video_path clip.mp4
python test_one_video.py --model_path best.pt --video_path clips/ --save "out/{name}.eaf" all.ctm
python test_one_video.py --model_path a.pt b.pt c.pt --tta flip --video_path clip.mp4
python test_one_video.py --model_path best.pt --camera 0 --save talk.eaf
"""

import argparse
import sys
from collections.abc import Sequence

from dataset.video import list_clips, open_video
from evaluation.inference.formats import FORMATS
from evaluation.inference.frame_source import Camera, PlayedFile
from evaluation.inference.live_options import add_sources, add_windows, find_stream, is_live
from evaluation.inference.options import (
    add_decoding_options,
    add_network_options,
    add_option,
    add_reading_options,
)
from evaluation.inference.outputs import NAME, Outputs
from evaluation.inference.reading import Reading
from preprocess.corpora.registry import LANGUAGES
from utils.arguments import MOST_NUMBER, whole_number
from utils.errors import InputError
from utils.interruption import Interrupted
from utils.output import run_command
from utils.patience import LOADING, say_if_long


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False, epilog="All times are those of the video as it plays."
    )
    add_network_options(parser, LANGUAGES, several=True)
    add_sources(parser)
    add_reading_options(parser, live=True)
    add_windows(parser)
    add_decoding_options(parser)
    ways = parser.add_mutually_exclusive_group()
    add_option(
        ways, "window", action="store_true", help="read longer clips in overlapping windows of N frames (the default)"
    )
    add_option(
        ways,
        "sample",
        action="store_true",
        help="read N evenly spaced frames of longer clips, as the papers' code does, which loses most of the glosses",
    )
    add_option(
        parser,
        "nbest",
        type=whole_number(0, MOST_NUMBER),
        default=0,
        metavar="N",
        help="also show the N best guesses (at most as many as the beam has)",
    )
    add_option(
        parser,
        "min_confidence",
        type=float,
        default=0.0,
        metavar="P",
        help="leave out glosses with a lower confidence (%(default)s)",
    )
    saved = f"transcripts, ending in {', '.join(FORMATS)}; {NAME} stands for the clip"
    add_option(parser, "save", action="extend", nargs="+", default=[], metavar="FILE", help=saved)
    add_option(
        parser,
        "overlay",
        metavar="FILE.mp4",
        help=f"the video with its glosses, .mp4 or .webm; {NAME} stands for the clip",
    )
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> None:
    """Do what the command line asks for; exits with one message where that is impossible."""
    try:
        if is_live(args):
            read_stream(args)
            return
        clips = list_clips(args.video_path)
        outputs = Outputs(tuple(args.save), args.overlay)
        outputs.check_names(clips, args.video_path)
        reading = build_reading(args)
        # Imported here because it brings PyTorch, which takes seconds: a mistake in typing is answered at once.
        with say_if_long(LOADING):
            from evaluation.inference.read_clips import load_chosen, read_clips  # noqa: PLC0415

        failures = read_clips(load_chosen(args, LANGUAGES), clips, reading, outputs, args.nbest, args.allow_truncated)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.status)
    except KeyboardInterrupt:
        sys.exit("interrupted")
    if failures and len(clips) == 1:
        sys.exit("\n".join(f"error: {message}" for message in failures.values()))
    if failures:
        messages = [f"{name}: {message}" for name, message in failures.items()]
        sys.exit("\n  ".join([f"error: not all of {len(clips)} clips could be read and saved", *messages]))


def build_reading(args: argparse.Namespace) -> Reading:
    """How the command line wants a clip, or the windows of a stream, to be read."""
    frames = Reading.max_frames if args.max_frames_num is None else args.max_frames_num
    rule = (None, None) if is_live(args) else (args.hop, args.lookahead)  # a stream finds its own
    return Reading(frames, not args.sample, args.fps, args.crop, args.min_confidence, *rule)


def read_stream(args: argparse.Namespace) -> None:
    """Read a camera, or a file as if it were one, until it ends or the user stops it."""
    name, path = find_stream(args)
    outputs = Outputs(tuple(args.save))
    outputs.check_names({name: path}, path)
    reading = build_reading(args)
    camera = None if args.camera is None else Camera(args.camera)  # that it is not there is said at once
    with say_if_long(LOADING):
        from evaluation.inference.read_clips import load_chosen  # noqa: PLC0415
        from evaluation.inference.read_live import make_live, read_live  # noqa: PLC0415

    recogniser = load_chosen(args, LANGUAGES)
    source = camera or PlayedFile(open_video(path, recogniser.frame_rate, args.allow_truncated), name)
    live = make_live(recogniser, reading, args.max_frames_num, args.hop, args.lookahead)
    read_live(live, source, outputs.save)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

"""From ELAN's annotation files and their videos to a corpus of clips: one clip and one row of a table an annotation.

python -m preprocess.from_elan FOLDER --tier sentence --glosses gloss --out my-corpus/corpus.csv
"""

from __future__ import annotations

import argparse
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from dataset.video import Video, open_video
from dataset.write_video import write_video
from evaluation.ctm import FormatError, check_gloss, fold_case
from preprocess.corpora.corpus import PreparationError
from preprocess.corpora.custom import format_mistakes, list_tables
from preprocess.elan_file import ElanFile, Sentence, read_elan_file
from utils.arguments import named_path
from utils.errors import InputError
from utils.files import NUMBERED, atomic_path, set_aside, write_text
from utils.output import run_command
from utils.progress import show_progress
from utils.text import plural, quote_path, show_name

CLIPS = "clips"
"""The folder beside the table that the clips are written to."""
CRF = 12  # of the clips, which hardly differ from the video
BEYOND = 0.5  # seconds that an annotation may end after the last picture: sound is often a little longer


@dataclass(frozen=True)
class ClipToCut:
    """A stretch of a video that becomes a clip.

    Attributes:
        id: the name of the clip.
        signer: who signs.
        glosses: the glosses.
        first, end: its frames (first, last + 1).
    """

    id: str
    signer: str
    glosses: tuple[str, ...]
    first: int
    end: int


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.from_elan",
        description="Cut the annotations of ELAN's files into clips, and write the table of a corpus of your own.",
    )
    parser.add_argument("source", type=named_path, metavar="FOLDER", help="the folder of .eaf files, or one of them")
    parser.add_argument(
        "--tier", nargs="+", required=True, metavar="NAME", help="the tier whose annotations become clips (or several)"
    )
    parser.add_argument(
        "--glosses",
        nargs="+",
        default=[],
        metavar="NAME",
        help="the tier of the glosses, one gloss an annotation (or several, as one a hand); without it, the "
        "annotations of --tier hold the glosses, between spaces",
    )
    parser.add_argument(
        "--videos", type=named_path, metavar="FOLDER", help="where the videos are, if not where ELAN links"
    )
    parser.add_argument("--signer", metavar="NAME", help="who signs (default: the tier's participant, else the file)")
    parser.add_argument(
        "--out", type=named_path, required=True, metavar="FILE.csv", help=f"the table; clips go to {CLIPS}/ beside it"
    )
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> None:
    """Cut all clips, write the table and say what to do next. Nothing is written if an annotation has a mistake."""
    files = [read_elan_file(path) for path in _list_files(args.source)]
    if args.out.suffix.lower() != ".csv":
        raise PreparationError(f"--out {args.out}: the table must end in .csv")
    if args.signer is not None and len(args.signer.split()) != 1:
        raise PreparationError(f"--signer {args.signer!r}: the signer must be one word")
    mistakes: list[str] = []
    notes: list[str] = []
    plans: list[tuple[Video, list[ClipToCut]]] = []
    for file in files:
        try:
            plans.append(_plan_file(file, args, mistakes, notes))
        except InputError as error:
            mistakes.append(str(error))
    if mistakes:
        raise PreparationError(format_mistakes(mistakes))
    clips = [clip for _, of_file in plans for clip in of_file]
    if twice := [name for name, times in Counter(fold_case(clip.id) for clip in clips).items() if times > 1]:
        raise PreparationError(f"two clips would be called {twice[0]}: rename one of the .eaf files or tiers")
    if not clips:
        raise PreparationError(f"no annotation of {', '.join(args.tier)} in {args.source} has a gloss")
    for video, of_file in plans:
        cut_clips(video, of_file, args.out.parent / CLIPS)
    older = write_table(args.out, clips)
    signers = len({clip.signer for clip in clips})
    print(f"{plural(len(clips), 'clip')} of {plural(signers, 'signer')} from {plural(len(files), 'file')}: {args.out}")
    print(*notes, *([f"the older table is now {older}"] if older else []), sep="\n", end="\n" if notes or older else "")
    where = f"--dataset-root {quote_path(args.out.parent)}"
    if len(list_tables(args.out.parent)) > 1:
        where += f" --labels {quote_path(args.out)}"
    print(f"\nNext: python -m preprocess.prepare --dataset custom {where} --process-image")


def _list_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = sorted(path for path in source.glob("*") if path.suffix.lower() == ".eaf" and path.name[0] != ".")
    if not files:
        raise PreparationError(f"{source} is not a folder with .eaf files")
    return files


def _plan_file(
    file: ElanFile, args: argparse.Namespace, mistakes: list[str], notes: list[str]
) -> tuple[Video, list[ClipToCut]]:
    """Plan the clips of a file; mistakes in annotations and notes on what is left out are added to the lists."""
    sentences = [sentence for tier in args.tier for sentence in file.list_sentences(tier, args.glosses)]
    path, origin = file.find_video(args.videos)
    video = open_video(path, folder_rate=1)
    clips = []
    for sentence in sentences:
        if not sentence.glosses:
            continue
        problem = _find_problem(sentence, origin, video)
        if problem:
            mistakes.append(f"{file.path}, {sentence.tier} at {sentence.start / 1000:.3f} s: {problem}")
            continue
        tier = "_" + "_".join(sentence.tier.split()) if len(args.tier) > 1 else ""
        name = "_".join(file.path.stem.split())
        signer = args.signer or file.find_signer(sentence.tier)
        first, end = choose_frames(video, sentence.start + origin, sentence.end + origin)
        clips.append(ClipToCut(f"{name}{tier}_{sentence.start}", signer, sentence.glosses, first, end))
    empty = len(sentences) - sum(bool(sentence.glosses) for sentence in sentences)
    if empty:
        notes.append(f"{file.path}: {plural(empty, 'annotation')} without a gloss left out")
    written = sum(bool(gloss.text.split()) for tier in args.glosses for gloss in file.read_tier(tier))
    outside = written - sum(len(sentence.glosses) for sentence in sentences)
    if args.glosses and outside > 0:
        what = plural(outside, "gloss lies", "glosses lie")
        notes.append(f"{file.path}: {what} outside of {', '.join(args.tier)}, left out")
    if args.signer is None and any(clip.signer == "_".join(file.path.stem.split()) for clip in clips):
        notes.append(f"{file.path}: ELAN was not told who signs, so its name stands for the signer (--signer NAME)")
    return video, clips


def choose_frames(video: Video, start: int, end: int) -> tuple[int, int]:
    """The frames (first, last + 1) of a video that come on from `start` on and before `end`, in milliseconds.

    Compared in whole milliseconds, as ELAN writes them: annotations that touch share no frame.
    """
    shown = np.round(video.times[:-1] * 1000)
    first, stop = np.searchsorted(shown, (start, end))
    return int(first), int(stop)


def _find_problem(sentence: Sentence, origin: int, video: Video) -> str:
    """What is wrong with a sentence; "" if it can become a clip."""
    try:
        for number, gloss in enumerate(sentence.glosses):
            check_gloss(gloss, first_of_reference=number == 0)
    except FormatError as error:
        return str(error)
    length = float(video.times[-1])
    if (sentence.end + origin) / 1000 > length + BEYOND:
        return f"it ends at {(sentence.end + origin) / 1000:.3f} s of {video.path}, which has {length:.3f} s"
    first, end = choose_frames(video, sentence.start + origin, sentence.end + origin)
    return "" if first < end else f"no frame of {video.path} comes on in its {sentence.end - sentence.start} ms"


def cut_clips(video: Video, clips: Sequence[ClipToCut], folder: Path) -> None:
    """Write clips of a video to `folder`, NAME.mp4 each, with the times of their frames."""
    for layer in _split_into_layers(clips):
        frames = video.frames([index for clip in layer for index in range(clip.first, clip.end)])
        for clip in show_progress(layer, len(layer), show_name(video.path.name), "clip"):
            own = islice(frames, clip.end - clip.first)
            write_video(folder / f"{clip.id}.mp4", own, video.times[clip.first : clip.end + 1], CRF)


def _split_into_layers(clips: Sequence[ClipToCut]) -> Iterator[list[ClipToCut]]:
    """Divide clips into lists within which none overlaps, for each of which the video is decoded once."""
    rest = sorted(clips, key=lambda clip: clip.first)
    while rest:
        layer: list[ClipToCut] = []
        for clip in rest:
            if not layer or layer[-1].end <= clip.first:
                layer.append(clip)
        rest = [clip for clip in rest if clip not in layer]
        yield layer


def write_table(path: Path, clips: Sequence[ClipToCut]) -> Path | None:
    """Write the table of a corpus of one's own; one that is there already and differs, because a column `split` was
    added perhaps, is renamed.

    Returns:
        the older table's new name; None if there was none.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["id", "path", "signer", "glosses"])
    table.writerows([clip.id, f"{CLIPS}/{clip.id}.mp4", clip.signer, " ".join(clip.glosses)] for clip in clips)
    with atomic_path(path) as temporary:
        write_text(temporary, out.getvalue())
        differs = path.is_file() and path.read_bytes() != temporary.read_bytes()
        return set_aside(path, NUMBERED) if differs else None


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

"""Prepare a corpus: gloss dictionary, reference transcripts, resized frames and manifests.

python -m preprocess.prepare --dataset phoenix2014 --process-image --workers 8
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataset.manifest import Clip, Manifest
from dataset.vocabulary import Vocabulary, VocabularyError
from evaluation.ctm import FormatError, Reference, write_stm
from evaluation.normalise import normalise
from preprocess.corpora import CORPORA
from preprocess.corpus import Corpus, PreparationError, Recording
from preprocess.images import ClipImages, count_clips, resize_clips
from preprocess.pack import pack, report
from preprocess.summary import format_summary
from utils.cores import available_cores

REPOSITORY = Path(__file__).resolve().parents[1]
FRAME_SIZE = 256


@dataclass(frozen=True)
class Prepared:
    """What `prepare` wrote.

    Attributes:
        dataset: name of the corpus.
        output: the folder that holds everything.
        vocabulary: the gloss dictionary.
        manifests: one a split: train, dev and, where there is one, test.
        resized: number of clips whose frames were resized now; the others were finished before or left as they are.
        notes: what was mended or left out, a sentence each.
    """

    dataset: str
    output: Path
    vocabulary: Vocabulary
    manifests: tuple[Manifest, ...]
    resized: int
    notes: tuple[str, ...]


def prepare(
    dataset: str,
    root: str | Path,
    output: str | Path,
    process_image: bool = False,
    workers: int = 1,
    *,
    frame_size: int = FRAME_SIZE,
) -> Prepared:
    """Prepare a corpus for training and evaluation.

    Writes `gloss_dict.txt`, `<dataset>-groundtruth-<split>.stm`, with `process_image` the frames as
    `frames/<split>/<id>/`, and at last, when all the rest is there, `<split>.json`, the manifests.

    Args:
        dataset: a key of `CORPORA`.
        root: the folder of the corpus.
        output: the folder to write to.
        process_image: write resized frames; otherwise the manifests point into `root` and frames are resized
            whenever they are read. Clips that are finished already are not written again.
        workers: number of processes that resize.
        frame_size: side in pixels of the resized frames.

    Raises:
        PreparationError: the corpus is incomplete or malformed, or a file can't be written.
    """
    if dataset not in CORPORA:
        raise PreparationError(f"unknown dataset {dataset!r}; choose from {', '.join(CORPORA)}")
    if workers < 1 or frame_size < 1:
        raise PreparationError(f"workers ({workers}) and frame size ({frame_size}) must be at least 1")
    root, output = Path(root), Path(output)
    try:
        corpus = CORPORA[dataset](root)
        for split in corpus.splits:
            # From an earlier run; without manifests nothing can train on what is half rewritten.
            (output / f"{split}.json").unlink(missing_ok=True)
        vocabulary = Vocabulary(corpus.glosses, source=str(output / "gloss_dict.txt"))
        vocabulary.save(output / "gloss_dict.txt")
        for split, recordings in corpus.splits.items():
            rules = corpus.reference_rules.get(split, "none")
            write_stm(output / f"{dataset}-groundtruth-{split}.stm", _references(recordings, rules))
        counts, resized = _frames(corpus, output, process_image, workers, frame_size)
        manifests = tuple(
            Manifest(dataset, split, frame_size, _clips(split, recordings, counts, process_image), home=output)
            for split, recordings in corpus.splits.items()
        )
        for manifest in manifests:
            manifest.save(output / f"{manifest.split}.json")
    except (OSError, VocabularyError, FormatError) as error:
        raise PreparationError(f"{dataset} was not prepared: {error}") from error
    return Prepared(dataset, output, vocabulary, manifests, resized, (*corpus.notes, *_incomplete(corpus)))


def _incomplete(corpus: Corpus) -> list[str]:
    return [
        f"{split}: {len(corpus.splits[split])} clips, where papers report {published}: this is not the whole corpus"
        for split, published in corpus.published_clips.items()
        if len(corpus.splits[split]) != published
    ]


def _references(recordings: Sequence[Recording], rules: str) -> list[Reference]:
    return [
        Reference(recording.id, recording.signer, tuple(normalise(recording.glosses, rules)))
        for recording in recordings
    ]


def _frames(
    corpus: Corpus, output: Path, process_image: bool, workers: int, frame_size: int
) -> tuple[dict[str, int], int]:
    """The number of frames of each recording by id, and how many clips were resized now."""
    recordings = [(split, recording) for split, members in corpus.splits.items() for recording in members]
    if process_image:
        clips = [ClipImages(entry.folder, output / _prepared_folder(split, entry)) for split, entry in recordings]
        outcomes = resize_clips(clips, frame_size, workers)
    else:
        outcomes = count_clips([entry.folder for _, entry in recordings])
    counts = {entry.id: outcome.num_frames for (_, entry), outcome in zip(recordings, outcomes, strict=True)}
    return counts, sum(outcome.written for outcome in outcomes)


def _prepared_folder(split: str, recording: Recording) -> str:
    return f"frames/{split}/{recording.id}"


def _clips(
    split: str, recordings: Sequence[Recording], counts: dict[str, int], process_image: bool
) -> tuple[Clip, ...]:
    return tuple(
        Clip(
            id=recording.id,
            folder=_prepared_folder(split, recording) if process_image else str(recording.folder.absolute()),
            signer=recording.signer,
            glosses=recording.glosses,
            num_frames=counts[recording.id],
        )
        for recording in recordings
    )


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; `--workers` holds the number of cores after `--multiprocessing`."""
    parser = argparse.ArgumentParser(
        description="Prepare a corpus: gloss dictionary, reference transcripts, resized frames and manifests."
    )
    parser.add_argument("--dataset", required=True, choices=tuple(CORPORA), help="the corpus")
    parser.add_argument("--dataset-root", type=Path, help="its folder (default: dataset/NAME in the repository)")
    parser.add_argument("--output", type=Path, help="where to write (default: preprocess/NAME in the repository)")
    parser.add_argument(
        "-p",
        "--process-image",
        action="store_true",
        help="write resized frames; a run that was interrupted goes on where it stopped",
    )
    parser.add_argument("--workers", type=_positive, default=1, metavar="N", help="processes that resize (default: 1)")
    parser.add_argument(
        "-m",
        "--multiprocessing",
        dest="workers",
        action="store_const",
        const=available_cores(),
        help="the same as --workers with the number of cores",
    )
    parser.add_argument(
        "--frame-size",
        type=_positive,
        default=FRAME_SIZE,
        metavar="PIXELS",
        help=f"side of the resized frames (default: {FRAME_SIZE})",
    )
    parser.add_argument("--pack", choices=("lmdb",), help="also pack the resized frames: one file a split")
    args = parser.parse_args(argv)
    if args.pack and not args.process_image:
        parser.error("--pack packs the frames that --process-image writes: give both")
    args.dataset_root = args.dataset_root or REPOSITORY / "dataset" / args.dataset
    args.output = args.output or default_output(args.dataset)
    return args


def default_output(dataset: str) -> Path:
    """Where a corpus is prepared unless told otherwise."""
    return REPOSITORY / "preprocess" / dataset


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, not {text!r}")
    return int(text)


def main(args: argparse.Namespace) -> int:
    """Prepare the corpus and print a summary; returns the exit status, 1 after an error."""
    try:
        prepared = prepare(
            args.dataset,
            args.dataset_root,
            args.output,
            args.process_image,
            args.workers,
            frame_size=args.frame_size,
        )
        packed = pack(args.output) if args.pack else []
    except PreparationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again: finished clips are kept", file=sys.stderr)
        return 130
    print(format_summary(prepared.vocabulary, prepared.manifests, prepared.notes))
    resized = f", {prepared.resized} clips resized now" if args.process_image else ""
    print(f"\nWritten to {prepared.output}{resized}")
    if packed:
        print(report(packed))
    if not args.process_image:
        print("Frames stay in the corpus and are resized whenever they are read; --process-image does that once.")
        if (args.output / "frames").is_dir():
            print(f"The resized frames in {args.output / 'frames'} are not used by these manifests.")
    elsewhere = f" --prepared {args.output}" if args.output != default_output(args.dataset) else ""
    print(f"\nNext: python main.py --config config/baseline.yaml --dataset {args.dataset}{elsewhere}")
    return 0


if __name__ == "__main__":
    sys.exit(main(parse_args()))

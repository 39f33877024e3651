"""Prepare a corpus: gloss dictionary, reference transcripts, resized frames and manifests.

python -m preprocess.prepare --dataset phoenix2014 --process-image --workers 8
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dataset.manifest import Clip, Manifest
from dataset.rendered import copy_mark
from dataset.vocabulary import DICTIONARY, Vocabulary, VocabularyError
from evaluation.ctm import FormatError
from preprocess.corpora.corpus import Corpus, PreparationError, Recording
from preprocess.corpora.registry import CORPORA, read_corpus
from preprocess.finished_clips import ClipToResize, check_image_format, is_video
from preprocess.images import ClipOutcome, count_clip_frames, resize_clips
from preprocess.next_command import format_training_command
from preprocess.options import FRAME_SIZE, parse_args
from preprocess.pack import delete_stale_packs, format_packed, pack
from preprocess.prepared_files import remove_earlier_files, write_references
from preprocess.rates import Rates
from preprocess.summary import format_corpus_summary
from utils.arguments import LARGEST_SIDE
from utils.files import real_path
from utils.output import run_command
from utils.text import plural

Resize = Callable[[], list[ClipOutcome]]  # writes the resized frames of all clips


@dataclass(frozen=True)
class PreparedCorpus:
    """A corpus as `prepare` wrote it.

    Attributes:
        dataset: the name of the corpus.
        output: the folder that holds everything.
        vocabulary: the gloss dictionary.
        manifests: the manifests of train, dev and, where there is one, test.
        resized: the number of clips whose frames were resized now; the others were finished before or left as they are.
        notes: sentences about what was corrected or left out.
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
    labels: Path | None = None,
    seed: int = 0,
    allow_truncated: bool = False,
    fps: float | None = None,
    image_fps: float | None = None,
    image_format: str | None = None,
) -> PreparedCorpus:
    """Prepare a corpus for training and evaluation.

    Writes `gloss_dict.txt`, `<dataset>-groundtruth-<split>.stm`, with `process_image` the frames as
    `frames/<split>/<id>/`, and at last, when all the rest is there, `<split>.json`, the manifests.

    Args:
        dataset: the name of the corpus, a key of `CORPORA`.
        root: the folder of the corpus.
        output: the folder to write to.
        process_image: whether to write resized frames; otherwise the manifests point into `root` and frames are
            resized whenever they are read. Clips that are finished already are not written again.
        workers: the number of processes that resize.
        frame_size: the side in pixels of the resized frames.
        labels: the CSV of the corpus `custom`, if it is not the only one in `root`.
        seed: the seed of the split of the corpus `custom`, if its CSV gives none.
        allow_truncated: whether to take what is there of videos that are cut short or damaged.
        fps: the frames a second to write of each clip, with `process_image`; all frames if None.
        image_fps: the frames a second of clips that are images; the corpus's own if None.
        image_format: the format of the resized frames, "png" or "jpg"; if None, PNG stays PNG, and JPEG and the frames
            of videos become JPEG.

    Raises:
        PreparationError: the corpus is incomplete, malformed or of unlike frame rates, frames of another format are
            there already, or a file can't be written.
    """
    if dataset not in CORPORA:
        raise PreparationError(f"unknown dataset {dataset!r}; choose from {', '.join(CORPORA)}")
    if workers < 1 or not 1 <= frame_size <= LARGEST_SIDE:
        raise PreparationError(
            f"workers ({workers}) and frame size ({frame_size}) must be at least 1, the size at most {LARGEST_SIDE}"
        )
    root, output = Path(root), Path(output)
    if real_path(output) == real_path(root):
        raise PreparationError(f"the output must not be the corpus itself, {root}: name another folder with --output")
    try:
        # Read before anything is removed: a corpus that can't be read leaves an earlier preparation as it was.
        corpus = read_corpus(dataset, root, labels, seed)
        if not process_image:
            _refuse_videos(corpus)
        rates = Rates(image_fps or CORPORA[dataset].frame_rate, fps)
        clips = _list_clips(corpus, output, rates, image_format)
        resize = None
        if process_image:
            check_image_format(clips)
            resize = partial(resize_clips, clips, frame_size, workers, allow_truncated)
        copy_mark(root, output)
        return _write_corpus(dataset, corpus, output, resize, frame_size, rates)
    except (OSError, VocabularyError, FormatError) as error:
        raise PreparationError(f"{dataset} was not prepared: {error}") from error


def _refuse_videos(corpus: Corpus) -> None:
    videos = [recording for members in corpus.splits.values() for recording in members if is_video(recording.source)]
    if videos:
        count = plural(len(videos), "clip is a video", "clips are videos")
        raise PreparationError(
            f"{count} ({videos[0].source.name}, ...), and training reads images: add --process-image, which writes them"
        )


def _write_corpus(
    dataset: str, corpus: Corpus, output: Path, resize: Resize | None, frame_size: int, rates: Rates
) -> PreparedCorpus:
    remove_earlier_files(output, dataset)
    vocabulary = Vocabulary(corpus.glosses, source=str(output / DICTIONARY))
    vocabulary.save(output / DICTIONARY)
    for split, recordings in corpus.splits.items():
        write_references(output, dataset, split, recordings)
    outcomes = _prepare_frames(corpus, resize, rates)
    faulty = [f"{clip}: the video is {' and '.join(o.faults)}" for clip, o in outcomes.items() if o.faults]
    rate, remarks = rates.judge({name: outcome.rate for name, outcome in outcomes.items()})
    manifests = tuple(
        Manifest(dataset, split, frame_size, _make_clips(split, recordings, outcomes, resize is not None), output, rate)
        for split, recordings in corpus.splits.items()
    )
    remarks += delete_stale_packs(output, manifests)
    notes = (*corpus.notes, *faulty, *remarks, *_compare_with_published(dataset, corpus))
    # Last, so that a manifest exists only when all that it names does.
    for manifest in manifests:
        manifest.save(output / f"{manifest.split}.json")
    resized = sum(outcome.written for outcome in outcomes.values())
    return PreparedCorpus(dataset, output, vocabulary, manifests, resized, notes)


def _list_clips(corpus: Corpus, output: Path, rates: Rates, image_format: str | None) -> list[ClipToResize]:
    """List all clips, split by split, with the folders that their resized frames are written to."""
    return [
        ClipToResize(recording.source, output / _name_folder(split, recording), *rates, image_format)
        for split, members in corpus.splits.items()
        for recording in members
    ]


def _prepare_frames(corpus: Corpus, resize: Resize | None, rates: Rates) -> dict[str, ClipOutcome]:
    """Resize or count the frames; returns what became of each recording, by its id."""
    recordings = [recording for members in corpus.splits.values() for recording in members]
    outcomes = resize() if resize else count_clip_frames([entry.source for entry in recordings], rates.images)
    return {entry.id: outcome for entry, outcome in zip(recordings, outcomes, strict=True)}


def _name_folder(split: str, recording: Recording) -> str:
    return f"frames/{split}/{recording.id}"


def _make_clips(
    split: str, recordings: Sequence[Recording], outcomes: Mapping[str, ClipOutcome], process_image: bool
) -> tuple[Clip, ...]:
    return tuple(
        Clip(
            id=recording.id,
            # Relative for frames that lie here, so that the folder can be moved; absolute for those of the corpus.
            folder=_name_folder(split, recording) if process_image else str(recording.source.absolute()),
            signer=recording.signer,
            glosses=recording.glosses,
            num_frames=outcomes[recording.id].num_frames,
        )
        for recording in recordings
    )


def _compare_with_published(dataset: str, corpus: Corpus) -> list[str]:
    return [
        f"{split}: {plural(len(corpus.splits[split]), 'clip')}, where papers report {published}: not the whole corpus"
        for split, published in CORPORA[dataset].published_clips.items()
        if len(corpus.splits[split]) != published
    ]


def main(args: argparse.Namespace) -> int:
    """Prepare the corpus and print a summary; returns the exit status, 1 after an error."""
    try:
        prepared = prepare(
            args.dataset, args.dataset_root, args.output,
            args.process_image,
            args.workers,
            frame_size=args.frame_size,
            labels=args.labels,
            seed=args.seed,
            allow_truncated=args.allow_truncated,
            fps=args.fps,
            image_fps=args.image_fps,
            image_format=args.image_format,
        )  # fmt: skip
        packed = pack(args.output) if args.pack else []
    except PreparationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again: finished clips are kept", file=sys.stderr)
        return 130
    print(format_corpus_summary(prepared.vocabulary, prepared.manifests, prepared.notes))
    resized = f", {plural(prepared.resized, 'clip')} resized now" if args.process_image else ""
    print(f"\nWritten to {prepared.output}{resized}")
    if packed:
        print(format_packed(packed))
    if not args.process_image:
        print("Frames stay in the corpus and are resized whenever they are read; --process-image does that once.")
        if (args.output / "frames").is_dir():
            print(f"The resized frames in {args.output / 'frames'} are not used by these manifests.")
    print(f"\nNext: {format_training_command(args.dataset, args.output, args.frame_size)}")
    return 0


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))

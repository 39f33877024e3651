"""Examining a corpus as it was released, by means of the reader that preparation uses."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from dataset.frames import IMAGE_SUFFIXES, FrameError
from dataset.manifest import Clip, Manifest
from evaluation.normalise import normalise
from preprocess.corpora.corpus import Corpus, Recording
from preprocess.corpora.registry import CORPORA, get_reference_rules, read_corpus
from preprocess.examination.check_result import CheckResult, Verdict, combine_problems, format_error, run_check
from preprocess.examination.frame_checks import (
    REPLACE_VIDEOS,
    UNPACK,
    ClipStates,
    check_counts,
    check_folders,
    check_images,
    check_rates,
    check_sizes,
)
from preprocess.examination.inspect_clips import inspect_clips, read_first_frame
from preprocess.examination.label_checks import check_glosses_seen, check_label_lengths, check_scorable
from preprocess.images import encode_frame
from preprocess.options import FRAME_SIZE
from utils.text import plural

DISK_SAMPLE = 30  # clips whose first frame is resized to estimate the room that all of them will take
ROOT = "corpus: root and annotations"
CLIPS = "corpus: number of clips"
SCORABLE = "corpus: labels can be scored"
FOLDERS = "corpus: clip folders"
IMAGES = "corpus: images"
SIZES = "corpus: image sizes"
RATES = "corpus: frame rates"  # of videos
CHECKS = (CLIPS, SCORABLE, FOLDERS, IMAGES, SIZES)
COUNTS = "corpus: image counts"  # of corpora that state them
LENGTHS = "corpus: label lengths"
SEEN = "corpus: glosses outside train"
DISK = "corpus: free disk"
ONLY_BEFORE = (LENGTHS, SEEN, DISK)
"""Checks that are done on the prepared corpus instead, once there is one."""


def try_reading(dataset: str, root: Path, labels: Path | None, seed: int) -> tuple[Corpus | None, CheckResult]:
    """Read the corpus as `read_corpus` does; None if it can't be read. Also returns the result that says why."""
    try:
        corpus = read_corpus(dataset, root, labels, seed)
    except Exception as error:  # whatever nonsense the annotations hold
        again = "correct this and run the doctor again: only then can it examine the rest of the corpus"
        return None, CheckResult(ROOT, Verdict.ERROR, format_error(error), again)
    clips = sum(len(members) for members in corpus.splits.values())
    what = f"{plural(clips, 'clip')}, {plural(len(corpus.glosses), 'gloss', 'glosses')} in {root}"
    return corpus, CheckResult(ROOT, Verdict.OK, "\n".join([what, *corpus.notes]))


def list_unexamined(prepared: bool) -> list[CheckResult]:
    """List the checks that can't be done on a corpus that can't be read.

    Args:
        prepared: whether it has been prepared, so that some of them are done on what was written instead.
    """
    names = CHECKS if prepared else CHECKS + ONLY_BEFORE
    return [CheckResult(name, Verdict.NOT_EXAMINED, "the corpus could not be read") for name in names]


def examine_texts(dataset: str, corpus: Corpus) -> list[CheckResult]:
    """Do the checks that need no frames."""
    labels = [
        (recording.id, normalise(recording.glosses, get_reference_rules(dataset, split)))
        for split, recordings in corpus.splits.items()
        for recording in recordings
    ]
    scorable = check_scorable(SCORABLE, labels)
    return [_check_published(dataset, corpus), scorable]


def examine_frames(
    dataset: str, root: Path, corpus: Corpus, full: bool, workers: int
) -> tuple[list[CheckResult], ClipStates]:
    """Check the released frames, but not their rates; also returns the state of each clip."""
    recordings = {f"{split} {r.id}": r for split, members in corpus.splits.items() for r in members}
    folders = [recording.source for recording in recordings.values()]
    states = dict(zip(recordings, inspect_clips(folders, full, workers, "inspecting the corpus"), strict=True))
    reader = CORPORA[dataset]
    videos = folders[0].is_file()
    usual = None if videos else reader.image_size  # videos come in sizes of their own
    results = [
        check_folders(FOLDERS, states, root, UNPACK),
        check_images(IMAGES, states, root, REPLACE_VIDEOS if videos else UNPACK),
        check_sizes(SIZES, states, usual, UNPACK),
    ]
    read_lengths = reader.read_lengths
    if read_lengths is not None:
        remedy = f"correct {reader.lengths_file}"
        results += run_check(
            COUNTS, lambda: [_check_stated_counts(read_lengths(root), reader.lengths_file, states)], remedy
        )
    return results, states


def examine_rates(states: ClipStates, manifests: Sequence[Manifest], again: str) -> list[CheckResult]:
    """Check the frame rates of videos, unless preparation has found one rate.

    Args:
        states: the clips by name.
        manifests: the manifests of the prepared corpus, if there are any.
        again: the sentence that says to prepare again.
    """
    if any(manifest.frame_rate for manifest in manifests) or not any(state.rate for state in states.values()):
        return []
    return [check_rates(RATES, states, bool(manifests), again)]


def examine_before_preparation(dataset: str, corpus: Corpus, states: ClipStates, output: Path) -> list[CheckResult]:
    """Do the checks that are later done on manifests, and check that the disk has room."""
    manifests = [
        Manifest(dataset, split, FRAME_SIZE, clips)
        for split, members in corpus.splits.items()
        if (clips := _make_clips(split, members, states))
    ]
    remedy = "correct the corpus's file in config/"  # it is read for how the corpus is trained
    return [
        *run_check(LENGTHS, lambda: [check_label_lengths(LENGTHS, dataset, manifests)], remedy),
        check_glosses_seen(SEEN, corpus.splits),
        *run_check(DISK, lambda: [_check_disk(corpus, states, output)], "make the folder readable"),
    ]


def _check_published(dataset: str, corpus: Corpus) -> CheckResult:
    published_clips = CORPORA[dataset].published_clips
    if not published_clips:
        return CheckResult(CLIPS, Verdict.OK, "not published for this corpus")
    remedy = (
        "unpack the download completely; nothing to do if you want only a part of the corpus, or your own corpus "
        "in its layout"
    )
    found = {split: len(members) for split, members in corpus.splits.items()}
    problems = [
        (Verdict.WARNING, f"{split}: {plural(found[split], 'clip')}, where papers report {published}", remedy)
        for split, published in published_clips.items()
        if found[split] != published
    ]
    return combine_problems(CLIPS, "as many as papers report", problems)


def _check_stated_counts(stated: Mapping[str, int], stated_by: str, states: ClipStates) -> CheckResult:
    ids = {name: name.partition(" ")[2] for name in states}  # a clip is named `<split> <id>` here
    expected = {name: stated[id_] for name, id_ in ids.items() if id_ in stated}
    return check_counts(COUNTS, states, expected, stated_by, Verdict.WARNING, UNPACK)


def _make_clips(split: str, members: Sequence[Recording], states: ClipStates) -> tuple[Clip, ...]:
    counts = {recording: states[f"{split} {recording.id}"].num_frames for recording in members}
    return tuple(Clip(r.id, str(r.source), r.signer, r.glosses, count) for r, count in counts.items() if count)


def _check_disk(corpus: Corpus, states: ClipStates, output: Path) -> CheckResult:
    """Check that there is room for the resized frames, by the size of some of them."""
    folders = [recording.source for members in corpus.splits.values() for recording in members]
    sizes = []
    for folder in folders[:: max(1, len(folders) // DISK_SAMPLE)]:
        try:
            sizes.append(_measure_prepared_frame(folder))
        except (FrameError, OSError, cv2.error):
            continue  # The checks of folders and images say so.
    known = [state.num_frames for state in states.values() if state.num_frames]
    if not sizes or not known:
        return CheckResult(DISK, Verdict.NOT_EXAMINED, "no frame to estimate the size of the prepared ones from")
    frames = round(sum(known) / len(known) * len(folders))
    # An earlier run that was interrupted has written some of them already.
    done = min(1.0, sum(1 for _ in output.glob("frames/*/*")) / len(folders))
    needed = sum(sizes) / len(sizes) * frames * (1 - done)
    place = next(folder for folder in (output, *output.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    what = (
        f"preparing takes about {_format_bytes(needed)} for {plural(frames, 'frame')}, {_format_bytes(free)} are free"
    )
    if needed < free:
        return CheckResult(DISK, Verdict.OK, what)
    remedy = f"free some of {place}, prepare to another disk with --output, or leave out --process-image"
    return CheckResult(DISK, Verdict.ERROR, what, remedy)


def _measure_prepared_frame(folder: Path) -> int:
    image, file = read_first_frame(folder)
    suffix = file.suffix.lower() if file.suffix.lower() in IMAGE_SUFFIXES else ".jpg"  # as frames of videos are written
    return len(encode_frame(image, suffix, FRAME_SIZE))


def _format_bytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"

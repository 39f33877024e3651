"""Examining a corpus as it was released, through the reader that preparation uses."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2

from dataset.frames import IMAGE_SUFFIXES, FrameError, resize_frame
from dataset.manifest import Clip, Manifest
from evaluation.normalise import normalise
from preprocess.corpora.corpus import Corpus, CorpusReader, Recording
from preprocess.corpora.registry import CORPORA, get_reference_rules, read_corpus
from preprocess.examination.clips import first_frame, look_at_clips
from preprocess.examination.finding import Finding, Verdict, attempt, counted, explain, judge
from preprocess.examination.frames import UNPACK, Reports, check_counts, check_folders, check_images, check_sizes
from preprocess.examination.labels import check_lengths, check_scorable, check_seen, training_config
from preprocess.images import JPEG_QUALITY
from preprocess.options import FRAME_SIZE

DISK_SAMPLE = 30
CHECKS = ("number of clips", "labels can be scored", "clip folders", "images", "image sizes")
ONLY_BEFORE = ("label lengths", "glosses outside train", "free disk")


def read_source(dataset: str, root: Path, labels: Path | None, seed: int) -> tuple[Corpus | None, Finding]:
    """The corpus, read as `read_corpus` does, or None if it can't be, and the finding that says so."""
    check = "corpus: root and annotations"
    try:
        corpus = read_corpus(dataset, root, labels, seed)
    except Exception as error:
        again = "mend this and run the doctor again: it sees the rest of the corpus only then"
        return None, Finding(check, Verdict.ERROR, explain(error), again)
    clips = sum(len(members) for members in corpus.splits.values())
    what = f"{counted(clips, 'clip')}, {counted(len(corpus.glosses), 'gloss', 'glosses')} in {root}"
    return corpus, Finding(check, Verdict.OK, "\n".join([what, *corpus.notes]))


def not_examined(prepared: bool) -> list[Finding]:
    """What can't be said about a corpus that can't be read."""
    names = CHECKS if prepared else CHECKS + ONLY_BEFORE
    return [Finding(f"corpus: {name}", Verdict.NOT_EXAMINED, "the corpus could not be read") for name in names]


def examine_texts(dataset: str, corpus: Corpus) -> list[Finding]:
    """The checks that need no frames."""
    labels = [
        (recording.id, normalise(recording.glosses, get_reference_rules(dataset, split)))
        for split, recordings in corpus.splits.items()
        for recording in recordings
    ]
    scorable = check_scorable(f"corpus: {CHECKS[1]}", labels)
    return [_check_published(dataset, corpus), scorable]


def examine_frames(dataset: str, root: Path, corpus: Corpus, full: bool, workers: int) -> tuple[list[Finding], Reports]:
    """The checks of the released frames, and what was seen of each clip."""
    recordings = {f"{split} {r.id}": r for split, members in corpus.splits.items() for r in members}
    folders = [recording.source for recording in recordings.values()]
    reports = dict(zip(recordings, look_at_clips(folders, full, workers, "looking at the corpus"), strict=True))
    reader = CORPORA[dataset]
    usual = None if folders[0].is_file() else reader.image_size  # videos come in sizes of their own
    findings = [
        check_folders(f"corpus: {CHECKS[2]}", reports, root, UNPACK),
        check_images(f"corpus: {CHECKS[3]}", reports, root, UNPACK),
        check_sizes(f"corpus: {CHECKS[4]}", reports, usual, UNPACK),
    ]
    if reader.read_lengths is not None:
        counts = "corpus: image counts"
        mend = f"correct {reader.lengths_file}"
        findings += attempt(counts, lambda: [_check_lengths(counts, reader, root, reports)], mend)
    return findings, reports


def examine_before_preparation(dataset: str, corpus: Corpus, reports: Reports, output: Path) -> list[Finding]:
    """What is asked of the manifests where there are some, and whether there is room for what preparation writes."""
    manifests = [
        Manifest(dataset, split, FRAME_SIZE, clips)
        for split, members in corpus.splits.items()
        if (clips := _clips(split, members, reports))
    ]
    lengths, seen, disk = (f"corpus: {name}" for name in ONLY_BEFORE)
    mend = "correct the corpus' file in config/"
    return [
        *attempt(lengths, lambda: [check_lengths(lengths, manifests, training_config(dataset))], mend),
        check_seen(seen, corpus.splits),
        *attempt(disk, lambda: [_check_disk(disk, corpus, reports, output)], "make the folder readable"),
    ]


def _check_published(dataset: str, corpus: Corpus) -> Finding:
    check = f"corpus: {CHECKS[0]}"
    published_clips = CORPORA[dataset].published_clips
    if not published_clips:
        return Finding(check, Verdict.OK, "not published for this corpus")
    remedy = "unpack the download completely; none if part of the corpus, or one made in its layout, is what you want"
    found = {split: len(members) for split, members in corpus.splits.items()}
    problems = [
        (Verdict.WARNING, f"{split}: {counted(found[split], 'clip')}, where papers report {published}", remedy)
        for split, published in published_clips.items()
        if found[split] != published
    ]
    return judge(check, "as many as papers report", problems)


def _check_lengths(check: str, reader: CorpusReader, root: Path, reports: Reports) -> Finding:
    lengths = reader.read_lengths(root)
    expected = {name: lengths[name.partition(" ")[2]] for name in reports if name.partition(" ")[2] in lengths}
    return check_counts(check, reports, expected, reader.lengths_file, Verdict.WARNING, UNPACK)


def _clips(split: str, members: Sequence[Recording], reports: Reports) -> tuple[Clip, ...]:
    counts = {recording: reports[f"{split} {recording.id}"].num_frames for recording in members}
    return tuple(Clip(r.id, str(r.source), r.signer, r.glosses, count) for r, count in counts.items() if count)


def _check_disk(check: str, corpus: Corpus, reports: Reports, output: Path) -> Finding:
    """Whether there is room for the resized frames, from the size of some of them."""
    folders = [recording.source for members in corpus.splits.values() for recording in members]
    sizes = []
    for folder in folders[:: max(1, len(folders) // DISK_SAMPLE)]:
        try:
            sizes.append(_prepared_bytes(folder))
        except (FrameError, OSError, cv2.error):
            continue  # said by the checks of folders and images
    known = [report.num_frames for report in reports.values() if report.num_frames]
    if not sizes or not known:
        return Finding(check, Verdict.NOT_EXAMINED, "no frame to estimate the size of the prepared ones from")
    frames = round(sum(known) / len(known) * len(folders))
    done = min(1.0, sum(1 for _ in output.glob("frames/*/*")) / len(folders))  # by a run that was interrupted
    needed = sum(sizes) / len(sizes) * frames * (1 - done)
    place = next(folder for folder in (output, *output.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    what = f"preparing takes about {_gigabytes(needed)} for {counted(frames, 'frame')}, {_gigabytes(free)} are free"
    if needed < free:
        return Finding(check, Verdict.OK, what)
    remedy = f"free some of {place}, prepare to another disk with --output, or leave out --process-image"
    return Finding(check, Verdict.ERROR, what, remedy)


def _prepared_bytes(folder: Path) -> int:
    image, file = first_frame(folder)
    suffix = file.suffix.lower() if file.suffix.lower() in IMAGE_SUFFIXES else ".jpg"
    resized = cv2.cvtColor(resize_frame(image, FRAME_SIZE), cv2.COLOR_RGB2BGR)
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(suffix, resized, options)[1].nbytes


def _gigabytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"

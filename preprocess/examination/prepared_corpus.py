"""Examining a corpus after preparation: manifests, frames, dictionary and references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dataset.corpus_files import locate_references
from dataset.manifest import SPLITS, Manifest
from dataset.vocabulary import DICTIONARY, Vocabulary
from evaluation.ctm import read_stm
from evaluation.normalise import normalise
from preprocess.corpora.corpus import Corpus
from preprocess.corpora.registry import get_reference_rules
from preprocess.examination.check_result import (
    CheckResult,
    Verdict,
    combine_problems,
    format_error,
    join_examples,
    run_check,
)
from preprocess.examination.frame_checks import (
    UNPACK,
    ClipStates,
    check_counts,
    check_folders,
    check_images,
    check_sizes,
)
from preprocess.examination.inspect_clips import inspect_clips
from preprocess.examination.label_checks import check_glosses_seen, check_label_lengths, load_training_config
from preprocess.finished_clips import read_marker
from utils.text import plural
from utils.unicode import name_unseen, to_nfc

AGAIN = "prepare again by the command below; finished clips are kept"
MANIFESTS = "prepared: manifests"
FOLDERS = "prepared: clip folders"
COUNTS = "prepared: frame counts"
IMAGES = "prepared: images"
SIZES = "prepared: image sizes"
GLOSSES = "prepared: dictionary"
REFERENCES = "prepared: references"
LENGTHS = "prepared: label lengths"
CHECKS = (FOLDERS, COUNTS, IMAGES, SIZES, GLOSSES, REFERENCES, LENGTHS)
SEEN, CROP, SAME = "prepared: glosses outside train", "prepared: crop", "prepared: of this corpus"


def is_prepared(folder: Path) -> bool:
    """Whether preparation has begun to write into `folder`."""
    return any((folder / name).exists() for name in (DICTIONARY, "frames", *(f"{split}.json" for split in SPLITS)))


def has_frames_inside(manifests: Sequence[Manifest]) -> bool:
    """Whether the frames lie with the manifests, so that the corpus is no longer needed."""
    return bool(manifests) and not any(Path(clip.folder).is_absolute() for m in manifests for clip in m.clips)


def load_manifests(dataset: str, folder: Path) -> tuple[list[Manifest], CheckResult]:
    """Load the manifests that can be read; also returns what is wrong with them."""
    manifests, problems = [], []
    for split in SPLITS:
        path = folder / f"{split}.json"
        if split == "test" and not path.exists() and not locate_references(folder, dataset, split).exists():
            continue  # a corpus without a test split, as CSL; if it had one, references would be there
        if not path.exists():
            problems.append((Verdict.ERROR, f"no manifest {path}", AGAIN))
            continue
        try:
            manifest = Manifest.load(path)
        except Exception as error:  # whatever nonsense the file holds
            problems.append((Verdict.ERROR, format_error(error), AGAIN))
            continue
        manifests.append(manifest)
        for what, found, expected in (("dataset", manifest.dataset, dataset), ("split", manifest.split, split)):
            if found != expected:
                problems.append((Verdict.ERROR, f"{path} is of {what} {found}, not {expected}", AGAIN))
    rates = {manifest.split: manifest.frame_rate for manifest in manifests}
    if len(set(rates.values())) > 1:
        stated = ", ".join(f"{split} {rate or 'unknown'}" for split, rate in rates.items())
        problems.append((Verdict.ERROR, f"the splits state unlike frame rates: {stated}", AGAIN))
    names = Counter(clip.id for manifest in manifests for clip in manifest.clips)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        problems.append((Verdict.ERROR, f"{plural(len(twice), 'id')} in two splits: {join_examples(twice)}", AGAIN))
    clips = ", ".join(f"{manifest.split} {len(manifest.clips)}" for manifest in manifests)
    return manifests, combine_problems(MANIFESTS, f"clips: {clips}", problems)


def list_unexamined() -> list[CheckResult]:
    """List the checks that can't be done without manifests."""
    return [CheckResult(name, Verdict.NOT_EXAMINED, "no manifest could be read") for name in CHECKS]


def examine_frames(manifests: Sequence[Manifest], folder: Path, full: bool, workers: int) -> list[CheckResult]:
    """Check the frames that training reads."""
    clips = {f"{manifest.split} {clip.id}": (manifest, clip) for manifest in manifests for clip in manifest.clips}
    paths = [manifest.clip_folder(clip) for manifest, clip in clips.values()]
    states = dict(zip(clips, inspect_clips(paths, full, workers, "inspecting prepared frames"), strict=True))
    expected = {name: clip.num_frames for name, (_, clip) in clips.items()}
    resized, size = has_frames_inside(manifests), manifests[0].frame_size
    # Preparation keeps a clip that has all its images and their ends, so a damaged one is only written again if its
    # folder is removed first.
    lost, anew = (AGAIN, f"remove the folders of these clips, then {AGAIN}") if resized else (UNPACK, UNPACK)
    return [
        check_folders(FOLDERS, states, folder, lost),
        check_counts(COUNTS, states, expected, "the manifest", Verdict.ERROR, lost),
        check_images(IMAGES, states, folder, anew),
        check_sizes(SIZES, states, (size, size) if resized else None, anew),
    ]


def examine_texts(dataset: str, folder: Path, manifests: Sequence[Manifest]) -> list[CheckResult]:
    """Check dictionary, references and labels."""
    remedy = "correct the corpus's file in config/"
    return [
        _check_dictionary(folder, manifests),
        _check_references(dataset, folder, manifests),
        *run_check(LENGTHS, lambda: [check_label_lengths(LENGTHS, dataset, manifests)], remedy),
        check_glosses_seen(SEEN, {manifest.split: manifest.clips for manifest in manifests}),
        *run_check(CROP, lambda: [_check_crop(dataset, manifests)], remedy),
    ]


def check_same_corpus(corpus: Corpus, manifests: Sequence[Manifest], states: ClipStates) -> CheckResult:
    """Check that the corpus, where it is still there, is what was prepared: ids, labels and the known frame counts."""
    problems = []
    for manifest in manifests:
        released = {recording.id: recording for recording in corpus.splits.get(manifest.split, ())}
        clips = {to_nfc(clip.id): clip for clip in manifest.clips}
        changed = [name for name in clips.keys() & released.keys() if clips[name].glosses != released[name].glosses]
        counts = [
            name
            for name, clip in clips.items()
            if _has_other_length(states, manifest.split, name, clip.num_frames)
            and "fps" not in read_marker(manifest.clip_folder(clip))  # else resampling has changed it
        ]
        for names, how in (
            (released.keys() - clips.keys(), "only in the corpus"),
            (clips.keys() - released.keys(), "only in the manifest"),
            (changed, "with another label in the corpus"),
            (counts, "with another number of frames in the corpus"),
        ):
            if names:
                what = f"{manifest.split}: {plural(len(names), 'clip')} {how}: {join_examples(sorted(names))}"
                problems.append((Verdict.WARNING, what, AGAIN))
    return combine_problems(SAME, "same clips and labels as the corpus has now", problems)


def _has_other_length(states: ClipStates, split: str, name: str, num_frames: int) -> bool:
    state = states.get(f"{split} {name}")
    return state is not None and bool(state.num_frames) and state.num_frames != num_frames


def _check_dictionary(folder: Path, manifests: Sequence[Manifest]) -> CheckResult:
    try:
        vocabulary = Vocabulary.load(folder / DICTIONARY)
    except Exception as error:  # whatever nonsense the file holds
        return CheckResult(GLOSSES, Verdict.ERROR, format_error(error), AGAIN)
    problems = []
    for manifest in manifests:
        unknown = sorted({g for clip in manifest.clips for g in clip.glosses if g not in vocabulary})
        if unknown:
            what = f"{manifest.split}: {plural(len(unknown), 'gloss', 'glosses')} of its labels not in {DICTIONARY}: "
            problems.append((Verdict.ERROR, what + join_examples(unknown), AGAIN))
    twice = [gloss for gloss, count in Counter(vocabulary.glosses).items() if count > 1]
    if twice:
        what = f"in two Unicode forms, so with two ids, both of which are read as the gloss: {join_examples(twice)}"
        remedy = f"none where a network was trained on it; else {AGAIN}"
        problems.append((Verdict.WARNING, f"{plural(len(twice), 'gloss', 'glosses')} {what}", remedy))
    unseen = [f"{gloss!r} ({name})" for gloss in vocabulary.glosses if (name := name_unseen(gloss))]
    if unseen:
        what = f"{plural(len(unseen), 'gloss', 'glosses')} with what cannot be seen: {join_examples(unseen)}"
        problems.append((Verdict.WARNING, what, f"take it out of the annotations, then {AGAIN}"))
    fine = f"{plural(len(vocabulary), 'gloss', 'glosses')}, all labels spelt with them"
    return combine_problems(GLOSSES, fine, problems)


def _check_references(dataset: str, folder: Path, manifests: Sequence[Manifest]) -> CheckResult:
    """Check that each clip has its reference, in the manifest's order, with the glosses of its normalised label."""
    problems = []
    for manifest in manifests:
        path = locate_references(folder, dataset, manifest.split)
        try:
            references = read_stm(path, allow_unseen=True)
        except Exception as error:  # likewise
            problems.append((Verdict.ERROR, format_error(error), AGAIN))
            continue
        rules = get_reference_rules(dataset, manifest.split)
        labels = {clip.id: tuple(normalise(clip.glosses, rules)) for clip in manifest.clips}
        signed = {reference.id: reference.glosses for reference in references}
        other = [name for name in labels if name in signed and signed[name] != labels[name]]
        for names, how in (
            (labels.keys() - signed.keys(), "without reference"),
            (signed.keys() - labels.keys(), "only in the references"),
            (other, "with other glosses in the reference"),
        ):
            if names:
                what = f"{path.name}: {plural(len(names), 'clip')} {how}: {join_examples(sorted(names))}"
                problems.append((Verdict.ERROR, what, AGAIN))
        if labels.keys() == signed.keys() and [*labels] != [*signed]:
            problems.append((Verdict.ERROR, f"{path.name} is in another order than {manifest.split}.json", AGAIN))
    return combine_problems(REFERENCES, "same clips, order and glosses as the manifests", problems)


def _check_crop(dataset: str, manifests: Sequence[Manifest]) -> CheckResult:
    """Check that frames are at least as large as the crop that training takes unless told otherwise."""
    size = min(manifest.frame_size for manifest in manifests)
    crop = load_training_config(dataset).feeder_args.input_size
    if size >= crop:
        return CheckResult(CROP, Verdict.OK, f"frames of {size}x{size} pixels, of which the network sees {crop}x{crop}")
    what = f"frames of {size}x{size} pixels are smaller than the {crop}x{crop} that the network sees by default"
    remedy = "train with a smaller feeder_args.input_size, as config/quickstart.yaml does, or prepare larger frames"
    return CheckResult(CROP, Verdict.WARNING, what, remedy)

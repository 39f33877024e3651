"""Examining what preparation wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from config.schema import Config
from dataset.manifest import SPLITS, Manifest
from dataset.vocabulary import Vocabulary
from evaluation.ctm import read_stm
from evaluation.normalise import normalise
from preprocess.corpora.corpus import Corpus
from preprocess.corpora.registry import get_reference_rules
from preprocess.examination.clips import look_at_clips
from preprocess.examination.finding import Finding, Verdict, attempt, counted, examples, explain, judge
from preprocess.examination.frames import UNPACK, Reports, check_counts, check_folders, check_images, check_sizes
from preprocess.examination.labels import check_lengths, check_seen, training_config

DICTIONARY = "gloss_dict.txt"
AGAIN = "prepare again (how is said below); finished clips are kept"
CHECKS = ("clip folders", "frame counts", "images", "image sizes", "dictionary", "references", "label lengths")


def is_prepared(folder: Path) -> bool:
    """Whether preparation has begun to write into `folder`."""
    return any((folder / name).exists() for name in (DICTIONARY, "frames", *(f"{split}.json" for split in SPLITS)))


def frames_inside(manifests: Sequence[Manifest]) -> bool:
    """Whether the frames lie with the manifests, so that the corpus is no longer needed."""
    return bool(manifests) and not any(Path(clip.folder).is_absolute() for m in manifests for clip in m.clips)


def load_manifests(dataset: str, folder: Path) -> tuple[list[Manifest], Finding]:
    """The manifests that can be read, and what is wrong with them."""
    manifests, problems = [], []
    for split in SPLITS:
        path = folder / f"{split}.json"
        if split == "test" and not path.exists() and not _references(dataset, folder, split).exists():
            continue  # CSL has none
        if not path.exists():
            problems.append((Verdict.ERROR, f"no manifest {path}", AGAIN))
            continue
        try:
            manifest = Manifest.load(path)
        except Exception as error:
            problems.append((Verdict.ERROR, explain(error), AGAIN))
            continue
        manifests.append(manifest)
        for what, found, expected in (("dataset", manifest.dataset, dataset), ("split", manifest.split, split)):
            if found != expected:
                problems.append((Verdict.ERROR, f"{path} is of {what} {found}, not {expected}", AGAIN))
    names = Counter(clip.id for manifest in manifests for clip in manifest.clips)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        problems.append((Verdict.ERROR, f"{counted(len(twice), 'id')} in two splits: {examples(twice)}", AGAIN))
    clips = ", ".join(f"{manifest.split} {len(manifest.clips)}" for manifest in manifests)
    return manifests, judge("prepared: manifests", f"clips: {clips}", problems)


def not_examined() -> list[Finding]:
    """What can't be said without manifests."""
    return [Finding(f"prepared: {name}", Verdict.NOT_EXAMINED, "no manifest could be read") for name in CHECKS]


def examine_frames(manifests: Sequence[Manifest], folder: Path, full: bool, workers: int) -> list[Finding]:
    """The checks of the frames that training reads."""
    clips = {f"{manifest.split} {clip.id}": (manifest, clip) for manifest in manifests for clip in manifest.clips}
    paths = [manifest.clip_folder(clip) for manifest, clip in clips.values()]
    reports = dict(zip(clips, look_at_clips(paths, full, workers, "looking at prepared frames"), strict=True))
    expected = {name: clip.num_frames for name, (_, clip) in clips.items()}
    resized, size = frames_inside(manifests), manifests[0].frame_size
    # Preparation takes a clip for finished that has all its images and their ends, so it needs to be removed.
    lost, anew = (AGAIN, f"remove the folders of these clips, then {AGAIN}") if resized else (UNPACK, UNPACK)
    return [
        check_folders(f"prepared: {CHECKS[0]}", reports, folder, lost),
        check_counts(f"prepared: {CHECKS[1]}", reports, expected, "the manifest", Verdict.ERROR, lost),
        check_images(f"prepared: {CHECKS[2]}", reports, folder, anew),
        check_sizes(f"prepared: {CHECKS[3]}", reports, (size, size) if resized else None, anew),
    ]


def examine_texts(dataset: str, folder: Path, manifests: Sequence[Manifest]) -> list[Finding]:
    """The checks of dictionary, references and labels."""
    lengths, crop = f"prepared: {CHECKS[6]}", "prepared: crop"
    mend = "correct the corpus' file in config/"
    return [
        _check_dictionary(folder, manifests),
        _check_references(dataset, folder, manifests),
        *attempt(lengths, lambda: [check_lengths(lengths, manifests, training_config(dataset))], mend),
        check_seen("prepared: glosses outside train", {manifest.split: manifest.clips for manifest in manifests}),
        *attempt(crop, lambda: [_check_crop(crop, manifests, training_config(dataset))], mend),
    ]


def check_same(corpus: Corpus, manifests: Sequence[Manifest], reports: Reports) -> Finding:
    """The corpus, where it is still there, is what was prepared: ids, labels and, as far as seen, frame counts."""
    problems = []
    for manifest in manifests:
        released = {recording.id: recording for recording in corpus.splits.get(manifest.split, ())}
        clips = {clip.id: clip for clip in manifest.clips}
        changed = [name for name in clips.keys() & released.keys() if clips[name].glosses != released[name].glosses]
        counts = [name for name, clip in clips.items() if _recut(reports, manifest.split, name, clip.num_frames)]
        for names, how in (
            (released.keys() - clips.keys(), "only in the corpus"),
            (clips.keys() - released.keys(), "only in the manifest"),
            (changed, "with another label in the corpus"),
            (counts, "with another number of frames in the corpus"),
        ):
            if names:
                what = f"{manifest.split}: {counted(len(names), 'clip')} {how}: {examples(sorted(names))}"
                problems.append((Verdict.WARNING, what, AGAIN))
    return judge("prepared: of this corpus", "same clips and labels as the corpus has now", problems)


def _recut(reports: Reports, split: str, name: str, num_frames: int) -> bool:
    report = reports.get(f"{split} {name}")
    return report is not None and bool(report.num_frames) and report.num_frames != num_frames


def _references(dataset: str, folder: Path, split: str) -> Path:
    return folder / f"{dataset}-groundtruth-{split}.stm"


def _check_dictionary(folder: Path, manifests: Sequence[Manifest]) -> Finding:
    check = f"prepared: {CHECKS[4]}"
    try:
        vocabulary = Vocabulary.load(folder / DICTIONARY)
    except Exception as error:
        return Finding(check, Verdict.ERROR, explain(error), AGAIN)
    problems = []
    for manifest in manifests:
        unknown = sorted({g for clip in manifest.clips for g in clip.glosses if g not in vocabulary})
        if unknown:
            what = f"{manifest.split}: {counted(len(unknown), 'gloss', 'glosses')} of its labels not in {DICTIONARY}: "
            problems.append((Verdict.ERROR, what + examples(unknown), AGAIN))
    return judge(check, f"{counted(len(vocabulary), 'gloss', 'glosses')}, all labels spelt with them", problems)


def _check_references(dataset: str, folder: Path, manifests: Sequence[Manifest]) -> Finding:
    """Each clip has its reference, in the order of the manifest, with the glosses of its label under the rules."""
    problems = []
    for manifest in manifests:
        path = _references(dataset, folder, manifest.split)
        try:
            references = read_stm(path)
        except Exception as error:
            problems.append((Verdict.ERROR, explain(error), AGAIN))
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
                what = f"{path.name}: {counted(len(names), 'clip')} {how}: {examples(sorted(names))}"
                problems.append((Verdict.ERROR, what, AGAIN))
        if labels.keys() == signed.keys() and [*labels] != [*signed]:
            problems.append((Verdict.ERROR, f"{path.name} is in another order than {manifest.split}.json", AGAIN))
    return judge(f"prepared: {CHECKS[5]}", "same clips, order and glosses as the manifests", problems)


def _check_crop(check: str, manifests: Sequence[Manifest], config: Config) -> Finding:
    """Frames are at least as large as the crop that training takes unless told otherwise."""
    size, crop = min(manifest.frame_size for manifest in manifests), config.feeder_args.input_size
    if size >= crop:
        return Finding(check, Verdict.OK, f"frames of {size}x{size} pixels, of which the network sees {crop}x{crop}")
    what = f"frames of {size}x{size} pixels are smaller than the {crop}x{crop} that the network sees by default"
    remedy = "train with a smaller feeder_args.input_size, as config/quickstart.yaml does, or prepare larger frames"
    return Finding(check, Verdict.WARNING, what, remedy)

"""Checks of labels, before and after preparation: can they be learnt, spelt and scored?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from config.load import list_corpora, load_config
from config.schema import Config
from dataset.manifest import Clip, Manifest
from evaluation.ctm import FormatError, check_gloss, fold_case
from preprocess.corpora.corpus import Recording
from preprocess.examination.finding import Finding, Verdict, counted, examples, judge, listed
from utils.temporal import TemporalSpec


def training_config(dataset: str) -> Config:
    """What a corpus is trained with, unless a user's configuration says otherwise.

    Raises:
        ConfigError: the corpus' file in `config/` is malformed.
    """
    # A corpus without a file there has to be told where it lies and how it is scored; neither matters here.
    needed = {} if dataset in list_corpora() else {"prepared": ".", "normalise": "none"}
    return load_config(None, {"dataset": dataset, **needed})[0]


def check_lengths(check: str, manifests: Sequence[Manifest], config: Config) -> Finding:
    """Clips have enough frames for CTC to spell their labels; `skip_short` says what training does with the others."""
    if not manifests:
        return Finding(check, Verdict.NOT_EXAMINED, "no frames were counted")
    spec, feeder = TemporalSpec(config.model_args.conv_type), config.feeder_args
    problems = []
    for manifest in manifests:
        short = manifest.find_short_clips(spec, feeder.frame_interval)
        if not short:
            continue
        named = listed([_shortage(clip, spec, feeder.frame_interval) for clip in short])
        what = f"{manifest.split}: {counted(len(short), 'clip')} too short for the label:{named}"
        if manifest.split != "train":
            remedy = "none: such labels can't be read whole, which costs WER"
            problems.append((Verdict.WARNING, what, remedy))
        elif len(short) == len(manifest.clips):
            problems.append((Verdict.ERROR, what, "see whether frames are missing: there is no clip to train on"))
        elif feeder.skip_short:
            remedy = f"none: skip_short is true in config/{manifest.dataset}.yaml, so training leaves them out"
            problems.append((Verdict.WARNING, what, remedy))
        else:
            remedy = "see whether frames are missing; if not, train with feeder_args.skip_short=true"
            problems.append((Verdict.ERROR, what, remedy))
    clips = sum(len(manifest.clips) for manifest in manifests)
    fine = f"{counted(clips, 'label')} fit their clips, at {counted(spec.stride, 'frame')} an output step"
    return judge(check, fine, problems)


def check_seen(check: str, labels: Mapping[str, Sequence[Clip | Recording]]) -> Finding:
    """The glosses of the labels of dev and test occur in those of train; `labels` has the clips of each split."""
    glosses = {split: {gloss for clip in clips for gloss in clip.glosses} for split, clips in labels.items()}
    if "train" not in glosses:
        return Finding(check, Verdict.NOT_EXAMINED, "there is no train split to compare with")
    problems = []
    for split, found in glosses.items():
        unseen = sorted(found - glosses["train"])
        if unseen:
            what = f"{split}: {len(unseen)} of {counted(len(found), 'gloss', 'glosses')} never occur in train: "
            remedy = "none if the split is the published one: they can't be learnt, and cost WER"
            problems.append((Verdict.WARNING, what + examples(unseen), remedy))
    return judge(check, "all glosses of the other splits occur in train", problems)


def check_scorable(check: str, references: Iterable[tuple[str, Sequence[str]]]) -> Finding:
    """Ids and reference glosses can be written to STM and CTM files; preparation refuses the others."""
    problems, ids = [], []
    for name, glosses in references:
        ids.append(name)
        try:
            for index, gloss in enumerate(glosses):
                check_gloss(gloss, first_of_reference=index == 0)
        except FormatError as error:
            problems.append(f"{name}: {error}")
    same = [name for name, count in Counter(map(fold_case, ids)).items() if count > 1]
    problems += [f"ids that differ in case alone, which sclite takes for one: {name}" for name in same]
    if not problems:
        return Finding(check, Verdict.OK, f"{counted(len(ids), 'label')} can be scored")
    what = f"{counted(len(problems), 'label')} can't be scored:{listed(problems)}"
    return Finding(check, Verdict.ERROR, what, "rename these in the annotations of the corpus")


def _shortage(clip: Clip, spec: TemporalSpec, interval: int) -> str:
    steps = spec.output_length(-(-clip.num_frames // interval))
    needed = spec.steps_needed(clip.glosses)
    return f"{clip.id}: {counted(clip.num_frames, 'frame')} give {counted(steps, 'output step')}, it needs {needed}"

"""Checks of labels, before and after preparation: can they be learnt, spelt and scored?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from config.load import list_corpora, load_config
from config.schema import Config
from config.sections import FeederArgs
from dataset.manifest import Clip, Manifest
from evaluation.ctm import FormatError, check_gloss, fold_case
from preprocess.corpora.corpus import Recording
from preprocess.examination.check_result import (
    CheckResult,
    Verdict,
    combine_problems,
    join_examples,
    list_examples,
)
from utils.temporal import TemporalSpec
from utils.text import plural


def load_training_config(dataset: str) -> Config:
    """Load the configuration that a corpus is trained with, unless a user's says otherwise.

    Raises:
        ConfigError: the corpus's file in `config/` is malformed.
    """
    # A corpus without a file there has to be told where it lies and how it is scored; neither matters here.
    needed = {} if dataset in list_corpora() else {"prepared": ".", "normalise": "none"}
    return load_config(None, {"dataset": dataset, **needed})[0]


def check_label_lengths(check: str, dataset: str, manifests: Sequence[Manifest]) -> CheckResult:
    """Check that clips have enough frames for CTC to spell their labels, as the corpus is trained by default.

    Raises:
        ConfigError: the corpus's file in `config/` is malformed.
    """
    config = load_training_config(dataset)
    if not manifests:
        return CheckResult(check, Verdict.NOT_EXAMINED, "no frames were counted")
    spec, feeder = TemporalSpec(config.model_args.conv_type), config.feeder_args
    problems = []
    for manifest in manifests:
        short = manifest.find_short_clips(spec, feeder.frame_interval)
        if short:
            named = list_examples([_describe_shortage(clip, spec, feeder.frame_interval) for clip in short])
            what = f"{manifest.split}: {plural(len(short), 'clip')} too short for the label:{named}"
            verdict, remedy = _judge_short_clips(manifest, short, feeder)
            problems.append((verdict, what, remedy))
    clips = sum(len(manifest.clips) for manifest in manifests)
    fine = f"{plural(clips, 'label')} fit their clips, at {plural(spec.stride, 'frame')} an output step"
    return combine_problems(check, fine, problems)


def _judge_short_clips(manifest: Manifest, short: Sequence[Clip], feeder: FeederArgs) -> tuple[Verdict, str]:
    """Say how bad it is that clips are too short, and what to do; in training CTC's loss is infinite for them."""
    if manifest.split != "train":
        return Verdict.WARNING, "none: such labels can't be recognised completely, which costs WER"
    if len(short) == len(manifest.clips):
        return Verdict.ERROR, "see whether frames are missing: there is no clip to train on"
    if feeder.skip_short:
        return (
            Verdict.WARNING,
            f"none: skip_short is true in config/{manifest.dataset}.yaml, so training leaves them out",
        )
    return Verdict.ERROR, "see whether frames are missing; if not, train with feeder_args.skip_short=true"


def check_glosses_seen(check: str, labels: Mapping[str, Sequence[Clip | Recording]]) -> CheckResult:
    """Check that the glosses of dev and test occur in train.

    Args:
        check: the name of the check.
        labels: the clips of each split.
    """
    glosses = {split: {gloss for clip in clips for gloss in clip.glosses} for split, clips in labels.items()}
    if "train" not in glosses:
        return CheckResult(check, Verdict.NOT_EXAMINED, "there is no train split to compare with")
    problems = []
    for split, found in glosses.items():
        unseen = sorted(found - glosses["train"])
        if unseen:
            what = f"{split}: {len(unseen)} of {plural(len(found), 'gloss', 'glosses')} never occur in train: "
            remedy = "none if the split is the published one: they can't be learnt, and cost WER"
            problems.append((Verdict.WARNING, what + join_examples(unseen), remedy))
    return combine_problems(check, "all glosses of the other splits occur in train", problems)


def check_scorable(check: str, references: Iterable[tuple[str, Sequence[str]]]) -> CheckResult:
    """Check that ids and reference glosses can be written to STM and CTM files; preparation refuses the others.

    Args:
        check: the name of the check.
        references: the id of each clip with the glosses of its reference.
    """
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
        return CheckResult(check, Verdict.OK, f"{plural(len(ids), 'label')} can be scored")
    what = f"{plural(len(problems), 'label')} can't be scored:{list_examples(problems)}"
    return CheckResult(check, Verdict.ERROR, what, "rename these in the annotations of the corpus")


def _describe_shortage(clip: Clip, spec: TemporalSpec, interval: int) -> str:
    steps = spec.output_length(-(-clip.num_frames // interval))
    needed = spec.steps_needed(clip.glosses)
    return f"{clip.id}: {plural(clip.num_frames, 'frame')} give {plural(steps, 'output step')}, it needs {needed}"

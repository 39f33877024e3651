"""Checks of the frames of clips, before and after preparation; they judge what `inspect_clips` found.

Clips are named `<split> <id>` here. `home` is cut from the front of paths in messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from dataset.frame_rate import DEFAULT_FRAME_RATE, find_common_rate, is_same_rate
from preprocess.examination.check_result import (
    CheckResult,
    Verdict,
    combine_problems,
    join_examples,
    list_examples,
)
from preprocess.examination.inspect_clips import ClipState
from preprocess.rates import advise_resampling, describe_unlike_rates
from utils.text import plural

ClipStates = Mapping[str, ClipState]
UNPACK = "unpack these clips from the download again"
REPLACE_VIDEOS = "copy these videos again, or prepare with --allow-truncated, which takes what is there"
ODD = "frames are resized, so training works; check that these clips belong to this corpus and are not cropped"


def check_folders(check: str, states: ClipStates, home: Path, remedy: str) -> CheckResult:
    """Check that every clip has frames: its folder is there and holds images, or its video has frames."""
    missing = [state.missing for state in states.values() if state.missing]
    if missing:
        what = f"no frames in {len(missing)} of {plural(len(states), 'clip')}:{list_examples(missing)}"
        return CheckResult(check, Verdict.ERROR, _cut_home(what, home), remedy)
    what = f"{plural(len(states), 'clip')}, {plural(sum(state.num_frames or 0 for state in states.values()), 'frame')}"
    unknown = sum(state.num_frames is None for state in states.values())
    if unknown:
        what += f" without those of {plural(unknown, 'video')} that were not decoded"
    return CheckResult(check, Verdict.OK, what)


def check_images(check: str, states: ClipStates, home: Path, remedy: str) -> CheckResult:
    """Check that no image or video is empty, cut short or damaged, as far as they were decoded."""
    decoded = sum(state.decoded for state in states.values())
    damaged = [state for state in states.values() if state.damaged]
    if not decoded and not damaged:
        return CheckResult(check, Verdict.NOT_EXAMINED, "no image could be decoded")
    if not damaged:
        return CheckResult(check, Verdict.OK, f"{plural(decoded, 'image')} decoded, all of them sound")
    images = plural(sum(state.damaged for state in damaged), "image")
    named = list_examples([state.damage for state in damaged])
    what = f"{images} in {plural(len(damaged), 'clip')} damaged, or not fit to be read:{named}"
    return CheckResult(check, Verdict.ERROR, _cut_home(what, home), remedy)


def check_sizes(check: str, states: ClipStates, usual: tuple[int, int] | None, remedy: str) -> CheckResult:
    """Check that the images of a clip have one size (else they can't be read), and all clips the `usual` one.

    Args:
        check: the name of the check.
        states: the clips by name.
        usual: width and height of the images as released or as prepared; the most frequent size if None.
        remedy: the sentence that says what to do about a clip of several sizes.
    """
    sizes = Counter(size for state in states.values() for size in state.sizes)
    if not sizes:
        return CheckResult(check, Verdict.NOT_EXAMINED, "no image could be decoded")
    mixed = [f"{name}: {_format_sizes(state.sizes)}" for name, state in states.items() if len(state.sizes) > 1]
    expected = usual or sizes.most_common(1)[0][0]
    odd = {name: s for name, s in states.items() if len(s.sizes) == 1 and s.sizes[0] != expected}
    problems = []
    if mixed:
        what = f"images of different sizes in {plural(len(mixed), 'clip')}:{list_examples(mixed)}"
        problems.append((Verdict.ERROR, what, remedy))
    if odd:
        frequent = Counter(state.sizes[0] for state in odd.values()).most_common(4)
        found = _format_sizes(tuple(size for size, _ in frequent))
        clips = f"{plural(len(odd), 'clip')} of {found} pixels"
        what = f"{clips} where {_format_sizes((expected,))} is usual: {join_examples([*odd])}"
        problems.append((Verdict.WARNING, what, ODD))
    return combine_problems(check, f"{_format_sizes((expected,))} pixels", problems)


def check_counts(
    check: str, states: ClipStates, expected: Mapping[str, int], stated_by: str, fewer: Verdict, remedy: str
) -> CheckResult:
    """Check that each clip has as many frames as are stated somewhere.

    Args:
        check: the name of the check.
        states: the clips by name.
        expected: the number of frames of clips, by name; clips without one are not compared.
        stated_by: the file that states these numbers, for messages.
        fewer: the verdict on clips that have fewer frames; to have more is a warning.
        remedy: the sentence that says what to do about either.
    """
    lacking, spare = [], []
    compared = 0
    for name, state in states.items():
        if state.missing or state.num_frames is None or name not in expected:
            continue
        compared += 1
        entry = f"{name}: {plural(state.num_frames or 0, 'frame')}, not {expected[name]}"
        if state.num_frames < expected[name]:
            lacking.append(entry)
        elif state.num_frames > expected[name]:
            spare.append(entry)
    problems = []
    for verdict, entries, word in ((fewer, lacking, "fewer"), (Verdict.WARNING, spare, "more")):
        if entries:
            clips = f"{plural(len(entries), 'clip has', 'clips have')} {word} frames than {stated_by} says"
            problems.append((verdict, f"{clips}:{list_examples(entries)}", remedy))
    if not compared:
        return CheckResult(check, Verdict.NOT_EXAMINED, f"no clip has frames to be compared with {stated_by}")
    return combine_problems(check, f"{plural(compared, 'clip')} as {stated_by} says", problems)


def check_rates(check: str, states: ClipStates, prepared: bool, again: str) -> CheckResult:
    """Check that all videos have one frame rate.

    Args:
        check: the name of the check.
        states: the clips by name; at least one is a video that was decoded.
        prepared: whether the corpus was prepared by an earlier version, which did not look at this.
        again: the sentence that says to prepare again.
    """
    rates = {name: state.rate for name, state in states.items() if state.rate is not None}
    common, unlike = find_common_rate(rates)
    if unlike:
        what = describe_unlike_rates(rates, common, unlike)
        return CheckResult(check, Verdict.ERROR, what, advise_resampling(common))
    what = f"{common:.4g} frames a second in {plural(len(rates), 'decoded video')}"
    if prepared and not is_same_rate(common, DEFAULT_FRAME_RATE):
        what += f", which the manifests do not say, so that times are counted at {DEFAULT_FRAME_RATE:g}"
        return CheckResult(check, Verdict.WARNING, what, again)
    return CheckResult(check, Verdict.OK, what)


def _cut_home(text: str, home: Path) -> str:
    return text.replace(f"{home}/", "")


def _format_sizes(sizes: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(f"{width}x{height}" for width, height in sizes)

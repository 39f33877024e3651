"""Checks of the frames of clips, before and after preparation; they judge what `clips.look_at_clips` saw.

Clips are named `<split> <id>` here. `home` is cut from the front of paths in messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from preprocess.examination.clips import ClipReport
from preprocess.examination.finding import Finding, Verdict, counted, examples, judge, listed

Reports = Mapping[str, ClipReport]
UNPACK = "unpack these clips from the download again"
ODD = "frames are resized, so training works; see that these clips are of this corpus and not cropped otherwise"


def check_folders(check: str, reports: Reports, home: Path, remedy: str) -> Finding:
    """Every clip has frames: its folder is there and holds images, or its video has frames."""
    missing = [report.missing for report in reports.values() if report.missing]
    what = _short(f"no frames in {len(missing)} of {counted(len(reports), 'clip')}:{listed(missing)}", home)
    frames = sum(report.num_frames or 0 for report in reports.values())
    unknown = sum(report.num_frames is None for report in reports.values())
    more = f" without those of {counted(unknown, 'video')} that were not decoded" * (unknown > 0)
    fine = f"{counted(len(reports), 'clip')}, {counted(frames, 'frame')}{more}"
    return judge(check, fine, [(Verdict.ERROR, what, remedy)] if missing else [])


def check_images(check: str, reports: Reports, home: Path, remedy: str) -> Finding:
    """No image is empty, cut short or damaged, as far as they were decoded."""
    decoded = sum(report.decoded for report in reports.values())
    damaged = [report for report in reports.values() if report.damaged]
    if not decoded and not damaged:
        return Finding(check, Verdict.NOT_EXAMINED, "no image could be decoded")
    fine = f"{counted(decoded, 'image')} decoded, all of them sound"
    if not damaged:
        return Finding(check, Verdict.OK, fine)
    named = [
        report.first_damage + f", and {report.damaged - 1} more of this clip" * (report.damaged > 1)
        for report in damaged
    ]
    images = sum(report.damaged for report in damaged)
    what = f"{counted(images, 'image')} in {counted(len(damaged), 'clip')} can't be read:{listed(named)}"
    return Finding(check, Verdict.ERROR, _short(what, home), remedy)


def check_sizes(check: str, reports: Reports, usual: tuple[int, int] | None, remedy: str) -> Finding:
    """The images of a clip have one size (else they can't be read), and all clips the `usual` one (width, height).

    Args:
        usual: what the corpus is released, or was prepared, with; the most frequent size if None.
    """
    sizes = Counter(size for report in reports.values() for size in report.sizes)
    if not sizes:
        return Finding(check, Verdict.NOT_EXAMINED, "no image could be decoded")
    mixed = [f"{name}: {_sizes(report.sizes)}" for name, report in reports.items() if len(report.sizes) > 1]
    expected = usual or sizes.most_common(1)[0][0]
    odd = {name: r for name, r in reports.items() if len(r.sizes) == 1 and r.sizes[0] != expected}
    problems = []
    if mixed:
        what = f"images of different sizes in {counted(len(mixed), 'clip')}:{listed(mixed)}"
        problems.append((Verdict.ERROR, what, remedy))
    if odd:
        found = _sizes(tuple(size for size, _ in Counter(r.sizes[0] for r in odd.values()).most_common(4)))
        what = f"{counted(len(odd), 'clip')} of {found} pixels where {_sizes((expected,))} is usual: {examples([*odd])}"
        problems.append((Verdict.WARNING, what, ODD))
    return judge(check, f"{_sizes((expected,))} pixels", problems)


def check_counts(
    check: str, reports: Reports, expected: Mapping[str, int], source: str, fewer: Verdict, remedy: str
) -> Finding:
    """Each clip has as many frames as `source` says; to have fewer is as bad as `fewer`, to have more a warning."""
    lacking, spare = [], []
    compared = 0
    for name, report in reports.items():
        if report.missing or report.num_frames is None or name not in expected:
            continue
        compared += 1
        if report.num_frames != expected[name]:
            entry = f"{name}: {report.num_frames} frames, not {expected[name]}"
            (lacking if report.num_frames < expected[name] else spare).append(entry)
    problems = []
    for verdict, entries, word in ((fewer, lacking, "fewer"), (Verdict.WARNING, spare, "more")):
        if entries:
            clips = f"{counted(len(entries), 'clip has', 'clips have')} {word} frames than {source} says"
            problems.append((verdict, f"{clips}:{listed(entries)}", remedy))
    if not compared:
        return Finding(check, Verdict.NOT_EXAMINED, f"no clip has frames to be compared with {source}")
    return judge(check, f"{counted(compared, 'clip')} as {source} says", problems)


def _short(text: str, home: Path) -> str:
    return text.replace(f"{home}/", "")


def _sizes(sizes: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(f"{width}x{height}" for width, height in sizes)

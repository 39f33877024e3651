"""What the user is told about a video before its glosses: what was done to it, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

from dataset.crop import centre_square
from dataset.frame_rate import is_same_rate
from dataset.video import Video
from evaluation.inference.reading import Reading
from utils.text import plural

UNCALIBRATED = (
    "note: this network is not calibrated, as those of earlier versions and published ones: its confidences are no "
    "probabilities but shares of the n-best list, and a clip in which nothing is signed goes unnoticed"
)


def describe_crop(shape: Sequence[int], size: int, crop: str) -> str:
    """Say how the pictures were cropped and resized.

    Args:
        shape: the pictures' shape (H, W, 3).
        size: the side of the square that they became, in pixels.
        crop: as in `Reading`.
    """
    height, width = shape[:2]
    _, _, side = centre_square(height, width)
    if crop == "centre" and height != width:
        return f"the middle {side}x{side} pixels of {width}x{height}, at {size}x{size} (--crop centre)"
    squashed = f"{width}x{height} pixels at {size}x{size}"
    if height == width:
        return squashed
    hint = "; if the signer looks thin, --crop centre takes the middle square" if width > height else ""
    return f"{squashed}, squashed as in training (--crop none){hint}"


def describe_frames(video: Video, reading: Reading, trained: float, sampled: int, windows: int) -> list[str]:
    """Say which frames were read, and warn where they differ from those of the training.

    Args:
        video: the video that the frames are from.
        reading: how it was to be read.
        trained: the frames a second that the network was trained on.
        sampled: the number of frames at the rate asked for, before any were left out.
        windows: the number of windows that were read.

    Returns:
        sentences, each on a line of its own in the report.
    """
    notes = [f"warning: the file is {fault}" for fault in video.faults]
    if not video.is_file:
        notes.append(f"images do not say when they were taken: counted as {video.rate:g} a second")
    if reading.rate is not None:
        notes.append(
            f"{plural(sampled, 'frame')} at {reading.rate:g} a second, each the nearest of the video's (--fps)"
        )
    rate = reading.rate or video.rate
    if not is_same_rate(rate, trained):
        remedy = "resamples" if video.rate > trained else "repeats frames to reach that rate"
        notes.append(
            f"warning: at {rate:.4g} frames a second signing looks {trained / rate:.2g} times as fast as at "
            f"the {trained:g} of the training; --fps {trained:g} {remedy}"
        )
    if windows > 1:
        by_hop = "" if reading.hop is None else f", every {reading.hop} frames, with a lookahead of {reading.lookahead}"
        notes.append(f"{windows} overlapping windows of {reading.max_frames} frames{by_hop}")
    elif sampled > reading.max_frames:
        notes.append(
            f"warning: of {sampled} frames {reading.max_frames} are read, evenly spaced (--max_frames_num), so signing "
            f"looks {sampled / reading.max_frames:.2g} times as fast; without --sample all are read"
        )
    return notes


def describe_doubts(windows: Sequence[tuple[float, float, Sequence[str]]]) -> list[str]:
    """Warn of stretches that are unlike the clips of the training.

    Args:
        windows: (start, end, doubts) of each window, in seconds; a short clip is one.
    """
    places: dict[str, list[str]] = {}
    for start, end, doubts in windows:
        for doubt in doubts:
            places.setdefault(doubt, []).append(f"{start:.1f} to {end:.1f} s")
    return [
        f"warning: {doubt}" if len(found) == len(windows) else f"warning: {', '.join(found)}: {doubt}"
        for doubt, found in places.items()
    ]


def describe_left_out(count: int, least: float) -> list[str]:
    """Say how many glosses were left out because their confidence is below `least`."""
    return [f"{plural(count, 'gloss', 'glosses')} below {least:g} left out (--min-confidence)"] if count else []


def describe_network(rendered: bool, combined: str = "") -> list[str]:
    """Say so if the network was trained on rendered signers, and whose hypotheses are combined, if any are."""
    lines = [f"read by {combined}"] if combined else []
    if rendered:
        lines.append("the network knows the rendered signs of the built-in corpus, which are no sign language")
    return lines

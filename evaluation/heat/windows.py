"""The heat of a clip that is too long to be read at once, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from dataset.crop import crop_and_resize
from dataset.frames import read_image
from dataset.sampling import Sampling
from dataset.video import Video
from evaluation.heat.draw import FRAME_NAME, FRAMES, lay_heat_over, save_image, save_sheet_and_video
from evaluation.heat.heat_map import check_target, compute_heat_map
from evaluation.heat.load_clip import find_seen_region
from evaluation.heat.request import REFERENCE, HeatRequest
from evaluation.heat.shown_clip import HeatMap, ShownClip, resize_for_viewing
from evaluation.inference.notes import describe_crop, describe_frames
from evaluation.inference.reading import Reading, ReadingError
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.windows import FrameSpan, cut_windows, plan_windows
from utils.temporal import TemporalSpec


@dataclass(frozen=True)
class SavedPictures:
    """The T pictures of a clip under its heat, read back from the folder one by one."""

    folder: Path
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int, /) -> np.ndarray:
        return read_image(self.folder / FRAME_NAME.format(number))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(self.count))


def share_out_frames(spans: Sequence[FrameSpan]) -> list[FrameSpan]:
    """Give each frame to the window in which it lies farthest from an edge: (first, last + 1) for each window."""
    middles = [(start + end) // 2 for (_, end), (start, _) in pairwise(spans)]
    return list(zip([0, *middles], [*middles, spans[-1][1]], strict=True))


def draw_windows(
    recogniser: Recogniser, video: Video, sampling: Sampling, reading: Reading, request: HeatRequest, name: str,
    folder: Path,
) -> list[str]:  # fmt: skip
    """Write the heat map of a long clip; no more than one window of its frames is in memory.

    Returns:
        a line about each thing done, for the user.

    Raises:
        ReadingError: the target is `reference`, or a gloss that the network does not know.
        FrameError: a frame cannot be read.
        InputError: the video cannot be written.
    """
    if request.target == REFERENCE:
        raise ReadingError(
            f"target reference needs the whole clip at once, but {name} has {len(sampling)} frames, more than "
            f"{reading.max_frames}: raise --max_frames_num, or give --sample or --target hypothesis"
        )
    interval, size = recogniser.config.feeder_args.frame_interval, recogniser.frame_size
    stride = TemporalSpec(recogniser.config.model_args.conv_type).stride
    spans = plan_windows(len(sampling), reading.max_frames, stride * interval)
    shape = next(video.frames([0])).shape
    small = (crop_and_resize(frame, size, reading.crop) for frame in video.frames(sampling.indices))
    pictures = map(resize_for_viewing, video.frames(sampling.indices[::interval]))
    glosses: list[tuple[str, FrameSpan]] = []
    number, hot, cold = 0, False, 0
    region = None
    for (start, _), (_, stop), part in zip(spans, share_out_frames(spans), cut_windows(small, spans), strict=True):
        origin, end = start // interval, -(-stop // interval)
        heat_map = compute_window(recogniser, part, request, name)
        cold += heat_map is None
        for gloss, (a, b) in heat_map.glosses if heat_map else ():
            if number <= origin + (a + b) / 2 < end:
                glosses.append((gloss, (origin + a, origin + b)))
        for position in range(number, end):
            picture = next(pictures)
            region = region or find_seen_region(recogniser, picture.shape, reading.crop)
            heat = np.zeros((1, 1)) if heat_map is None else heat_map.heat[position - origin]
            hot = hot or bool(heat.any())
            save_image(lay_heat_over(picture, heat, region), folder / FRAMES / FRAME_NAME.format(position))
        number = end
    recognised = tuple(gloss for gloss, _ in glosses)
    title = f"heat of the {request.target}, {request.layer}, {request.method}, {len(spans)} windows, each by itself"
    rate = number / float(sampling.times[-1] - sampling.times[0])
    notes = [describe_crop(shape, size, reading.crop)]
    notes += describe_frames(video, reading, recogniser.frame_rate, len(sampling), len(spans))
    notes.append("each window has a scale of heat of its own")
    if cold:
        notes.append(f"{cold} of {len(spans)} windows did not read the target, so their frames have no heat")
    saved = save_sheet_and_video(
        SavedPictures(folder / FRAMES, number), [name, f"recognised: {' '.join(recognised) or '(nothing)'}"],
        HeatMap(np.array([hot]), tuple(glosses), recognised, title), rate, folder,
    )  # fmt: skip
    return [f"{name}: {' '.join(recognised) or '(nothing)'}", *notes, *saved]


def compute_window(recogniser: Recogniser, frames: np.ndarray, request: HeatRequest, name: str) -> HeatMap | None:
    """Compute the heat of one window (N, H, W, 3); None where it does not read the target."""
    clip = ShownClip(name, frames, frames, (0, 0, 0, 0), 1.0, None, ())
    check_target(recogniser.vocabulary, clip, request)
    recognised = recogniser.recognise(frames).glosses
    if not recognised or request.gloss not in (None, *recognised):
        return None
    return compute_heat_map(recogniser, clip, request)

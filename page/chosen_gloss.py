"""What is made for one gloss when it is asked for: its heat map, and the best guesses around it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from dataset.crop import crop_and_resize
from dataset.sampling import Sampling
from dataset.video import Video
from evaluation.ctm import CtmWord
from evaluation.heat.draw import lay_heat_over
from evaluation.heat.heat_map import compute_heat_map
from evaluation.heat.load_clip import find_seen_region
from evaluation.heat.request import GLOSS, HeatRequest
from evaluation.heat.shown_clip import ShownClip, resize_for_viewing
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcript import Guess
from evaluation.inference.windows import find_centre, find_end
from page.downloads import get_video
from page.read_video import hide_paths
from page.sessions import Answer
from utils.errors import InputError

HEAT_FRAMES = 64
"""Frames around a gloss that the network sees for its heat; gradients of layer1 take 50 MB each at 224x224 pixels."""
HEAT_PICTURES = 5
HEAT_HEIGHT = 320  # pixels


def draw_heat(answer: Answer, recogniser: Recogniser, index: int, check: Callable[[], None]) -> bytes:
    """Draw where in the picture the network found a gloss: a JPEG of some frames of the gloss, side by side.

    Args:
        answer: what was read.
        recogniser: who read it.
        index: the number of the gloss.
        check: called before each frame; what it raises ends the drawing.

    Raises:
        InputError: the network has no gradients, or the pictures of the gloss are not there.
    """
    word, video = answer.transcript.words[index], get_video(answer, check)
    sampling, shown = _sample_around(word, video, recogniser, HEAT_FRAMES)
    with hide_paths({video.path: str(answer.transcript.video)}):
        clip = _load_clip(video, sampling, recogniser)
    check()
    heat_map = compute_heat_map(recogniser, clip, HeatRequest(target=f"{GLOSS}{word.gloss}"))
    interval = recogniser.config.feeder_args.frame_interval
    numbers = np.unique(np.linspace(shown[0], shown[1] - 1, HEAT_PICTURES).round().astype(int) // interval)
    pictures = [lay_heat_over(clip.pictures[number], heat_map.heat[number], clip.region) for number in numbers]
    row = np.hstack([_shrink(picture) for picture in pictures])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(row, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return data.tobytes()


def guess_around(
    answer: Answer, recogniser: Recogniser, index: int, slots: int, check: Callable[[], None]
) -> tuple[Guess, ...]:  # fmt: skip
    """Read the frames around a gloss once more, for the best guesses; a camera's were not kept while it was read.

    Args:
        answer: what was read.
        recogniser: who read it.
        index: the number of the gloss.
        slots: how many frames the network sees.
        check: called before each frame; what it raises ends the reading.

    Returns:
        the guesses, best first.

    Raises:
        InputError: the pictures of the gloss are not there.
    """
    word, video = answer.transcript.words[index], get_video(answer, check)
    sampling, _ = _sample_around(word, video, recogniser, slots * recogniser.config.feeder_args.frame_interval)
    with hide_paths({video.path: str(answer.transcript.video)}):
        frames = [crop_and_resize(frame, recogniser.frame_size) for frame in video.frames(sampling.indices)]
    check()
    found = recogniser.recognise(np.stack(frames)).nbest
    start, end = float(sampling.times[0]), float(sampling.times[-1])
    return tuple(Guess(start, end, guess.glosses, guess.score) for guess in found)


def _sample_around(
    word: CtmWord, video: Video, recogniser: Recogniser, most: int
) -> tuple[Sampling, tuple[int, int]]:  # fmt: skip
    """Choose so many frames around a gloss, at the rate of the training.

    Returns:
        the frames, and which of them (first, last + 1) the gloss takes.
    """
    if find_centre(word) > video.times[-1]:
        raise InputError("its pictures were not kept")
    sampling = Reading(rate=recogniser.frame_rate).sample_frames(video.times)
    starts = sampling.times[:-1]
    first, end = np.searchsorted(starts, [word.start - 1e-3, find_end(word) - 1e-3])
    first, end = min(int(first), len(starts) - 1), max(int(end), int(first) + 1)
    begin = max(0, min((first + end) // 2 - most // 2, len(starts) - most))
    stop = min(begin + most, len(starts))
    part = Sampling(sampling.indices[begin:stop], sampling.times[begin : stop + 1])
    return part, (max(first - begin, 0), min(end - begin, len(part)))


def _load_clip(video: Video, sampling: Sampling, recogniser: Recogniser) -> ShownClip:
    interval = recogniser.config.feeder_args.frame_interval
    frames: list[np.ndarray] = []
    pictures: list[np.ndarray] = []
    for number, frame in enumerate(video.frames(sampling.indices)):
        frames.append(crop_and_resize(frame, recogniser.frame_size))
        if number % interval == 0:  # there is no heat for the others
            picture = resize_for_viewing(frame)
            if pictures and picture.shape != pictures[0].shape:  # a telephone was turned
                picture = cv2.resize(picture, pictures[0].shape[1::-1], interpolation=cv2.INTER_AREA)
            pictures.append(picture)
    return ShownClip(
        name="",
        frames=np.stack(frames),
        pictures=np.stack(pictures),
        region=find_seen_region(recogniser, pictures[0].shape, "none"),
        rate=recogniser.frame_rate,
        signed=None,
        notes=(),
    )


def _shrink(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    factor = min(1.0, HEAT_HEIGHT / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)

"""A video with its glosses burnt in as they are signed: the gloss, its neighbours and a time line below the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dataset.frames import FrameError
from dataset.sampling import sample_at_rate
from dataset.video import Video
from evaluation.ctm import CtmWord
from evaluation.inference.transcript import TranscriptError
from utils.files import atomic_path
from utils.fonts import Font, find_font

SUFFIX, CODEC = ".mp4", "mp4v"
NARROWEST = 480  # pixels: narrower videos are enlarged, or letters would be too small to read
HIGHEST_RATE = 120.0  # frames a second: more than most screens show would only make the file larger
SAME_MOMENT = 1e-6  # seconds: times of frames and words are sums of fractions, and equal ones differ by less
BACKGROUND, LINE, TO_COME, PAST = (24, 24, 28), (58, 58, 66), (120, 120, 128), (175, 175, 183)  # darkest first
INK, ACCENT = (255, 255, 255), (255, 196, 61)


def write_overlay(video: Video, words: tuple[CtmWord, ...], path: str | Path) -> str:
    """Write `video` to an mp4 file, whole or not at all, with `words` in a band below the picture.

    Its frames come at the average rate of the video, at the times of the video. There is no sound.

    Args:
        video: the video whose frames are shown; one narrower than 480 pixels is enlarged.
        words: the glosses, in seconds of the video.
        path: the file to write, ending in `.mp4`.

    Returns:
        a warning where no font here has all characters of the glosses, else "".

    Raises:
        FrameError: a frame cannot be read.
        TranscriptError: the video would be overwritten, or OpenCV cannot write it.
    """
    path = Path(path)
    if path.exists() and path.samefile(video.path):
        raise TranscriptError(f"--overlay {path} is the video itself, which would be lost")
    font = find_font("".join(word.gloss for word in words))
    rate = min(video.rate, HIGHEST_RATE)
    shown = sample_at_rate(video.times, rate)
    frames = video.frames(shown.indices)
    first = next(frames)  # alone, since a file is opened for pictures of one size
    height, width = _enlarge(first).shape[:2]
    band = Band(words, float(video.times[-1]), width, font)
    with atomic_path(path) as temporary:
        writer = open_writer(temporary, rate, (width, height + band.height))
        if not writer.isOpened():
            raise TranscriptError(f"OpenCV cannot write {path} with the codec {CODEC}")
        try:
            for frame, moment in zip(_chain_same_size(first, frames), shown.times[:-1], strict=True):
                image = np.vstack([_enlarge(frame), band.draw(float(moment))])
                writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        finally:
            writer.release()
        if _count_frames(temporary) != len(shown):
            raise TranscriptError(f"{path} cannot be written whole; is the disk full?")
    if not font.missing:
        return ""
    return f"{font.warning}. In {path} boxes stand for them"


def open_writer(path: Path, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """Open a video file for pictures of `size` (W, H), BGR, at `rate` a second."""
    # As mp4v, which OpenCV's wheels can write; H.264 plays in more places, but they come without an encoder for it.
    return cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*CODEC), rate, size)


def _chain_same_size(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Give the first frame and the rest; FrameError for one of another size, which OpenCV would drop in silence."""
    yield first
    for frame in rest:
        if frame.shape != first.shape:
            raise FrameError(
                f"the pictures change from {first.shape[1]}x{first.shape[0]} to {frame.shape[1]}x{frame.shape[0]}"
            )
        yield frame


def _count_frames(path: Path) -> int:
    """Ask a video file how many frames it has: on a full disk OpenCV goes on writing without an error."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        return round(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()


def _enlarge(frame: np.ndarray) -> np.ndarray:
    """Make a frame (H, W, 3) at least `NARROWEST` wide, and its sides even, which the codec needs."""
    height, width = frame.shape[:2]
    factor = -(-NARROWEST // width)
    size = (-(-width * factor // 2) * 2, -(-height * factor // 2) * 2)
    return frame if size == (width, height) else cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Band:
    """What is drawn below the picture at a moment of the video.

    Attributes:
        words: the glosses, in seconds of the video.
        duration: the video's length in seconds.
        width: the picture's width in pixels.
        font: a font with the letters of the glosses.
    """

    words: tuple[CtmWord, ...]
    duration: float
    width: int
    font: Font

    @property
    def unit(self) -> int:
        """The height of small letters in pixels; all other sizes in the band follow from it."""
        return max(16, self.width // 32)

    @property
    def height(self) -> int:
        """The band's height in pixels, even, since the codec needs that of the picture and the band together."""
        return self.unit * 23 // 10 * 2

    @cached_property
    def small(self) -> ImageFont.FreeTypeFont:
        """The font of the sentence."""
        return self.font.at(self.unit)

    @cached_property
    def large(self) -> dict[str, ImageFont.FreeTypeFont]:
        """The font of each gloss while it is signed, by gloss: twice the small one if there is room."""
        room, fonts = self.width - 7 * self.unit, {}
        for gloss in {word.gloss for word in self.words}:
            length = self.font.at(2 * self.unit).getlength(gloss)
            fonts[gloss] = self.font.at(2 * self.unit * min(1.0, room / max(length, 1.0)))
        return fonts

    def draw(self, moment: float) -> np.ndarray:
        """The band (height, width, 3) uint8 RGB at `moment`."""
        image = Image.new("RGB", (self.width, self.height), BACKGROUND)
        pen = ImageDraw.Draw(image)
        begun = sum(word.start <= moment + SAME_MOMENT for word in self.words)  # words that have begun
        last = self.words[begun - 1] if begun else None
        signed = last is not None and moment + SAME_MOMENT < last.start + last.duration
        if last is not None and signed:
            middle = (self.width / 2, 1.3 * self.unit)
            pen.text(middle, last.gloss, fill=ACCENT, font=self.large[last.gloss], anchor="mm")
            if last.confidence is not None:
                right = (self.width - self.unit / 2, middle[1])
                pen.text(right, f"{last.confidence:.0%}", fill=PAST, font=self.small, anchor="rm")
        self._draw_sentence(pen, begun, signed)
        self._draw_time_line(pen, moment)
        return np.asarray(image)

    def _draw_sentence(self, pen: ImageDraw.ImageDraw, begun: int, signed: bool) -> None:
        """Draw one line of glosses: those that are over, the one that is signed in the middle, those to come."""
        y, gap = 3.1 * self.unit, 0.6 * self.unit
        now = self.words[begun - 1].gloss if signed else ""
        half = self.small.getlength(now) / 2 + gap
        pen.text((self.width / 2, y), now, fill=INK, font=self.small, anchor="mm")
        left, right = self.width / 2 - half, self.width / 2 + half
        for word in reversed(self.words[: begun - signed]):
            if left < 0:
                break
            pen.text((left, y), word.gloss, fill=PAST, font=self.small, anchor="rm")
            left -= self.small.getlength(word.gloss) + gap
        for word in self.words[begun:]:
            if right > self.width:
                break
            pen.text((right, y), word.gloss, fill=TO_COME, font=self.small, anchor="lm")
            right += self.small.getlength(word.gloss) + gap

    def _draw_time_line(self, pen: ImageDraw.ImageDraw, moment: float) -> None:
        """Draw the whole video as a bar with the glosses in it and a needle at `moment`."""
        top, bottom = self.height - 0.6 * self.unit, self.height - 0.25 * self.unit
        scale = self.width / self.duration
        pen.rectangle((0, top, self.width, bottom), fill=LINE)
        for word in self.words:
            pen.rectangle((word.start * scale + 1, top, (word.start + word.duration) * scale - 1, bottom), fill=PAST)
        needle = moment * scale
        pen.rectangle((needle - 1, top - 0.15 * self.unit, needle + 1, self.height), fill=ACCENT)

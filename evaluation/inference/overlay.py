"""A video with its glosses burnt in as they are signed: the gloss, its neighbours and a time line below the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dataset.sampling import sample_at_rate, sample_every_frame
from dataset.video import Video
from dataset.write_video import HIGHEST_RATE, write_video
from evaluation.ctm import CtmWord
from evaluation.inference.transcript import TranscriptError
from utils.errors import InputError
from utils.fonts import Font, find_font

NARROWEST = 480  # pixels: narrower videos are enlarged, or letters would be too small to read
TALLEST = 16_000  # pixels: with the band there is no more in H.264
SAME_MOMENT = 1e-6  # seconds: times of frames and words are sums of fractions, and equal ones differ by less
BACKGROUND, LINE, TO_COME, PAST = (24, 24, 28), (58, 58, 66), (120, 120, 128), (175, 175, 183)  # darkest first
INK, ACCENT = (255, 255, 255), (255, 196, 61)


def write_overlay(video: Video, words: tuple[CtmWord, ...], path: str | Path) -> str:
    """Write `video` to a file that browsers play, whole or not at all, with `words` in a band below the picture.

    Its frames come at the times of the video. There is no sound.

    Args:
        video: the video whose frames are shown; one narrower than 480 pixels is enlarged. Frames of another size than
            the first, as a telephone that is turned gives them, are fitted into it.
        words: the glosses, in seconds of the video.
        path: the file to write, ending in `.mp4` or `.webm`.

    Returns:
        a warning where no font here has all characters of the glosses, else "".

    Raises:
        FrameError: a frame cannot be read.
        TranscriptError: the video would be overwritten.
        InputError: it cannot be written.
    """
    path = Path(path)
    if path.exists() and path.samefile(video.path):
        raise TranscriptError(f"--overlay {path} is the video itself, which would be lost")
    font = find_font("".join(word.gloss for word in words))
    fast = video.rate > HIGHEST_RATE
    shown = sample_at_rate(video.times, HIGHEST_RATE) if fast else sample_every_frame(video.times)
    write_video(path, _add_band(video.frames(shown.indices), shown.times, words, font), shown.times)
    if not font.missing:
        return ""
    return f"{font.warning}. In {path} boxes stand for them"


def _add_band(
    frames: Iterator[np.ndarray], times: np.ndarray, words: tuple[CtmWord, ...], font: Font
) -> Iterator[np.ndarray]:
    """Put the band below frames (H, W, 3) that come on at `times` (T + 1,)."""
    band, size = None, (0, 0)
    for frame, moment in zip(frames, times[:-1], strict=True):
        size = size if band else frame.shape[:2]
        picture = _enlarge(_fit(frame, *size))
        band = band or Band(words, float(times[-1]), picture.shape[1], font)
        yield np.vstack([picture, band.draw(float(moment))])


def _fit(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Make a frame (H, W, 3) fill as much of (height, width, 3) as it can, in the middle, and the rest black."""
    if frame.shape[:2] == (height, width):
        return frame
    factor = min(height / frame.shape[0], width / frame.shape[1])
    down, across = (max(1, round(side * factor)) for side in frame.shape[:2])
    top, left = (height - down) // 2, (width - across) // 2
    picture = np.zeros((height, width, 3), np.uint8)
    picture[top : top + down, left : left + across] = cv2.resize(frame, (across, down), interpolation=cv2.INTER_AREA)
    return picture


def _enlarge(frame: np.ndarray) -> np.ndarray:
    """Make a frame (H, W, 3) at least `NARROWEST` wide, and its sides even, which codecs need.

    Raises:
        InputError: it would become too tall, for the memory too.
    """
    height, width = frame.shape[:2]
    factor = -(-NARROWEST // width)
    size = (-(-width * factor // 2) * 2, -(-height * factor // 2) * 2)
    if size[1] > TALLEST:
        raise InputError(f"pictures of {width}x{height} cannot have glosses below them: they are too tall")
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
            left, right = word.start * scale + 1, (word.start + word.duration) * scale - 1
            pen.rectangle((left, top, max(left, right), bottom), fill=PAST)  # of an hour, a gloss has no whole pixel
        needle = moment * scale
        pen.rectangle((needle - 1, top - 0.15 * self.unit, needle + 1, self.height), fill=ACCENT)

"""A clip on one page: its pictures in rows, and each gloss under the pictures in which it is signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.fonts import Font

TILE = 150  # pixels: the longer side of a picture
COLUMNS, LEAST = 10, 5  # the most pictures in a row, and the fewest that a row has room for, or the title would not fit
EVERY = 4  # frames a picture, as many as an output step of the default network has; the one in their middle is shown
GAP, MARGIN, BAND = 4, 14, 46  # pixels: between pictures, around the page, and below a row for times and glosses
TIMES, CLOCK = 14, 10  # pixels: the room for times between a row and its glosses, and the size of their letters
LETTERS, SMALLEST = 15, 9  # pixels: the size of letters, and the size that a long gloss may be shrunk to
BACKGROUND, INK, PALE, ACCENT = (255, 255, 255), (34, 34, 38), (112, 112, 118), (178, 60, 20)

GlossSpan = tuple[str, tuple[int, int]]


class Pictures(Protocol):
    """Pictures (H, W, 3) uint8 RGB in a row, in a list or made one by one."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> np.ndarray: ...

    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class ContactSheet:
    """What is on the page besides the pictures.

    Attributes:
        title: the lines at the top, the first in dark letters.
        glosses: each gloss with its frames (first, last + 1), in order.
        scale: the colours (N, 3) uint8 RGB from cold to hot, for the legend, and what they mean.
        rate: pictures a second, from which the time below each picture comes.
        font: a font with the letters of all that.
    """

    title: Sequence[str]
    glosses: Sequence[GlossSpan]
    scale: tuple[np.ndarray, str]
    rate: float
    font: Font

    def draw(self, pictures: Pictures) -> np.ndarray:
        """Draw the page (H, W, 3) uint8 RGB from all T pictures (H, W, 3) uint8 RGB of the clip."""
        shown = [min(middle, len(pictures) - 1) for middle in range(EVERY // 2, len(pictures) + EVERY // 2, EVERY)]
        tiles = [_shrink_to_tile(pictures[number]) for number in shown]
        rows = -(-len(tiles) // COLUMNS)
        columns = max(-(-len(tiles) // rows), LEAST)
        height, width = tiles[0].shape[:2]
        head = MARGIN + (LETTERS + 8) * (len(self.title) + 1)
        image = Image.new(
            "RGB", (2 * MARGIN + columns * (width + GAP), head + rows * (height + BAND) + MARGIN), BACKGROUND
        )
        pen = ImageDraw.Draw(image)
        self._draw_head(pen, image)
        places = [divmod(number, columns) for number in range(len(tiles))]
        corners = [(MARGIN + column * (width + GAP), head + row * (height + BAND)) for row, column in places]
        clock = self.font.at(CLOCK)
        for number, tile, (x, y) in zip(shown, tiles, corners, strict=True):
            image.paste(Image.fromarray(tile), (x, y))
            pen.text((x + width / 2, y + height + 1), f"{number / self.rate:.2f} s", fill=PALE, font=clock, anchor="ma")
        for gloss, (first, end) in self.glosses:
            self._draw_label(pen, gloss, corners[first // EVERY : -(-end // EVERY)], width, height)
        return np.asarray(image)

    def _draw_head(self, pen: ImageDraw.ImageDraw, image: Image.Image) -> None:
        """Draw the title, each line shrunk to the page if need be, and the legend."""
        y = MARGIN
        for number, line in enumerate(self.title):
            font = self._fit_letters(line, image.width - 2 * MARGIN)
            pen.text((MARGIN, y), line, fill=PALE if number else INK, font=font)
            y += LETTERS + 8
        colours, meaning = self.scale
        bar = Image.fromarray(np.repeat(colours[None, ::2], LETTERS - 3, axis=0))
        font = self.font.at(LETTERS - 2)
        pen.text((MARGIN, y), "cold", fill=PALE, font=font)
        left = MARGIN + round(font.getlength("cold ")) + 2
        image.paste(bar, (left, y + 3))
        pen.text((left + bar.width + 6, y), f"hot    {meaning}", fill=PALE, font=font)

    def _draw_label(
        self, pen: ImageDraw.ImageDraw, gloss: str, corners: Sequence[tuple[int, int]], width: int, height: int
    ) -> None:
        """Draw a gloss under its pictures, whose upper left corners are given; in every row that has some of them."""
        for top in dict.fromkeys(y for _, y in corners):
            row = [x for x, y in corners if y == top]
            left, right, line = row[0] + 3, row[-1] + width - 3, top + height + TIMES + 2
            pen.rectangle((left, line, right, line + 2), fill=ACCENT)
            font = self._fit_letters(gloss, right - left)
            pen.text(((left + right) / 2, line + 4), gloss, fill=INK, font=font, anchor="ma")

    def _fit_letters(self, text: str, room: int) -> ImageFont.FreeTypeFont:
        """Choose letters as large as there is room for, between `SMALLEST` and `LETTERS`."""
        length = self.font.at(LETTERS).getlength(text)
        return self.font.at(max(SMALLEST, min(LETTERS, LETTERS * room / max(length, 1))))


def _shrink_to_tile(picture: np.ndarray) -> np.ndarray:
    factor = TILE / max(picture.shape[:2])
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)

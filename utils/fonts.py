"""A font that can write given text, in whatever script it is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import ImageFont

USUAL = (
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSans-Regular.ttf",
    "Arial.ttf",
    "Helvetica.ttc",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "Arial Unicode.ttf",
)
"""Looked for by Pillow in the folders where Linux, macOS and Windows keep their fonts."""

NO_CHARACTER = "\U0010ffff"  # no font has it: what is drawn instead stands for any character that a font lacks


@dataclass(frozen=True)
class Font:
    """A font file, and which characters of the text that it was looked for it lacks.

    Attributes:
        file: name or path, None for the one that comes with Pillow, which has ASCII.
        missing: those characters, each once.
    """

    file: str | None
    missing: str

    def at(self, size: float) -> ImageFont.FreeTypeFont:
        """The font at a size in pixels."""
        return ImageFont.load_default(size) if self.file is None else ImageFont.truetype(self.file, size)


def find_font(text: str) -> Font:
    """The first font found that has every character of `text`, else the one that lacks the fewest."""
    characters = sorted({character for character in text if not character.isspace()})
    best = Font(None, _missing(ImageFont.load_default(20), characters))
    for file in _candidates(characters):
        try:
            missing = _missing(ImageFont.truetype(file, 20), characters)
        except OSError:  # not installed
            continue
        if best.file is None or len(missing) < len(best.missing):
            best = Font(file, missing)
        if not missing:
            break
    return best


def _candidates(characters: Iterable[str]) -> Iterator[str]:
    yield from USUAL
    if program := shutil.which("fc-list"):
        charset = " ".join(f"{ord(character):x}" for character in characters)
        command = [program, f":charset={charset}", "--format", "%{file}\n"]
        # Not checked: where it fails it names no font, as where none is installed.
        yield from sorted(set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()))


def _missing(font: ImageFont.FreeTypeFont, characters: Iterable[str]) -> str:
    blank = _shape(font, NO_CHARACTER)
    return "".join(character for character in characters if _shape(font, character) == blank)


def _shape(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)

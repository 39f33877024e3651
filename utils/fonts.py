"""A font that can write given text, in whatever script it is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFont

USUAL = (
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
    "NotoSans-Regular.ttf",
)
"""Pillow looks for them in the folders where Linux, macOS and Windows keep their fonts."""


@dataclass(frozen=True)
class Font:
    """A font file, and which characters of the text that it was looked for it lacks.

    Attributes:
        file: the font's path.
        missing: the characters that it lacks, each once.
    """

    file: str
    missing: str

    def at(self, size: float) -> ImageFont.FreeTypeFont:
        """The font at a size in pixels."""
        return ImageFont.truetype(self.file, size)

    @property
    def warning(self) -> str:
        """What to tell the user about characters that are drawn as empty boxes; "" if there are none."""
        if not self.missing:
            return ""
        return f"no font here has all of {self.missing}; install one that has, such as Noto Sans CJK for Chinese"


def find_font(text: str) -> Font:
    """The first font found that has every character of `text`, else the one that lacks the fewest."""
    characters = sorted({character for character in text if not character.isspace()})
    own = get_own_font()
    best = Font(own, _missing(own, characters))
    for name in _other_fonts(characters):
        if not best.missing:
            break
        try:
            # Pillow opens it too: it is Pillow that looks for the file, and it cannot draw every font that has a
            # character map, those of coloured emoji for example.
            file = str(ImageFont.truetype(name, 20).path)
            found = Font(file, _missing(file, characters))
        except (OSError, RuntimeError):  # not installed, or of a kind that Pillow (OSError) or FT2Font cannot read
            continue
        if len(found.missing) < len(best.missing):
            best = found
    return best


def get_own_font() -> str:
    """The path of the font that comes with matplotlib, and so is on every machine.

    It has Latin, Greek, Cyrillic, Arabic and more, but no Chinese.
    """
    # Imported late, like all of matplotlib here: the commands import this file before they answer --help.
    import matplotlib  # noqa: PLC0415

    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


def _other_fonts(characters: Iterable[str]) -> Iterator[str]:
    """The usual fonts, then what fontconfig knows, which is asked last since it takes a process of its own."""
    yield from USUAL
    if program := shutil.which("fc-list"):
        charset = " ".join(f"{ord(character):x}" for character in characters)
        command = [program, f":charset={charset}", "--format", "%{file}\n"]
        # Not checked: where it fails it names no font, as where none is installed.
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        yield from sorted(set(done.stdout.splitlines()))


def _missing(file: str, characters: Iterable[str]) -> str:
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415

    charmap = FT2Font(file).get_charmap()
    return "".join(character for character in characters if ord(character) not in charmap)

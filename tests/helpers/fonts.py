"""A font for machines that have none with the characters that a test needs."""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

CHARACTERS = (*map(chr, range(33, 127)), *"你好下雨天气")


def save_square_font(path: Path) -> None:
    """Write a TrueType font that draws a square for each of `CHARACTERS`, as wide as the font is high."""
    square = TTGlyphPen(None)
    square.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        square.lineTo(corner)
    square.closePath()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(character): "square" for character in CHARACTERS})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": square.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 100)})
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)

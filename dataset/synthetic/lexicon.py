"""The signs of the built-in corpus: form and class of each gloss, as data.

Lengths are in canonical pixels: a signer of ordinary build, 210x260 picture. `x` grows towards the side of the
dominant hand, `y` downwards, `z` towards the viewer; the origin is the base of the neck.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The centre of the palm when a sign is made.

    Attributes:
        origin: what it is measured from: "body", the base of the neck, or "head", the middle of the face, so that a
            sign at the chin stays at the chin of a signer with a larger head.
        x, y, z: the distance from there.
    """

    origin: str
    x: float
    y: float
    z: float


@dataclass(frozen=True)
class Orientation:
    """How a hand is held.

    Attributes:
        angle: the direction of the fingers, in degrees from up, positive inwards.
        turn: the side that is seen: 1 the palm, -1 the back.
    """

    angle: float
    turn: float


@dataclass(frozen=True)
class Sign:
    """One gloss and its form.

    Attributes:
        gloss: the German gloss.
        chinese: the gloss in the layouts of Chinese corpora.
        word_class: the class that the grammar's patterns are made of.
        handshape: an entry of `hand.HANDSHAPES`.
        place: an entry of `PLACES`.
        movement: an entry of `motion.MOVEMENTS`.
        hands: "one", "two" (the other hand mirrors the first) or "base" (the other hand is held flat below it).
        orientation: an entry of `ORIENTATIONS`.
    """

    gloss: str
    chinese: str
    word_class: str
    handshape: str
    place: str
    movement: str
    hands: str
    orientation: str


PLACES: dict[str, Place] = {
    "forehead": Place("head", 26, -24, 26),
    "cheek": Place("head", 36, 6, 24),
    "chin": Place("head", 20, 42, 28),
    "chest": Place("body", 26, 30, 36),
    "centre": Place("body", 36, 60, 46),
    "belly": Place("body", 30, 94, 40),
    "side": Place("body", 68, 32, 36),
    "high": Place("body", 58, -44, 44),
    "hand": Place("body", 2, 44, 46),
}

ORIENTATIONS: dict[str, Orientation] = {
    "up": Orientation(4, 1),
    "tilted": Orientation(42, -1),
    "in": Orientation(84, -1),
    "down": Orientation(158, -1),
}

# The first twelve are the quickstart's; the first four cover the word classes that every sentence needs.
LEXICON: tuple[Sign, ...] = (
    Sign("MORGEN", "明天", "time", "thumb", "cheek", "arc", "one", "in"),
    Sign("REGEN", "雨", "weather", "five", "high", "zigzag", "two", "down"),
    Sign("NORD", "北", "region", "flat", "side", "up", "one", "up"),
    Sign("KALT", "冷", "state", "fist", "chest", "shake", "two", "up"),
    Sign("WARM", "暖", "state", "five", "chest", "shake", "two", "up"),
    Sign("SUED", "南", "region", "flat", "side", "down", "one", "up"),
    Sign("ABEND", "晚上", "time", "thumb", "belly", "arc", "one", "in"),
    Sign("SCHAUER", "阵雨", "weather", "five", "high", "zigzag", "one", "down"),
    Sign("SONNE", "太阳", "weather", "five", "forehead", "open", "one", "up"),
    Sign("WIND", "风", "weather", "flat", "side", "wave", "two", "up"),
    Sign("HEUTE", "今天", "time", "flat", "centre", "tap", "two", "in"),
    Sign("KOMMEN", "来", "state", "index", "centre", "in", "one", "tilted"),
    Sign("WOLKE", "云", "weather", "claw", "high", "circle", "two", "up"),
    Sign("OST", "东", "region", "ell", "side", "out", "one", "up"),
    Sign("WEST", "西", "region", "ell", "side", "in", "one", "up"),
    Sign("SCHNEE", "雪", "weather", "five", "high", "flutter", "two", "tilted"),
    Sign("NACHT", "夜", "time", "flat", "forehead", "down", "two", "tilted"),
    Sign("STARK", "强", "state", "fist", "side", "push", "two", "up"),
    Sign("SCHWACH", "弱", "state", "ring", "side", "push", "two", "up"),
    Sign("NEBEL", "雾", "weather", "five", "chin", "circle", "two", "up"),
    Sign("GEWITTER", "雷雨", "weather", "index", "high", "zigzag", "two", "down"),
    Sign("BERG", "山", "region", "flat", "centre", "arc", "one", "in"),
    Sign("MEER", "海", "region", "flat", "belly", "wave", "two", "in"),
    Sign("GESTERN", "昨天", "time", "thumb", "cheek", "tap", "one", "in"),
    Sign("ZWEI", "二", "number", "vee", "side", "twist", "one", "up"),
    Sign("DREI", "三", "number", "three", "side", "twist", "one", "up"),
    Sign("ELF", "11", "number", "index", "side", "twist", "one", "up"),
    Sign("TEMPERATUR", "温度", "weather", "index", "hand", "up", "base", "up"),
    Sign("TROCKEN", "干", "state", "claw", "chin", "close", "one", "up"),
    Sign("FREUNDLICH", "晴朗", "state", "five", "cheek", "flutter", "one", "up"),
    Sign("BLEIBEN", "保持", "state", "wye", "centre", "push", "two", "tilted"),
    Sign("WECHSEL", "变化", "state", "vee", "chest", "twist", "two", "up"),
    Sign("WENIG", "少", "state", "ring", "chin", "tap", "one", "up"),
    Sign("FLUSS", "河", "region", "index", "hand", "wave", "base", "in"),
    Sign("WOCHE", "星期", "time", "horns", "cheek", "out", "one", "up"),
    Sign("KARTE", "APP", "weather", "ell", "centre", "out", "two", "up"),
)

# (gloss, gloss, the one field of `Sign` that tells their forms apart)
MINIMAL_PAIRS: tuple[tuple[str, str, str], ...] = (
    ("NORD", "SUED", "movement"),
    ("MORGEN", "ABEND", "place"),
    ("REGEN", "SCHAUER", "hands"),
    ("KALT", "WARM", "handshape"),
    ("OST", "WEST", "movement"),
    ("MORGEN", "GESTERN", "movement"),
    ("STARK", "SCHWACH", "handshape"),
    ("REGEN", "GEWITTER", "handshape"),
    ("ZWEI", "DREI", "handshape"),
    ("DREI", "ELF", "handshape"),
)

FORM_FIELDS: tuple[str, ...] = ("handshape", "place", "movement", "hands", "orientation")
MIN_GLOSSES = 5  # fewer are too few for a grammar
MAX_GLOSSES = len(LEXICON)


def take_signs(count: int) -> tuple[Sign, ...]:
    """Take the first `count` signs of the lexicon.

    Raises:
        ValueError: there are not that many, or they are too few for a grammar.
    """
    if not MIN_GLOSSES <= count <= MAX_GLOSSES:
        raise ValueError(f"glosses = {count}: the built-in corpus knows {MIN_GLOSSES} to {MAX_GLOSSES} glosses")
    return LEXICON[:count]

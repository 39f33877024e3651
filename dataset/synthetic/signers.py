"""Who signs in the built-in corpus, and under which recording conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]  # RGB, 0 to 255


@dataclass(frozen=True)
class Signer:
    """A person.

    Attributes:
        name: what the annotations call the signer.
        dominant: the side of the dominant hand in the picture: -1 left (right-handed), 1 right (left-handed).
        shoulder, torso, head, arm, hand: sizes, as factors of the ordinary build.
        skin, hair: colours.
        hair_style: "short", "long", "bun", "bald" or "fringe".
        sleeve: a key of `render.SLEEVES`.
        tempo: the factor on the duration of a sign.
        amplitude: the factor on the size of a movement.
        scale: the factor on the size in the picture.
        offset: the signer's distance from the middle, in pixels.
    """

    name: str
    dominant: int
    shoulder: float
    torso: float
    head: float
    arm: float
    hand: float
    skin: Colour
    hair: Colour
    hair_style: str
    sleeve: str
    tempo: float
    amplitude: float
    scale: float
    offset: tuple[float, float]


@dataclass(frozen=True)
class RecordingConditions:
    """What changes from clip to clip, whoever signs.

    Attributes:
        cloth: the colour of the clothing.
        background: the studio (H, W, 3) RGB float32.
        light: the factor (H, W, 3) on the finished picture.
        light_side: the side that the light comes from, -1 (left) to 1 (right).
        noise: the spread of the sensor noise, in steps of colour.
        offset: the shift of this clip's picture, in pixels.
        scale: the factor on the size of the signer in this clip.
    """

    cloth: Colour
    background: np.ndarray
    light: np.ndarray
    light_side: float
    noise: float
    offset: tuple[float, float]
    scale: float


SIGNERS: tuple[Signer, ...] = (
    Signer("Signer01", -1, 1.00, 1.00, 1.00, 1.00, 1.00, (226, 178, 150), (66, 44, 30), "short", "long",
           1.00, 1.00, 1.00, (0, 0)),
    Signer("Signer02", -1, 0.90, 0.96, 0.97, 0.86, 0.95, (236, 194, 170), (150, 104, 56), "long", "elbow",
           0.92, 1.08, 1.00, (-6, 2)),
    Signer("Signer03", 1, 1.06, 1.03, 1.02, 1.14, 1.06, (204, 152, 120), (36, 30, 28), "short", "long",
           1.06, 0.94, 0.98, (6, -2)),
    Signer("Signer04", -1, 0.94, 1.02, 0.95, 0.92, 0.97, (168, 116, 84), (30, 22, 20), "bun", "long",
           0.95, 1.12, 1.03, (3, 4)),
    Signer("Signer05", -1, 1.09, 1.05, 1.04, 1.18, 1.08, (230, 184, 160), (126, 118, 112), "bald", "elbow",
           1.10, 0.90, 0.96, (-3, 0)),
    Signer("Signer06", 1, 0.92, 0.97, 1.00, 0.88, 0.96, (222, 176, 140), (108, 52, 30), "fringe", "long",
           0.97, 1.04, 1.03, (-5, 3)),
    Signer("Signer07", -1, 1.03, 0.95, 1.05, 1.08, 1.02, (140, 94, 68), (24, 20, 20), "short", "short",
           1.03, 1.00, 1.00, (7, -3)),
    Signer("Signer08", -1, 0.97, 0.99, 1.01, 0.98, 1.00, (240, 202, 182), (196, 158, 96), "long", "long",
           1.08, 0.92, 0.97, (-8, 1)),
    Signer("Signer09", -1, 0.98, 1.01, 0.98, 1.03, 1.01, (214, 164, 132), (88, 60, 44), "fringe", "elbow",
           0.98, 1.02, 1.01, (4, 1)),
)  # fmt: skip
TEST_ONLY_SIGNER = "Signer09"  # whom train and dev never show

_CLOTHES: tuple[Colour, ...] = (
    (34, 34, 40), (30, 40, 66), (52, 52, 58), (66, 30, 38), (30, 58, 52), (58, 46, 38), (48, 36, 64), (24, 26, 30),
    (70, 72, 80), (38, 62, 84),
)  # fmt: skip
_BACKDROPS: tuple[Colour, ...] = (
    (150, 152, 158), (128, 138, 150), (170, 168, 162), (110, 124, 138), (146, 158, 152), (158, 146, 150),
    (120, 122, 126), (136, 150, 168),
)  # fmt: skip


def draw_conditions(rng: np.random.Generator, height: int, width: int) -> RecordingConditions:
    """Draw the recording conditions of one clip, whose pictures are `height` by `width` pixels."""
    side = float(rng.uniform(-1, 1))
    return RecordingConditions(
        cloth=_vary(rng, _CLOTHES[rng.integers(len(_CLOTHES))], 6),
        background=_draw_background(rng, height, width),
        light=_draw_light(rng, side, height, width),
        light_side=side,
        noise=float(rng.uniform(0.3, 0.6)),
        offset=(float(rng.normal(0, 2.5)), float(rng.normal(0, 2))),
        scale=float(rng.uniform(0.98, 1.02)),
    )


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, spread, 3), 8, 247)
    return float(red), float(green), float(blue)


def _draw_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width, y / height
    top = np.array(_vary(rng, _BACKDROPS[rng.integers(len(_BACKDROPS))], 7), dtype=np.float32)
    fall = rng.uniform(0.62, 0.95)
    angle = rng.normal(0, 0.35)
    ramp = np.clip(y * np.cos(angle) + (x - 0.5) * np.sin(angle), 0, 1)[..., None]
    picture = top * (1 - ramp * (1 - fall))
    for _ in range(int(rng.integers(0, 4))):  # soft studio shapes: panels and pools of light
        centre, half = rng.uniform(0, 1, 2), rng.uniform(0.08, 0.4, 2)
        softness = rng.uniform(0.01, 0.08)
        if rng.random() < 0.6:
            distance = np.maximum(np.abs(x - centre[0]) - half[0], np.abs(y - centre[1]) - half[1])
        else:
            distance = (np.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1]) - 1) * half.mean()
        inside = 1 / (1 + np.exp(np.clip(distance / softness, -30, 30)))
        picture = picture + inside[..., None] * (rng.uniform(-22, 22) + rng.normal(0, 5, 3).astype(np.float32))
    return np.clip(picture, 0, 255).astype(np.float32)


def _draw_light(rng: np.random.Generator, side: float, height: int, width: int) -> np.ndarray:
    """Draw the factor (H, W, 3) on the finished picture: gain, colour cast and a fall-off across it."""
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    gain = rng.uniform(0.86, 1.12)
    cast = 1 + rng.normal(0, 0.025, 3)
    slope = 1 + 0.16 * side * x - rng.uniform(0, 0.12) * y
    return (gain * slope[..., None] * cast).astype(np.float32)

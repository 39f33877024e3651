"""From a sentence to poses over time: strokes, the ways between them, and small movements of the body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dataset.synthetic.hand import HANDSHAPES
from dataset.synthetic.lexicon import LEXICON, ORIENTATIONS, PLACES, Place, Sign
from dataset.synthetic.signers import Signer

FPS = 25
# A hand as one vector: x y z of the palm (canonical pixels), angle (degrees), turn, size, then the handshape (5 x 5).
X, Y, Z, ANGLE, TURN, SIZE, SHAPE = 0, 1, 2, 3, 4, 5, 6
HAND_SIZE = SHAPE + 25
# Sway x, sway y, tilt of the head (degrees), opening of the mouth, of the eyes, height of the brows.
FACE_SIZE = 6
DOMINANT, OTHER = 0, 1


@dataclass(frozen=True)
class Motion:
    """A signed sentence of T frames.

    Attributes:
        hands: (T, 2, HAND_SIZE), the dominant hand first; x grows towards each hand's own side.
        face: (T, FACE_SIZE).
        strokes: the first frame of each gloss and the one after its last.
    """

    hands: np.ndarray
    face: np.ndarray
    strokes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Delta:
    """What a movement adds to a sign at one moment.

    Attributes:
        x, y: the shift of the palm in canonical pixels.
        size, turn: factors on size and turn of the hand.
        closing: the degree to which the hand is closed, 0 to 1.
        flutter: the degree to which the fingers flutter, -1 to 1.
    """

    x: float = 0.0
    y: float = 0.0
    size: float = 1.0
    turn: float = 1.0
    closing: float = 0.0
    flutter: float = 0.0


def _swing(t: float, cycles: float) -> float:
    return float(np.sin(2 * np.pi * cycles * t))


MOVEMENTS: dict[str, Callable[[float], Delta]] = {
    "up": lambda t: Delta(y=28 - 56 * t),
    "down": lambda t: Delta(y=-28 + 56 * t),
    "out": lambda t: Delta(x=-22 + 44 * t),
    "in": lambda t: Delta(x=22 - 44 * t),
    "arc": lambda t: Delta(x=-20 + 40 * t, y=10 - 26 * float(np.sin(np.pi * t))),
    "circle": lambda t: Delta(x=17 * _swing(t, 1), y=-17 * float(np.cos(2 * np.pi * t))),
    "wave": lambda t: Delta(x=18 * _swing(t, 1.5)),
    "zigzag": lambda t: Delta(x=9 * _swing(t, 2), y=-26 + 56 * t),
    "tap": lambda t: Delta(y=-12 + 22 * _swing(t, 1) ** 2),
    "shake": lambda t: Delta(x=9 * _swing(t, 2)),
    "push": lambda t: Delta(y=-8 + 18 * t, size=0.85 + 0.45 * t),
    "twist": lambda t: Delta(turn=float(np.cos(2 * np.pi * t))),
    "open": lambda t: Delta(closing=float(np.clip(1.25 - 1.5 * t, 0, 1))),
    "close": lambda t: Delta(closing=float(np.clip(1.5 * t - 0.25, 0, 1))),
    "flutter": lambda t: Delta(y=-14 + 28 * t, flutter=_swing(t, 2)),
}

_SIGNS = {sign.gloss: sign for sign in LEXICON}
_REST = Place("body", 26, 116, 32)
_BASE = Place("body", 10, 84, 36)
_FLUTTER = np.array([0, 16, -16, 16, -16])


def plan_motion(sentence: tuple[str, ...], signer: Signer, rng: np.random.Generator) -> Motion:
    """Plan how `signer` moves to sign `sentence`, from rest to rest, at `FPS` frames a second."""
    rest = _make_rest_pose(signer, rng)
    tempo = signer.tempo * float(rng.uniform(0.94, 1.06))
    strokes = [_make_stroke(_SIGNS[gloss], signer, tempo, rest, rng) for gloss in sentence]
    pieces = [np.repeat(rest[None], int(rng.integers(1, 3)), axis=0)]
    spans = []
    for index, stroke in enumerate(strokes):
        # Between two equal signs the hands drop lower and take longer, or nobody could see that there are two.
        repeated = index > 0 and sentence[index] == sentence[index - 1]
        steps = int(rng.integers(5, 8)) if repeated else int(rng.integers(3, 6))
        pieces.append(_make_travel(pieces[-1][-1], stroke[0], steps, dip=34.0 if repeated else 4.0))
        first = sum(map(len, pieces))
        spans.append((first, first + len(stroke)))
        pieces.append(stroke)
    pieces.append(_make_travel(pieces[-1][-1], rest, int(rng.integers(2, 4)), dip=0.0))
    pieces.append(np.repeat(rest[None], int(rng.integers(1, 3)), axis=0))
    hands = np.concatenate(pieces)
    return Motion(hands, draw_face_motion(len(hands), rng), tuple(spans))


def _locate(place: Place, signer: Signer) -> np.ndarray:
    if place.origin == "head":
        return np.array([place.x * signer.head, locate_face(signer) + place.y * signer.head, place.z])
    return np.array([place.x * signer.shoulder, place.y * signer.torso, place.z])


def locate_face(signer: Signer) -> float:
    """Find the middle of the face above the base of the neck: canonical pixels, negative."""
    return -(17 + 31 * signer.head)


def _join_hand(position: np.ndarray, angle: float, turn: float, shape: np.ndarray) -> np.ndarray:
    return np.concatenate([position, [angle, turn, 1.0], shape.ravel()])


def _make_rest_pose(signer: Signer, rng: np.random.Generator) -> np.ndarray:
    hands = []
    for _ in (DOMINANT, OTHER):
        position = _locate(_REST, signer) + rng.normal(0, [3, 3, 0])
        hands.append(_join_hand(position, 62 + rng.normal(0, 6), -1, HANDSHAPES["relaxed"]))
    return np.stack(hands)  # (2, HAND_SIZE)


def _make_stroke(sign: Sign, signer: Signer, tempo: float, rest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make the frames (n, 2, HAND_SIZE) of one sign; 8 to 12 of them."""
    frames = int(np.clip(round(9.1 * tempo * rng.uniform(0.9, 1.1)), 8, 12))
    place = _locate(PLACES[sign.place], signer) + rng.normal(0, [2.5, 2.5, 0])
    orientation = ORIENTATIONS[sign.orientation]
    angle = orientation.angle + rng.normal(0, 5)
    amplitude = signer.amplitude * rng.uniform(0.9, 1.12)
    shape = HANDSHAPES[sign.handshape].copy()
    shape[:, 2] += rng.normal(0, 3, 5)
    other = rest[OTHER]
    if sign.hands == "base":
        other = _join_hand(_locate(_BASE, signer), ORIENTATIONS["in"].angle, -1, HANDSHAPES["flat"])
    poses = []
    for moment in np.linspace(0, 1, frames):
        eased = 0.5 * moment + 0.5 * moment * moment * (3 - 2 * moment)
        delta = MOVEMENTS[sign.movement](float(eased))  # slower at both ends, as hands are
        moved = shape + delta.closing * (HANDSHAPES["beak"] - shape)
        moved[:, 2] += delta.flutter * _FLUTTER
        hand = _join_hand(
            place + amplitude * np.array([delta.x, delta.y, 0]), angle, orientation.turn * delta.turn, moved
        )
        hand[SIZE] = delta.size
        poses.append(np.stack([hand, hand if sign.hands == "two" else other]))
    return np.stack(poses)


def _make_travel(start: np.ndarray, end: np.ndarray, steps: int, dip: float) -> np.ndarray:
    """Make `steps` poses between two, along a path that sags by `dip` canonical pixels where a hand moves."""
    moment = np.arange(1, steps + 1) / (steps + 1)
    weight = (moment * moment * (3 - 2 * moment))[:, None, None]
    poses = start + weight * (end - start)  # (steps, 2, HAND_SIZE)
    busy = (start[:, Y] < 100) & (end[:, Y] < 100)  # a resting hand stays where it is
    poses[:, :, Y] += dip * np.sin(np.pi * moment)[:, None] * busy
    return poses


def draw_face_motion(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Draw small movements of body and face, which say nothing about the gloss: (T, FACE_SIZE)."""
    seconds = np.arange(frames) / FPS

    def drift(size: float, speed: float) -> np.ndarray:
        return size * np.sin(2 * np.pi * (speed * rng.uniform(0.7, 1.3) * seconds + rng.random()))

    eyes = np.ones(frames)
    blink = int(rng.integers(0, 2 * frames))
    eyes[blink : blink + 3] = np.array([0.4, 0.0, 0.5])[: len(eyes[blink : blink + 3])]
    mouth = np.clip(drift(0.5, 2.2) + drift(0.4, 3.1), 0, 1)
    return np.stack([drift(1.6, 0.4), drift(0.9, 0.6), drift(3.0, 0.5), mouth, eyes, drift(0.7, 0.8)], axis=1)

"""What signers do between sentences: stand, scratch their head, fold their hands, shift their weight, or go away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dataset.synthetic.hand import HANDSHAPES
from dataset.synthetic.motion import (
    ANGLE,
    DOMINANT,
    FPS,
    OTHER,
    SHAPE,
    TURN,
    Motion,
    X,
    Y,
    Z,
    draw_face_motion,
    locate_face,
)
from dataset.synthetic.signers import Signer

OUT_OF_SIGHT = 190.0  # pixels to the side at which nothing of a signer is in the picture
WALK = 30  # frames that a signer takes to get there
REACH = 12  # frames that a hand takes to the head, or to the other hand
BLINK = (0.4, 0.0, 0.5)  # how far the eyes are open in the frames of a blink

Rest = tuple[np.ndarray, np.ndarray]
"""The hands (T, 2, HAND_SIZE), and how far the signer stands from the usual place to the side, (T,) pixels."""


def plan_rest(
    kind: str, start: np.ndarray, end: np.ndarray, frames: int, signer: Signer, rng: np.random.Generator
) -> Rest:
    """Plan how a signer moves while nothing is signed.

    Args:
        kind: a key of `RESTS`.
        start, end: the hands before and after it, (2, HAND_SIZE).
        frames: the number of frames T. What does not fit into them is left out, and the signer stands.
        signer: the person.
        rng: the source of what is drawn.
    """
    moment = np.linspace(0, 1, frames)
    hands = start + _ease(moment)[:, None, None] * (end - start)  # (T, 2, HAND_SIZE)
    seconds = np.arange(frames) / FPS
    for which in (DOMINANT, OTHER):
        for axis, size in ((X, 1.5), (Y, 1.0), (ANGLE, 2.0)):
            wave = np.sin(2 * np.pi * (rng.uniform(0.15, 0.4) * seconds + rng.random()))
            hands[:, which, axis] += size * wave * np.sin(np.pi * moment)
    return RESTS[kind](hands, signer, rng)


def add_rest(motion: Motion, before: bool, frames: int, signer: Signer, rng: np.random.Generator) -> Motion:
    """Let a signer rest before or after a sentence, in a way that is drawn.

    Args:
        motion: how the sentence is signed.
        before: whether the rest comes before the sentence.
        frames: how long it lasts.
        signer: the person.
        rng: the source of what is drawn.
    """
    signed = len(motion.hands)
    pose = motion.hands[0 if before else -1]
    hands, sway = plan_rest(str(rng.choice(sorted(RESTS))), pose, pose, frames, signer, rng)
    rest, sentence = (0, frames) if before else (signed, 0)  # where they begin
    face = plan_face(frames + signed, [(sentence, sentence + signed)], rng)
    face[rest : rest + frames, 0] += sway
    pieces = [hands, motion.hands] if before else [motion.hands, hands]
    strokes = tuple((first + sentence, end + sentence) for first, end in motion.strokes)
    return Motion(np.concatenate(pieces), face, strokes)


def plan_face(frames: int, sentences: Sequence[tuple[int, int]], rng: np.random.Generator) -> np.ndarray:
    """Plan small movements of body and face, (T, FACE_SIZE): the mouth moves in sentences alone, the eyes blink.

    Args:
        frames: the number of frames T.
        sentences: the frames of each, the first and the one after the last.
        rng: the source of what is drawn.
    """
    face = draw_face_motion(frames, rng)
    speaking = np.zeros(frames)
    for first, end in sentences:
        speaking[first:end] = 1
    face[:, 3] *= np.convolve(speaking, np.ones(9) / 9, mode="same")[:frames] if frames >= 9 else speaking
    face[:, 4] = 1
    at = int(rng.integers(0, 3 * FPS))
    while at < frames:
        face[at : at + 3, 4] = BLINK[: frames - at]
        at += int(rng.integers(2 * FPS, 6 * FPS))
    return face


def _stand(hands: np.ndarray, signer: Signer, rng: np.random.Generator) -> Rest:  # noqa: ARG001
    return hands, np.zeros(len(hands))


def _scratch(hands: np.ndarray, signer: Signer, rng: np.random.Generator) -> Rest:
    """One hand goes to the side of the head and scratches it."""
    length = FPS + int(rng.integers(0, FPS))
    presence = _draw_presence(len(hands), length, REACH, rng)
    which = int(rng.integers(2))
    at_head = hands[:, which].copy()
    at_head[:, X], at_head[:, Y] = 24 * signer.head, locate_face(signer) - 6 * signer.head
    at_head[:, Z], at_head[:, ANGLE], at_head[:, TURN] = 44, 30, -1
    at_head[:, SHAPE:] = HANDSHAPES["claw"].ravel()
    at_head[:, Y] += 3 * np.sin(2 * np.pi * 3 * np.arange(len(hands)) / FPS)
    hands[:, which] += presence[:, None] * (at_head - hands[:, which])
    return hands, np.zeros(len(hands))


def _fold(hands: np.ndarray, signer: Signer, rng: np.random.Generator) -> Rest:
    """The hands fold before the belly and stay there for most of the rest."""
    presence = _draw_presence(len(hands), len(hands) - 3 * REACH, REACH, rng)[:, None]
    for which in (DOMINANT, OTHER):
        folded = hands[:, which].copy()
        folded[:, X], folded[:, Y], folded[:, Z] = 2, 84 * signer.torso, 40
        folded[:, ANGLE] = 70
        hands[:, which] += presence * (folded - hands[:, which])
    return hands, np.zeros(len(hands))


def _shift(hands: np.ndarray, signer: Signer, rng: np.random.Generator) -> Rest:  # noqa: ARG001
    """The weight goes from one leg to the other and back."""
    presence = _draw_presence(len(hands), len(hands) // 2, REACH, rng)
    return hands, float(rng.choice([-1, 1]) * rng.uniform(5, 9)) * presence


def _go_away(hands: np.ndarray, signer: Signer, rng: np.random.Generator) -> Rest:  # noqa: ARG001
    """The signer walks out of the picture, and later in again: between, the studio is empty."""
    presence = _draw_presence(len(hands), len(hands) - 2 * WALK - FPS, WALK, rng)
    return hands, float(rng.choice([-1, 1])) * OUT_OF_SIGHT * presence


RESTS: dict[str, Callable[[np.ndarray, Signer, np.random.Generator], Rest]] = {
    "stand": _stand,
    "scratch": _scratch,
    "fold": _fold,
    "shift": _shift,
    "away": _go_away,
}


def _draw_presence(frames: int, length: int, way: int, rng: np.random.Generator) -> np.ndarray:
    """Draw when something happens: (T,) 0 before and after, 1 for `length` frames, smooth for `way` frames between.

    It is 0 throughout where it does not fit.
    """
    spare = frames - length - 2 * way
    if spare < 0 or length < 1:
        return np.zeros(frames)
    rise = _ease(np.arange(1, way + 1) / (way + 1))
    before = int(rng.integers(spare + 1))
    return np.concatenate([np.zeros(before), rise, np.ones(length), rise[::-1], np.zeros(spare - before)])


def _ease(moment: np.ndarray) -> np.ndarray:
    return moment * moment * (3 - 2 * moment)

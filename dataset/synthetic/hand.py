"""Handshapes of the built-in corpus and how a hand is drawn."""

from __future__ import annotations

import cv2
import numpy as np

SHIFT = 4  # fractional bits of the coordinates that cv2 gets
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
PALM_LENGTH = 17.0  # canonical pixels from the wrist to the knuckles; every length below is a multiple of it

# One row a finger: base x (towards the thumb), base y (from the wrist), angle from the hand's axis (degrees, towards
# the thumb), bend at each of the two outer joints (degrees), length.
_BASES = ((0.36, 0.38), (0.36, 0.98), (0.12, 1.04), (-0.12, 1.0), (-0.36, 0.9))
_LENGTHS = (0.78, 0.98, 1.08, 1.0, 0.8)
_CURLED = (0.0, 0.0, 0.24)

_PALM = np.array([[-0.27, -0.05], [-0.45, 0.45], [-0.47, 0.92], [-0.3, 1.06], [0.3, 1.08], [0.47, 0.92], [0.42, 0.4],
                  [0.27, -0.05]])  # fmt: skip
_FINGER_WIDTH = 0.25


def _make_shape(thumb: tuple[float, float, float], **fingers: tuple[float, float, float]) -> np.ndarray:
    rows = [thumb, *(fingers.get(name, _CURLED) for name in FINGERS[1:])]
    return np.array([[*base, *row] for base, row in zip(_BASES, rows, strict=True)], dtype=np.float64)  # (5, 5)


def _spread(angles: tuple[float, ...], bend: float, part: float, thumb: tuple[float, float, float]) -> np.ndarray:
    rows = {n: (a, bend, part * size) for n, a, size in zip(FINGERS[1:], angles, _LENGTHS[1:], strict=True)}
    return _make_shape(thumb, **rows)


_ACROSS = (-38.0, -22.0, 0.72)

HANDSHAPES: dict[str, np.ndarray] = {
    "fist": _make_shape(_ACROSS),
    "flat": _spread((1, 0, 0, -1), 0, 1.0, (14, -6, 0.72)),
    "five": _spread((22, 6, -10, -28), 0, 1.05, (62, -6, 0.86)),
    "index": _make_shape(_ACROSS, index=(2, 0, 1.06)),
    "vee": _make_shape(_ACROSS, index=(17, 0, 1.04), middle=(-12, 0, 1.1)),
    "three": _make_shape(_ACROSS, index=(20, 0, 1.02), middle=(0, 0, 1.1), ring=(-20, 0, 1.02)),
    "ell": _make_shape((88, 0, 0.95), index=(-2, 0, 1.06)),
    "thumb": _make_shape((84, 4, 1.0)),
    "wye": _make_shape((78, 0, 0.95), pinky=(-36, 0, 0.95)),
    "horns": _make_shape(_ACROSS, index=(10, 0, 1.02), pinky=(-14, 0, 0.92)),
    "claw": _spread((30, 12, -8, -34), 34, 0.86, (66, -34, 0.86)),
    "ring": _spread((4, 8, 14, 22), 48, 1.05, (58, -34, 0.95)),
    "beak": _spread((-12, -3, 6, 17), 0, 0.92, (-4, 0, 1.1)),
    "relaxed": _spread((8, 3, -3, -10), 14, 0.78, (34, -10, 0.75)),
}


def to_fixed_point(points: np.ndarray) -> np.ndarray:
    """Turn points (n, 2) in pixels into the fixed-point integers that cv2's `shift=SHIFT` wants.

    With whole pixels a slowly moving hand would jump from one to the next.
    """
    return np.rint(np.asarray(points) * (1 << SHIFT)).astype(np.int32)


def compute_finger_joints(shape: np.ndarray) -> np.ndarray:
    """Compute the joints of five fingers: (5, 4, 2) palm lengths, x towards the thumb and y towards the fingertips."""
    steps = np.arange(3)
    angles = np.radians(shape[:, 2, None] + shape[:, 3, None] * steps)  # (5, 3)
    lengths = shape[:, 4, None] * np.array([0.42, 0.32, 0.26])
    moves = np.stack([np.sin(angles), np.cos(angles)], axis=-1) * lengths[..., None]  # (5, 3, 2)
    return np.concatenate([shape[:, None, :2], shape[:, None, :2] + np.cumsum(moves, axis=1)], axis=1)


def compute_hand_outline(axis: np.ndarray, thumb_side: np.ndarray, shape: np.ndarray, length: float) -> np.ndarray:
    """Compute points (n, 2) around a hand, in pixels from its wrist; `draw_hand` draws nothing outside of them."""
    points = (
        np.concatenate([compute_finger_joints(shape).reshape(-1, 2), _PALM]) @ np.stack([thumb_side, axis]) * length
    )
    half = 0.5 * _FINGER_WIDTH * length
    return np.concatenate([points - half, points + half])


def draw_hand(
    image: np.ndarray,
    wrist: np.ndarray,
    axis: np.ndarray,
    thumb_side: np.ndarray,
    shape: np.ndarray,
    length: float,
    colours: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]],
) -> None:
    """Draw one hand on a picture.

    Args:
        image: the picture (H, W, 3) uint8, which is changed.
        wrist: the wrist (2,) in pixels.
        axis: the unit vector (2,) to the knuckles.
        thumb_side: the vector (2,) to the thumb's side, shorter than one when the hand is seen from its edge.
        shape: the handshape (5, 5), an entry of `HANDSHAPES` or a mixture of two.
        length: the palm's length in pixels.
        colours: the colours of the skin, of its outline and of its light.
    """
    skin, edge, light = colours
    frame = np.stack([thumb_side, axis]) * length

    def place(points: np.ndarray) -> np.ndarray:
        return to_fixed_point(wrist + points @ frame)

    joints = compute_finger_joints(shape)
    width = max(2, round(_FINGER_WIDTH * length))
    rim = max(1, round(0.07 * length))
    outline = [place(_PALM).reshape(-1, 1, 2)]
    cv2.polylines(image, outline, True, edge, width // 2 + 2 * rim, cv2.LINE_AA, SHIFT)
    # From the little finger on, so that each covers the edge of the one before; the thumb lies over all, hence last.
    for finger in (4, 3, 2, 1):
        _draw_finger(image, place(joints[finger]), width, rim, skin, edge, light)
    cv2.fillPoly(image, outline, skin, cv2.LINE_AA, SHIFT)
    cv2.polylines(image, outline, True, skin, width // 2, cv2.LINE_AA, SHIFT)
    # A curled finger is no more than a short stub behind the palm: gaps show that there is one.
    if min(shape[1:, 4]) < 0.5:
        for x in (-0.23, 0.0, 0.23):
            cv2.polylines(image, [place(np.array([[x, 0.62], [x, 1.2]])).reshape(-1, 1, 2)], False, edge, rim,
                          cv2.LINE_AA, SHIFT)  # fmt: skip
    _draw_finger(image, place(joints[0]), width + 1, rim, skin, edge, light)


def _draw_finger(
    image: np.ndarray,
    joints: np.ndarray,
    width: int,
    rim: int,
    skin: tuple[float, ...],
    edge: tuple[float, ...],
    light: tuple[float, ...],
) -> None:
    line = [joints.reshape(-1, 1, 2)]
    cv2.polylines(image, line, False, edge, width + 2 * rim, cv2.LINE_AA, SHIFT)
    cv2.polylines(image, line, False, skin, width, cv2.LINE_AA, SHIFT)
    cv2.polylines(image, line, False, light, max(1, width // 3), cv2.LINE_AA, SHIFT)

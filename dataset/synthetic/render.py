"""From a pose to a picture: an articulated signer before a studio background, 210x260 RGB."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dataset.synthetic.canvas import Canvas, shade
from dataset.synthetic.face import Head
from dataset.synthetic.hand import PALM_LENGTH, compute_hand_outline, draw_hand
from dataset.synthetic.motion import ANGLE, DOMINANT, OTHER, SHAPE, SIZE, TURN
from dataset.synthetic.signers import RecordingConditions, Signer

WIDTH, HEIGHT = 210, 260
OVERSAMPLE = 2  # drawn at twice the size, then averaged down
NECK = (105.0, 132.0)  # base of the neck in the picture
SHOULDER = (40.0, 17.0)
UPPER_ARM, FOREARM = 66.0, 58.0
GRAIN_MARGIN = 64  # pixels that the noise is larger than the picture in either direction
CAMERA_BLUR = 0.55
# How far down the arm a sleeve reaches: 1 is the elbow, 2 the wrist.
SLEEVES = {"short": 0.55, "elbow": 1.15, "long": 1.95}
Limb = tuple[np.ndarray, np.ndarray, float, float]  # two ends, two radii
ELBOW_POLE = np.array([0.4, 0.9, -0.45])  # where the elbow wants to be: outwards, down and back


@dataclass(frozen=True)
class Arm:
    """Where one arm is.

    Attributes:
        shoulder, elbow, wrist: canonical points (2,).
        axis: the unit vector (2,) from the wrist to the knuckles.
        thumb_side: the vector (2,) to the thumb's side.
        palm: the palm's length in canonical pixels.
    """

    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    axis: np.ndarray
    thumb_side: np.ndarray
    palm: float


def find_elbow(shoulder: np.ndarray, wrist: np.ndarray, upper: float, fore: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the elbow of an arm: two-bone inverse kinematics with the elbow towards `ELBOW_POLE`.

    x grows outwards on the arm's own side, y downwards, z to the viewer.

    Args:
        shoulder: where the arm begins, (3,).
        wrist: where it should end, (3,); out of reach it is pulled in.
        upper: the length of the upper arm.
        fore: the length of the forearm.

    Returns:
        the elbow and the wrist that is reached, both (3,).
    """
    span = wrist - shoulder
    distance = float(np.linalg.norm(span))
    # Never quite stretched nor folded flat, so that the elbow stays on the side where the pole pulls it.
    reach = float(np.clip(distance, abs(upper - fore) + 1.0, 0.985 * (upper + fore)))
    along = span / max(distance, 1e-6)
    bend = (upper**2 - fore**2 + reach**2) / (2 * reach)
    pole = ELBOW_POLE - (ELBOW_POLE @ along) * along
    pole /= max(float(np.linalg.norm(pole)), 1e-6)
    elbow = shoulder + bend * along + np.sqrt(max(upper**2 - bend**2, 0.0)) * pole
    return elbow, shoulder + reach * along


class Renderer:
    """Draws the frames of one clip.

    Args:
        signer: the person.
        conditions: clothing, background and light of the clip.
        rng: the clip's random numbers, which go on with the noise.
    """

    def __init__(self, signer: Signer, conditions: RecordingConditions, rng: np.random.Generator) -> None:
        self._signer = signer
        self._conditions = conditions
        self._rng = rng
        size = (WIDTH * OVERSAMPLE, HEIGHT * OVERSAMPLE)
        self._background = np.rint(cv2.resize(conditions.background, size)).astype(np.uint8)
        # Noise is drawn once, larger than the picture, and read at a random place in every frame: cheap and light.
        grain = rng.normal(0, conditions.noise, (HEIGHT + GRAIN_MARGIN, WIDTH + GRAIN_MARGIN, 3))
        self._grain = np.rint(grain).astype(np.int16)

    def render_frame(self, hands: np.ndarray, face: np.ndarray) -> np.ndarray:
        """Draw one frame (260, 210, 3) uint8 RGB from `hands` (2, HAND_SIZE) and `face` (FACE_SIZE,)."""
        canvas = self._make_canvas(self._background.copy(), face)
        head = Head(canvas, self._signer, face, self._conditions.light_side)
        head.draw_back()
        self._draw_torso(canvas)
        head.draw_front()
        for which in (OTHER, DOMINANT):  # the dominant hand last: it covers the other one where they meet
            self._draw_arm(canvas, hands[which], self._find_side(which))
        return self._develop(canvas.image)

    def find_hand_boxes(self, hands: np.ndarray, face: np.ndarray) -> np.ndarray:
        """Find boxes around the hands, wrist to fingertips, in the frame of `hands` and `face`.

        Returns:
            (2, 4) left, top, right and bottom in pixels of the picture, the dominant hand first.
        """
        canvas = self._make_canvas(self._background, face)
        boxes = []
        for which in (DOMINANT, OTHER):
            arm = self._find_arm(hands[which], self._find_side(which))
            length = arm.palm * canvas.scale
            shape = hands[which, SHAPE:].reshape(5, 5)
            outline = compute_hand_outline(arm.axis, arm.thumb_side, shape, length)  # (n, 2)
            points = canvas.to_pixels(arm.wrist) + outline
            boxes.append([*points.min(axis=0), *points.max(axis=0)])
        return np.array(boxes) / OVERSAMPLE

    def _make_canvas(self, image: np.ndarray, face: np.ndarray) -> Canvas:
        """Make `image` a canvas to draw this signer on, placed as in the frame that `face` belongs to."""
        scale = self._signer.scale * self._conditions.scale * OVERSAMPLE
        neck = np.array(NECK) + self._signer.offset + self._conditions.offset + face[:2]
        return Canvas(image, neck * OVERSAMPLE, scale)

    def _find_side(self, which: int) -> int:
        """Find the side of a hand: -1 at the left of the picture, 1 at the right."""
        return self._signer.dominant * (1 if which == DOMINANT else -1)

    def _develop(self, image: np.ndarray) -> np.ndarray:
        """Turn the oversampled drawing into what a camera sees: smaller, lit, with grain."""
        picture = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        picture = cv2.GaussianBlur(picture, (3, 3), CAMERA_BLUR)
        lit = cv2.multiply(picture, self._conditions.light, dtype=cv2.CV_16S)
        top, left = self._rng.integers(0, GRAIN_MARGIN, 2)
        lit += self._grain[top : top + HEIGHT, left : left + WIDTH]
        return np.clip(lit, 0, 255).astype(np.uint8)

    def _draw_torso(self, canvas: Canvas) -> None:
        skin, cloth = self._signer.skin, self._conditions.cloth
        build = np.array([self._signer.shoulder, self._signer.torso])
        half = np.array([[9, -8], [15, 1], [30, 4], [45, 9], [53, 22], [50, 46], [45, 74], [42, 104], [44, 170]])
        outline = np.concatenate([half, half[::-1] * (-1, 1)]) * build
        canvas.fill_polygon(outline, shade(cloth, 0.62))
        canvas.fill_polygon(outline * (0.96, 1) + (0, 2), cloth)
        side = 1 if self._conditions.light_side > 0 else -1
        lit = np.array([[16, 8], [36, 12], [42, 30], [35, 74], [32, 170], [14, 170], [20, 70]]) * (side, 1) * build
        canvas.fill_polygon(lit, shade(cloth, 1.12))
        for x, top, bottom, lean in ((-18, 60, 120, 5), (14, 66, 128, -4), (-6, 92, 140, 2)):
            fold = np.array([[x, top], [x + lean, (top + bottom) / 2], [x, bottom]]) * build
            canvas.draw_line(fold, shade(cloth, 0.72), 1.0)
        neck = np.array([[-11, -30], [-12, -6], [-18, 1], [-10, 13], [0, 17], [10, 13], [18, 1], [12, -6], [11, -30]])
        neck = neck * (self._signer.shoulder, 1)
        canvas.fill_polygon(neck, shade(skin, 0.86))
        canvas.fill_polygon(np.array([[-11, -30], [-11, -14], [0, -5], [11, -14], [11, -30]]), shade(skin, 0.66))
        canvas.draw_line(neck[2:7], shade(cloth, 1.3), 1.6)

    def _draw_arm(self, canvas: Canvas, hand: np.ndarray, side: int) -> None:
        """Draw one arm; `side` is -1 for the one at the left of the picture."""
        arm = self._find_arm(hand, side)
        self._draw_sleeves(canvas, arm.shoulder, arm.elbow, arm.wrist)
        tone = shade(self._signer.skin, 1.0 if hand[TURN] > 0 else 0.93)
        colours = (tone, shade(self._signer.skin, 0.5), shade(tone, 1.08))
        shape = hand[SHAPE:].reshape(5, 5)
        draw_hand(canvas.image, canvas.to_pixels(arm.wrist), arm.axis, arm.thumb_side, shape, arm.palm * canvas.scale,
                  colours)  # fmt: skip

    def _find_arm(self, hand: np.ndarray, side: int) -> Arm:
        """Find where an arm is; `side` is -1 for the one at the left of the picture."""
        signer = self._signer
        out = np.array([side, 1.0])
        angle = np.radians(hand[ANGLE])
        axis = np.array([-np.sin(angle), -np.cos(angle)])  # outwards, down
        palm = PALM_LENGTH * signer.hand * hand[SIZE]
        wrist = np.array([*(hand[:2] - 0.55 * palm * axis), hand[2] * hand[SIZE]])
        shoulder = np.array([SHOULDER[0] * signer.shoulder, SHOULDER[1], 0.0])
        length = 0.5 * (signer.shoulder + signer.torso)
        elbow, wrist = find_elbow(shoulder, wrist, UPPER_ARM * length, FOREARM * length)
        # A hand seen from its edge is still a hand thick.
        turn = np.copysign(max(abs(hand[TURN]), 0.3), hand[TURN])
        thumb_side = turn * np.array([-np.cos(angle), np.sin(angle)])
        return Arm(shoulder[:2] * out, elbow[:2] * out, wrist[:2] * out, axis * out, thumb_side * out, palm)

    def _draw_sleeves(self, canvas: Canvas, shoulder: np.ndarray, elbow: np.ndarray, wrist: np.ndarray) -> None:
        """Draw an arm with as much sleeve as the signer wears; outlines first, so that joints stay soft."""
        skin, cloth = self._signer.skin, self._conditions.cloth
        thick = self._signer.arm
        part = SLEEVES[self._signer.sleeve]
        forearm = (elbow, wrist, 8.6 * thick, 5.8 * thick)
        upper = (shoulder, elbow, 12.0 * thick, 9.2 * thick)
        bare = [forearm] if part > 1 else [upper, forearm]
        if part > 1:
            covered = [_make_sleeve(upper, 1.0, 1.4), _make_sleeve(forearm, part - 1, 1.4)]
        else:
            covered = [_make_sleeve(upper, part, 1.8)]
        for limbs, colour in ((bare, skin), (covered, cloth)):
            for grow, tone in ((1.0, shade(colour, 0.56)), (0.0, colour)):
                for a, b, ra, rb in limbs:
                    canvas.fill_limb(a, b, ra + grow, rb + grow, tone)
            for a, b, ra, rb in limbs:
                aside = np.array([1.5 * np.sign(self._conditions.light_side), -1.5])
                canvas.fill_limb(a + aside, b + aside, 0.55 * ra, 0.5 * rb, shade(colour, 1.1))


def _make_sleeve(limb: Limb, part: float, wider: float) -> Limb:
    """Make a sleeve over the first `part` of a limb, `wider` canonical pixels wider than it."""
    a, b, ra, rb = limb
    return a, a + part * (b - a), ra + wider, ra + part * (rb - ra) + wider

"""From a pose to a picture: an articulated signer before a studio background, 210x260 RGB."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dataset.synthetic.canvas import Canvas, shade
from dataset.synthetic.face import Head
from dataset.synthetic.hand import PALM_LENGTH, draw_hand, hand_outline
from dataset.synthetic.motion import ANGLE, DOMINANT, OTHER, SHAPE, SIZE, TURN
from dataset.synthetic.signers import Recording, Signer

WIDTH, HEIGHT = 210, 260
OVERSAMPLE = 2
NECK = (105.0, 132.0)  # base of the neck in the picture
SHOULDER = (40.0, 17.0)
UPPER_ARM, FOREARM = 66.0, 58.0
GRAIN_MARGIN = 64
CAMERA_BLUR = 0.55
# How far down the arm a sleeve reaches: 1 is the elbow, 2 the wrist.
SLEEVES = {"short": 0.55, "elbow": 1.15, "long": 1.95}
Limb = tuple[np.ndarray, np.ndarray, float, float]  # two ends, two radii
ELBOW_POLE = np.array([0.4, 0.9, -0.45])  # where the elbow wants to be: outwards, down and back


@dataclass(frozen=True)
class Arm:
    """Where one arm is: canonical points (2,), unit vector to the knuckles, vector to the thumb's side, and the
    palm's length."""

    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    axis: np.ndarray
    thumb_side: np.ndarray
    palm: float


def elbow_position(shoulder: np.ndarray, wrist: np.ndarray, upper: float, fore: float) -> tuple[np.ndarray, np.ndarray]:
    """Elbow and reachable wrist, both (3,): two-bone inverse kinematics with the elbow towards `ELBOW_POLE`.

    x grows outwards on the arm's own side, y downwards, z to the viewer. A wrist out of reach is pulled in.
    """
    span = wrist - shoulder
    distance = float(np.linalg.norm(span))
    reach = float(np.clip(distance, abs(upper - fore) + 1.0, 0.985 * (upper + fore)))
    along = span / max(distance, 1e-6)
    bend = (upper**2 - fore**2 + reach**2) / (2 * reach)
    pole = ELBOW_POLE - (ELBOW_POLE @ along) * along
    pole /= max(float(np.linalg.norm(pole)), 1e-6)
    elbow = shoulder + bend * along + np.sqrt(max(upper**2 - bend**2, 0.0)) * pole
    return elbow, shoulder + reach * along


class Renderer:
    """Draws the frames of one clip: one signer under one recording's conditions."""

    def __init__(self, signer: Signer, recording: Recording, rng: np.random.Generator) -> None:
        self._signer = signer
        self._recording = recording
        self._rng = rng
        size = (WIDTH * OVERSAMPLE, HEIGHT * OVERSAMPLE)
        self._background = np.rint(cv2.resize(recording.background, size)).astype(np.uint8)
        # Noise is drawn once, larger than the picture, and read at a random place in every frame: cheap and light.
        grain = rng.normal(0, recording.noise, (HEIGHT + GRAIN_MARGIN, WIDTH + GRAIN_MARGIN, 3))
        self._grain = np.rint(grain).astype(np.int16)

    def frame(self, hands: np.ndarray, face: np.ndarray) -> np.ndarray:
        """One frame (260, 210, 3) uint8 RGB from `hands` (2, HAND_SIZE) and `face` (FACE_SIZE,)."""
        canvas = self._canvas(self._background.copy(), face)
        head = Head(canvas, self._signer, face, self._recording.light_side)
        head.draw_back()
        self._draw_torso(canvas)
        head.draw_front()
        for which in (OTHER, DOMINANT):
            self._draw_arm(canvas, hands[which], self._side(which))
        return self._develop(canvas.image)

    def hand_boxes(self, hands: np.ndarray, face: np.ndarray) -> np.ndarray:
        """Boxes around the hands, wrist to fingertips, in the frame of `hands` and `face`: (2, 4), the dominant hand
        first, each left, top, right, bottom in pixels of the picture."""
        canvas = self._canvas(self._background, face)
        boxes = []
        for which in (DOMINANT, OTHER):
            arm = self._arm(hands[which], self._side(which))
            length = arm.palm * canvas.scale
            outline = hand_outline(arm.axis, arm.thumb_side, hands[which, SHAPE:].reshape(5, 5), length)  # (n, 2)
            points = canvas.pixels(arm.wrist) + outline
            boxes.append([*points.min(axis=0), *points.max(axis=0)])
        return np.array(boxes) / OVERSAMPLE

    def _canvas(self, image: np.ndarray, face: np.ndarray) -> Canvas:
        """`image` to draw this signer on, as he stands in the frame of `face`."""
        scale = self._signer.scale * self._recording.scale * OVERSAMPLE
        neck = np.array(NECK) + self._signer.offset + self._recording.offset + face[:2]
        return Canvas(image, neck * OVERSAMPLE, scale)

    def _side(self, which: int) -> int:
        """-1 for the hand at the left of the picture, 1 for the one at the right."""
        return self._signer.dominant * (1 if which == DOMINANT else -1)

    def _develop(self, image: np.ndarray) -> np.ndarray:
        """The oversampled drawing as the camera sees it: smaller, lit, with grain."""
        picture = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        picture = cv2.GaussianBlur(picture, (3, 3), CAMERA_BLUR)
        lit = cv2.multiply(picture, self._recording.light, dtype=cv2.CV_16S)
        top, left = self._rng.integers(0, GRAIN_MARGIN, 2)
        lit += self._grain[top : top + HEIGHT, left : left + WIDTH]
        return np.clip(lit, 0, 255).astype(np.uint8)

    def _draw_torso(self, canvas: Canvas) -> None:
        skin, cloth = self._signer.skin, self._recording.cloth
        build = np.array([self._signer.shoulder, self._signer.torso])
        half = np.array([[9, -8], [15, 1], [30, 4], [45, 9], [53, 22], [50, 46], [45, 74], [42, 104], [44, 170]])
        outline = np.concatenate([half, half[::-1] * (-1, 1)]) * build
        canvas.polygon(outline, shade(cloth, 0.62))
        canvas.polygon(outline * (0.96, 1) + (0, 2), cloth)
        side = 1 if self._recording.light_side > 0 else -1
        lit = np.array([[16, 8], [36, 12], [42, 30], [35, 74], [32, 170], [14, 170], [20, 70]]) * (side, 1) * build
        canvas.polygon(lit, shade(cloth, 1.12))
        for x, top, bottom, lean in ((-18, 60, 120, 5), (14, 66, 128, -4), (-6, 92, 140, 2)):
            fold = np.array([[x, top], [x + lean, (top + bottom) / 2], [x, bottom]]) * build
            canvas.line(fold, shade(cloth, 0.72), 1.0)
        neck = np.array([[-11, -30], [-12, -6], [-18, 1], [-10, 13], [0, 17], [10, 13], [18, 1], [12, -6], [11, -30]])
        neck = neck * (self._signer.shoulder, 1)
        canvas.polygon(neck, shade(skin, 0.86))
        canvas.polygon(np.array([[-11, -30], [-11, -14], [0, -5], [11, -14], [11, -30]]), shade(skin, 0.66))
        canvas.line(neck[2:7], shade(cloth, 1.3), 1.6)

    def _draw_arm(self, canvas: Canvas, hand: np.ndarray, side: int) -> None:
        """One arm; `side` is -1 for the one at the left of the picture."""
        arm = self._arm(hand, side)
        self._draw_sleeves(canvas, arm.shoulder, arm.elbow, arm.wrist)
        tone = shade(self._signer.skin, 1.0 if hand[TURN] > 0 else 0.93)
        colours = (tone, shade(self._signer.skin, 0.5), shade(tone, 1.08))
        shape = hand[SHAPE:].reshape(5, 5)
        draw_hand(canvas.image, canvas.pixels(arm.wrist), arm.axis, arm.thumb_side, shape, arm.palm * canvas.scale,
                  colours)  # fmt: skip

    def _arm(self, hand: np.ndarray, side: int) -> Arm:
        """Where an arm is; `side` is -1 for the one at the left of the picture."""
        signer = self._signer
        out = np.array([side, 1.0])
        angle = np.radians(hand[ANGLE])
        axis = np.array([-np.sin(angle), -np.cos(angle)])  # outwards, down
        palm = PALM_LENGTH * signer.hand * hand[SIZE]
        wrist = np.array([*(hand[:2] - 0.55 * palm * axis), hand[2] * hand[SIZE]])
        shoulder = np.array([SHOULDER[0] * signer.shoulder, SHOULDER[1], 0.0])
        length = 0.5 * (signer.shoulder + signer.torso)
        elbow, wrist = elbow_position(shoulder, wrist, UPPER_ARM * length, FOREARM * length)
        # A hand seen from its edge is still a hand thick.
        turn = np.copysign(max(abs(hand[TURN]), 0.3), hand[TURN])
        thumb_side = turn * np.array([-np.cos(angle), np.sin(angle)])
        return Arm(shoulder[:2] * out, elbow[:2] * out, wrist[:2] * out, axis * out, thumb_side * out, palm)

    def _draw_sleeves(self, canvas: Canvas, shoulder: np.ndarray, elbow: np.ndarray, wrist: np.ndarray) -> None:
        """Upper arm and forearm with as much sleeve as the signer wears; outlines first, so that joints stay soft."""
        skin, cloth = self._signer.skin, self._recording.cloth
        thick = self._signer.arm
        part = SLEEVES[self._signer.sleeve]
        forearm = (elbow, wrist, 8.6 * thick, 5.8 * thick)
        upper = (shoulder, elbow, 12.0 * thick, 9.2 * thick)
        bare = [forearm] if part > 1 else [upper, forearm]
        if part > 1:
            covered = [_lengthened(upper, 1.0, 1.4), _lengthened(forearm, part - 1, 1.4)]
        else:
            covered = [_lengthened(upper, part, 1.8)]
        for limbs, colour in ((bare, skin), (covered, cloth)):
            for grow, tone in ((1.0, shade(colour, 0.56)), (0.0, colour)):
                for a, b, ra, rb in limbs:
                    canvas.limb(a, b, ra + grow, rb + grow, tone)
            for a, b, ra, rb in limbs:
                aside = np.array([1.5 * np.sign(self._recording.light_side), -1.5])
                canvas.limb(a + aside, b + aside, 0.55 * ra, 0.5 * rb, shade(colour, 1.1))


def _lengthened(limb: Limb, part: float, wider: float) -> Limb:
    """The first `part` of a limb, as a sleeve `wider` canonical pixels wider."""
    a, b, ra, rb = limb
    return a, a + part * (b - a), ra + wider, ra + part * (rb - ra) + wider

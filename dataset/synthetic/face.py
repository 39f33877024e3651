"""The head of the built-in corpus' signers: hair, face and what moves in it."""

from __future__ import annotations

import numpy as np

from dataset.synthetic.canvas import Canvas, shade
from dataset.synthetic.motion import locate_face
from dataset.synthetic.signers import Signer


class Head:
    """One signer's head at one moment.

    Args:
        canvas: the picture, in the signer's own coordinates.
        signer: the person.
        face: (FACE_SIZE,) sway x, sway y, tilt, mouth, eyes and brows, as `motion` gives them.
        light_side: where the light comes from, as the recording conditions say it; only its sign counts.
    """

    def __init__(self, canvas: Canvas, signer: Signer, face: np.ndarray, light_side: float) -> None:
        self.canvas = canvas
        self.signer = signer
        self.mouth, self.eyes, self.brows = (float(v) for v in face[3:6])
        self.tilt = float(face[2])
        self.light = 1.0 if light_side > 0 else -1.0
        self.size = signer.head
        self.centre = np.array([0.0, locate_face(signer)])
        angle = np.radians(self.tilt)
        self.turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def place(self, *points: tuple[float, float]) -> np.ndarray:
        """Turn points given from the middle of the face into canonical coordinates (n, 2), tilt and size included."""
        return self.centre + np.array(points) * self.size @ self.turn

    def draw_back(self) -> None:
        """Draw what lies behind neck and torso: long hair or a bun."""
        hair, style = self.signer.hair, self.signer.hair_style
        dark = shade(hair, 0.75)
        if style == "long":
            outline = self.place((-28, -14), (-32, 20), (-33, 52), (-20, 58), (20, 58), (33, 52), (32, 20), (28, -14))
            self.canvas.fill_polygon(outline, dark)
        elif style == "fringe":
            self.canvas.fill_polygon(self.place((-28, -14), (-31, 14), (-27, 30), (27, 30), (31, 14), (28, -14)), dark)
        elif style == "bun":
            self._fill_oval((0, -38), (14, 11), dark)
            self._fill_oval((-2, -40), (9, 6), hair)

    def draw_front(self) -> None:
        """Draw the head itself, in front of neck and torso."""
        skin = self.signer.skin
        for x in (-26, 26):
            self._fill_oval((x, 2), (5, 8), shade(skin, 0.8))
        self._fill_oval((0, 3), (26.5, 34.5), shade(skin, 0.66))
        self._fill_oval((0, 2.5), (25.5, 33.5), shade(skin, 0.92))
        self._fill_oval((3 * self.light, 1), (20, 28), shade(skin, 0.97))
        self._fill_oval((6 * self.light, -2), (13, 20), shade(skin, 1.02))
        self._draw_features()
        self._draw_hair()

    def _fill_oval(self, centre: tuple[float, float], axes: tuple[float, float], colour: tuple[float, float, float],
              arc: tuple[float, float] = (0.0, 360.0)) -> None:  # fmt: skip
        axes = (axes[0] * self.size, axes[1] * self.size)
        self.canvas.fill_oval(self.place(centre)[0], axes, colour, self.tilt, arc)

    def _draw_features(self) -> None:
        skin, canvas = self.signer.skin, self.canvas
        shadow, lip = shade(skin, 0.7), (min(255.0, skin[0] * 0.86), skin[1] * 0.55, skin[2] * 0.55)
        for x in (-10, 10):
            self._fill_oval((x, -3), (6.2, 4.4), shade(skin, 0.84))
            if self.eyes > 0.2:
                self._fill_oval((x, -2.5), (4.6, 2.9 * self.eyes), (238, 236, 232))
                self._fill_oval((x, -2.5), (2.3, 2.5 * self.eyes), (52, 40, 34))
            canvas.draw_line(self.place((x - 5, -3), (x, -5.5 * self.eyes - 0.5), (x + 5, -3)), shade(skin, 0.35), 1.0)
            rise = -11.5 - 1.2 * self.brows
            brow = self.place((x - 6.5, rise + 1.2), (x, rise - 0.8), (x + 6.5, rise + 1))
            canvas.draw_line(brow, shade(self.signer.hair, 0.8), 1.8)
        nose = self.place((-1.5 * self.light, -2), (-3.4 * self.light, 9), (1.5 * self.light, 10.5))
        canvas.draw_line(nose, shadow, 1.2)
        opening = 2.6 + 3.2 * self.mouth
        self._fill_oval((0, 19), (8.2 - self.mouth, opening), lip)
        self._fill_oval((0, 19), (6.4 - self.mouth, 0.4 + 2.4 * self.mouth), (74, 30, 32))
        canvas.draw_line(self.place((-5, 27.5), (0, 28.5), (5, 27.5)), shade(skin, 0.8), 1.0)

    def _draw_hair(self) -> None:
        hair, style = self.signer.hair, self.signer.hair_style
        sheen = shade(hair, 1.25)
        if style == "bald":
            for side in (-1, 1):
                self.canvas.fill_polygon(
                    self.place((side * 27, 0), (side * 28, -14), (side * 22, -24), (side * 23.5, -10)), hair
                )
            return
        line = {"short": -19, "long": -21, "bun": -22, "fringe": -14}[style]
        cap = [(-27, -2), (-29, -14), (-24, -29), (-12, -37.5), (0, -39.5), (12, -37.5), (24, -29), (29, -14), (27, -2),
               (24, -10), (19, line), (6, line - 3), (-6, line + 1), (-20, line + 2), (-24, -10)]  # fmt: skip
        self.canvas.fill_polygon(self.place(*cap), hair)
        x = 9 * self.light
        self.canvas.draw_line(self.place((x - 9, -31), (x, -34), (x + 8, -31)), sheen, 2.2)
        if style == "long":
            for side in (-1, 1):
                lock = [(side * 24, -16), (side * 29, -6), (side * 32, 24), (side * 31, 50), (side * 23, 46),
                        (side * 25, 12)]  # fmt: skip
                self.canvas.fill_polygon(self.place(*lock), hair)
        elif style == "fringe":
            for side in (-1, 1):
                lock = [(side * 22, -16), (side * 28, -8), (side * 30, 16), (side * 24, 24)]
                self.canvas.fill_polygon(self.place(*lock), hair)

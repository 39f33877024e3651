"""Anti-aliased shapes in a signer's own coordinates, for the drawing of the built-in corpus."""

from __future__ import annotations

import cv2
import numpy as np

from dataset.synthetic.hand import SHIFT, to_fixed_point
from dataset.synthetic.signers import Colour


def shade(colour: Colour, factor: float) -> Colour:
    """Make `colour` darker (factor below one) or lighter."""
    red, green, blue = (float(min(255.0, c * factor)) for c in colour)
    return red, green, blue


class Canvas:
    """A picture with the signer's base of the neck at `origin` (pixels) and `scale` pixels a canonical pixel."""

    def __init__(self, image: np.ndarray, origin: np.ndarray, scale: float) -> None:
        self.image = image
        self.origin = origin
        self.scale = scale

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Turn canonical points (..., 2) into pixels."""
        return self.origin + np.asarray(points, dtype=np.float64) * self.scale

    def fill_polygon(self, points: np.ndarray, colour: Colour) -> None:
        """Fill the polygon with these canonical corners (n, 2)."""
        corners = [to_fixed_point(self.to_pixels(points)).reshape(-1, 1, 2)]
        cv2.fillPoly(self.image, corners, colour, cv2.LINE_AA, SHIFT)

    def draw_line(self, points: np.ndarray, colour: Colour, width: float) -> None:
        """Draw through the canonical points (n, 2), `width` canonical pixels thick."""
        corners = [to_fixed_point(self.to_pixels(points)).reshape(-1, 1, 2)]
        cv2.polylines(self.image, corners, False, colour, max(1, round(width * self.scale)), cv2.LINE_AA, SHIFT)

    def fill_oval(self, centre: np.ndarray, axes: tuple[float, float], colour: Colour, tilt: float = 0.0,
             arc: tuple[float, float] = (0.0, 360.0)) -> None:  # fmt: skip
        """Fill an ellipse (or the part of it between two angles in degrees, closed by its chord)."""
        middle = tuple(map(int, to_fixed_point(self.to_pixels(centre))))
        radii = tuple(map(int, to_fixed_point(np.array(axes) * self.scale)))
        cv2.ellipse(self.image, middle, radii, tilt, *arc, colour, -1, cv2.LINE_AA, SHIFT)

    def fill_limb(self, a: np.ndarray, b: np.ndarray, ra: float, rb: float, colour: Colour) -> None:
        """Fill a tapered limb from `a` to `b` (2,) with the radii `ra` and `rb` at its round ends."""
        span = b - a
        normal = np.array([-span[1], span[0]]) / max(float(np.hypot(*span)), 1e-6)
        self.fill_polygon(np.stack([a + normal * ra, b + normal * rb, b - normal * rb, a - normal * ra]), colour)
        self.fill_oval(a, (ra, ra), colour)
        self.fill_oval(b, (rb, rb), colour)

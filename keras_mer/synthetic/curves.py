"""Curves and contours as arrays of points, (n, 2)."""

from functools import lru_cache

import numpy as np

CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 20, endpoint=False)), np.sin(a)], 1)
_B = np.linspace(0, 1, 9)
_BEZIER = np.stack([(1 - _B) ** 2, 2 * _B * (1 - _B), _B**2], 1)

Contours = dict[str, np.ndarray]


@lru_cache(maxsize=64)
def _spline(controls: int, each: int = 5) -> np.ndarray:
    """Matrix of a closed Catmull-Rom curve: (controls * each, controls)."""
    out = np.zeros((controls * each, controls))
    for row in range(controls * each):
        k, t = row // each, (row % each) / each
        weights = (
            (-t + 2 * t**2 - t**3) / 2, (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2, (t**3 - t**2) / 2,
        )  # fmt: skip
        for step, weight in enumerate(weights):
            out[row, (k + step - 1) % controls] += weight
    return out


def smooth(points: np.ndarray) -> np.ndarray:
    """A smooth closed curve through control points: (n, 2) -> (5 n, 2)."""
    return _spline(len(points)) @ points


def mirrored(half: np.ndarray) -> np.ndarray:
    """A closed contour from its right half, given from the top center to the bottom center."""
    left = half[-2:0:-1] * (-1, 1)
    return np.concatenate([half, left])


def xy(x, y) -> np.ndarray:
    """Points from their coordinates."""
    out = np.empty((len(x), 2))
    out[:, 0], out[:, 1] = x, y
    return out


def between(x, top, bottom) -> np.ndarray:
    """The polygon between two lines over the same x."""
    out = np.empty((2 * len(x), 2))
    out[: len(x), 0], out[: len(x), 1] = x, top
    out[len(x) :, 0], out[len(x) :, 1] = x[::-1], bottom[::-1]
    return out


class Sketch:
    """Named contours and fold depths; ellipses and Bezier curves are evaluated in one batch."""

    def __init__(self):
        self.shapes: Contours = {}
        self.folds: dict[str, float] = {}
        self._ellipses: dict[str, tuple[float, float, float, float]] = {}
        self._curves: dict[str, tuple] = {}

    def ellipse(self, name: str, x: float, y: float, rx: float, ry: float) -> None:
        """Add an ellipse by its center and radii."""
        self._ellipses[name] = (x, y, rx, ry)

    def curve(self, name: str, s: float, a, b, c) -> None:
        """Add a quadratic Bezier curve for side `s` (-1 or 1), given for the right of the image."""
        self._curves[name] = (s * a[0], a[1], s * b[0], b[1], s * c[0], c[1])

    def finish(self) -> Contours:
        """Evaluate and return all contours."""
        if self._ellipses:
            table = np.array([*self._ellipses.values()])[:, None]
            rings = CIRCLE * table[..., 2:] + table[..., :2]
            self.shapes.update(zip(self._ellipses, rings, strict=True))
        if self._curves:
            controls = np.array([*self._curves.values()]).reshape(-1, 3, 2)
            self.shapes.update(zip(self._curves, _BEZIER @ controls, strict=True))
        return self.shapes

"""Projection of contours from face units to pixels, and their drawing with OpenCV."""

from itertools import accumulate
from math import cos, sin

import cv2
import numpy as np

_FIXED = 6  # fractional bits of the coordinates given to OpenCV


class Pen:
    """Named contours in pixels that can be filled or drawn as lines."""

    def __init__(self, names, ends, pixels: np.ndarray, unit: float):
        starts = [0, *ends]
        half = pixels >> 1  # the same on a canvas of half the size
        self._whole = {n: pixels[a:b] for n, a, b in zip(names, starts, ends, strict=False)}
        self._half = {n: half[a:b] for n, a, b in zip(names, starts, ends, strict=False)}
        self._unit = unit

    def fill(self, canvas, names, color, half=False):
        """Fill polygons one by one: OpenCV leaves the overlap of polygons of one call empty."""
        points = self._half if half else self._whole
        for name in names:
            cv2.fillPoly(canvas, [points[name]], color, cv2.LINE_AA, _FIXED)

    def line(self, canvas, names, color, width, half=False, closed=False):
        points = self._half if half else self._whole
        thick = max(1, round(width * self._unit * (0.5 if half else 1)))
        cv2.polylines(canvas, [points[n] for n in names], closed, color, thick, cv2.LINE_AA, _FIXED)


def depth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth of a head's surface toward the camera at (x, y), all in face units."""
    z = np.maximum(1 - (x / 1.12) ** 2 - ((y - 0.1) / 1.75) ** 2, 0)
    z = 0.8 * np.sqrt(z) - 0.25
    z += 0.22 * np.exp(-((x / 0.2) ** 2) - ((y - 0.45) / 0.22) ** 2)  # the nose protrudes
    return z


def project(shapes, rotating, static, scene, middle, unit) -> Pen:
    """Rotate the head and project every contour to fixed-point pixels."""
    arrays = [*shapes.values(), *rotating.values(), *static.values()]
    ends = list(accumulate(map(len, arrays)))
    every = np.concatenate(arrays)
    last = ends[len(shapes) + len(rotating) - 1]
    x, y = every[:last, 0], every[:last, 1]
    z = depth(x, y)
    tx = x * cos(scene.yaw) + z * sin(scene.yaw)
    ty = (y - 0.2) * cos(scene.pitch) + z * sin(scene.pitch)
    c, s = scene.scale * cos(scene.roll), scene.scale * sin(scene.roll)
    every[:last, 0] = tx * c - ty * s + scene.dx
    every[:last, 1] = tx * s + ty * c + 0.2 + scene.dy
    every[last:] *= scene.scale
    every[last:] += (0.6 * scene.dx, 0.5 * scene.dy)
    every *= unit * (1 << _FIXED)
    every += (middle[0] * (1 << _FIXED), middle[1] * (1 << _FIXED))
    pixels = np.rint(every).astype(np.int32)
    return Pen([*shapes, *rotating, *static], ends, pixels, unit * scene.scale)

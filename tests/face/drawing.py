"""A simple drawn face that the Haar cascade and YuNet detect."""

import cv2
import numpy as np


def draw_face(image: np.ndarray, center: tuple[float, float], side: float, light: int = 200):
    """Draw a frontal face into a BGR image: about `side` pixels wide, skin as bright as `light`."""

    def at(x, y):
        return round(center[0] + (x - 0.5) * side), round(center[1] + (y - 0.5) * side)

    def spot(x, y, width, height, ink):
        axes = round(width * side), round(height * side)
        cv2.ellipse(image, at(x, y), axes, 0, 0, 360, ink, cv2.FILLED, cv2.LINE_AA)

    skin = np.array([0.75, 0.85, 1.0]) * light
    hair, shade, lips = (tuple(map(float, f * skin)) for f in (0.2, 0.75, 0.5))
    spot(0.5, 0.42, 0.50, 0.62, hair)
    spot(0.5, 0.5, 0.42, 0.58, tuple(map(float, skin)))
    for x in (0.315, 0.685):
        spot(x, 0.37, 0.12, 0.075, shade)
        spot(x, 0.39, 0.075, 0.035, (light, light, light))
        spot(x, 0.39, 0.035, 0.035, (0, 0, 0))
        cv2.line(image, at(x - 0.11, 0.3), at(x + 0.11, 0.29), hair, max(1, round(0.04 * side)))
    spot(0.5, 0.58, 0.05, 0.03, shade)
    spot(0.5, 0.60, 0.09, 0.025, shade)
    spot(0.5, 0.78, 0.16, 0.045, lips)


def scene(*faces: tuple[float, float, float, int], size: tuple[int, int] = (320, 240)):
    """An image of `size` (width, height) with faces (x, y, side, light)."""
    image = np.full((size[1], size[0], 3), (90, 80, 70), np.uint8)
    for x, y, side, light in faces:
        draw_face(image, (x, y), side, light)
    return image

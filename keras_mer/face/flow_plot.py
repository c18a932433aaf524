"""Visualization of the optical flow between two frames."""

import cv2
import numpy as np

from keras_mer.face import motion


def draw(
    first: np.ndarray, second: np.ndarray, field: np.ndarray, strain: np.ndarray, side: int = 240
) -> np.ndarray:
    """Draw two frames, the flow between them (hue: direction, value: magnitude) and the strain.

    Args:
        first, second: uint8 (h, w). field: flow, (h, w, 2). strain: (h, w).
        side: of each of the four tiles in pixels.

    Returns:
        uint8 (side, 4 * side, 3), BGR.
    """
    size = np.hypot(field[..., 0], field[..., 1])
    hue = (np.arctan2(field[..., 1], field[..., 0]) + np.pi) / (2 * np.pi) * 179
    value = 255 * np.clip(size / max(float(np.percentile(size, 99.5)), 1e-6), 0, 1)
    colors = np.dstack([hue, np.full_like(hue, 220), value]).astype(np.uint8)
    heat = 255 * np.clip(strain / max(float(np.percentile(strain, 99.5)), 1e-6), 0, 1)
    tiles = [
        cv2.cvtColor(first, cv2.COLOR_GRAY2BGR),
        cv2.cvtColor(second, cv2.COLOR_GRAY2BGR),
        cv2.cvtColor(colors, cv2.COLOR_HSV2BGR),
        cv2.applyColorMap(heat.astype(np.uint8), cv2.COLORMAP_INFERNO),
    ]
    out = np.hstack([cv2.resize(t, (side, side), interpolation=cv2.INTER_CUBIC) for t in tiles])
    names = ("onset", "apex", f"flow, {100 * motion.amplitude(field):.1f} % of the width", "strain")
    for k, name in enumerate(names):
        for ink, thick in ((0, 3), (255, 1)):
            cv2.putText(
                out, name, (k * side + 6, side - 8), cv2.FONT_HERSHEY_SIMPLEX, side / 520,
                (ink,) * 3, thick, cv2.LINE_AA,
            )  # fmt: skip
    return out

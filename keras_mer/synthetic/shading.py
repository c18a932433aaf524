"""Soft shading: blurred multipliers of the skin color, 128 for 1.

A coarse layer contains hollows, highlights and stubble, a fine one wrinkles and folds; both are
multiplied with the lighting of an ellipsoid head. They have no sharp edges and are drawn at half
the canvas's size.
"""

import cv2
import numpy as np

from keras_mer.synthetic.identity import Color, Identity
from keras_mer.synthetic.pen import Pen
from keras_mer.synthetic.scene import Scene

_GRID = 24
_CROW = (("crow00", "crow10", "crow20"), ("crow01", "crow11", "crow21"))
_SNARL = ("snarl00", "snarl10", "snarl20", "snarl01", "snarl11", "snarl21")
_FOREHEAD = ("forehead0", "forehead1", "forehead2")
_FOLDS = (("fold", 0.035), ("marionette", 0.03), ("dimple", 0.04), ("bag", 0.025),
          ("crease", 0.02), ("frown", 0.03))  # fmt: skip
_FAINT = 0.02  # weaker folds are invisible and not drawn


def shading(identity: Identity, folds, pen: Pen, scene: Scene, shape, middle, unit) -> np.ndarray:
    """Multipliers of the skin color.

    Args:
        identity, scene: the person and the lighting.
        folds: strength of each fold by name. pen: the contours.
        shape: height and width of the canvas, both even. middle, unit: as for `face.render`.

    Returns:
        uint8 (height, width, 3), 128 for 1.
    """
    half = (shape[0] // 2, shape[1] // 2)
    wide = np.full((*half, 3), 128, np.uint8)
    fine = wide.copy()
    _wide(wide, identity, folds, pen, scene)
    _blur(wide, 0.05 * unit)
    _fine(fine, identity, folds, pen)
    _blur(fine, 0.016 * unit)
    light = cv2.resize(_light(scene, shape, middle, unit), half[::-1])
    cv2.multiply(wide, fine, wide, 1 / 128)
    cv2.multiply(wide, light, wide, 1 / 128)
    return cv2.resize(wide, shape[::-1])


def _wide(layer, identity, folds, pen, scene):
    shadow = 1 if scene.light[0] < 0 else 0  # the side of the nose away from the light
    slant = min(1.0, 1.6 * abs(scene.light[0]))
    gloss = 0.03 + 0.22 * max(0.0, 1 - max(identity.skin) / 210)  # stronger highlights on dark skin
    if identity.style != "bald":
        pen.fill(layer, ("hairline",), _shade(0.3), True)
        pen.fill(layer, ("cap",), (118, 118, 118), True)
        pen.line(layer, ("sheen",), (165, 165, 165), 0.16, True)
    pen.fill(layer, ("socket0", "socket1"), _shade(0.44), True)
    pen.fill(layer, (f"noseside{1 - shadow}",), _shade(0.10), True)
    pen.fill(layer, (f"noseside{shadow}",), _shade(0.10 + 0.28 * slant), True)
    for side in (0, 1):
        puff = folds[f"cheek{side}"]
        pen.line(layer, (f"hollow{side}",), _shade(0.34 * puff), 0.12, True)
        glow = 128 * (1 + 0.10 * puff + gloss)
        pen.fill(layer, (f"cheek{side}",), (glow * 0.95, glow * 0.95, glow * 1.05), True)
    shine = 146 + 160 * gloss
    pen.fill(layer, ("brow_bone",), (128 + 110 * gloss,) * 3, True)
    pen.fill(layer, ("bridge", "tip"), (shine, shine, shine - 3), True)
    pen.fill(layer, ("undernose",), _shade(0.36), True)
    pen.fill(layer, ("underlip",), _shade(0.45), True)
    pen.fill(layer, ("philtrum",), _shade(0.16), True)
    if identity.beard:
        pen.fill(
            layer, ("beard0", "beard1"), _toward(identity.hair, identity.skin, identity.beard), True
        )
    if identity.moustache:
        pen.fill(
            layer, ("upperbeard",), _toward(identity.hair, identity.skin, identity.moustache), True
        )


def _fine(layer, identity, folds, pen):
    pen.line(layer, ("wing0", "wing1"), _shade(folds["wing"]), 0.03, True)
    for side in (0, 1):
        for name, width in _FOLDS:
            depth = folds[f"{name}{side}"]
            if depth > _FAINT:
                pen.line(layer, (f"{name}{side}",), _shade(depth), width, True)
        if folds[f"crow{side}"] > _FAINT:
            pen.line(layer, _CROW[side], _shade(folds[f"crow{side}"]), 0.02, True)
    if folds["snarl"] > _FAINT:
        pen.line(layer, _SNARL, _shade(folds["snarl"]), 0.028, True)
    if folds["forehead"] > _FAINT and identity.style != "fringe":
        pen.line(layer, _FOREHEAD, _shade(folds["forehead"]), 0.022, True)
    pen.line(layer, ("boss",), _shade(folds["boss"]), 0.035, True)
    pen.line(layer, ("nosebase",), _shade(0.5), 0.03, True)
    if len(identity.freckles):
        pen.fill(layer, [f"freckle{k}" for k in range(len(identity.freckles))], _shade(0.4), True)


def _light(scene, shape, middle, unit) -> np.ndarray:
    """Lighting of an ellipsoid head: multipliers with 128 for 1, uint8 (grid, grid, 3)."""
    h, w = shape
    step = (np.arange(_GRID) + 0.5) / _GRID
    x = ((step * w - middle[0]) / unit - scene.dx) / (1.22 * scene.scale)
    y = ((step * h - middle[1]) / unit - 0.15 - scene.dy) / (1.85 * scene.scale)
    x, y = np.clip(x, -1, 1)[None, :], np.clip(y, -1, 1)[:, None]
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0.06, None))
    lx, ly, lz = scene.light
    lit = np.clip(lx * x + ly * y + lz * z, 0, None)
    value = scene.ambient + (1.08 - scene.ambient) * lit
    # warm shadows: blue decreases faster than red
    tinted = value[..., None] ** np.array([1.12, 1.0, 0.88])
    return np.clip(128 * tinted, 0, 255).astype(np.uint8)


def _shade(strength: float):
    """Multiplier that darkens the skin, red least; 128 (strength 0) leaves it unchanged."""
    dark = 128 * 0.62 * min(max(strength, 0.0), 1.3)
    return 128 - dark, 128 - 0.95 * dark, 128 - 0.82 * dark


def _toward(hair: Color, skin: Color, amount: float) -> Color:
    """The multiplier that tints skin toward hair."""
    b, g, r = (128 + 96 * amount * (h / max(s, 1) - 1) for h, s in zip(hair, skin, strict=True))
    return b, g, r


def _blur(image, sigma: float) -> None:
    if sigma > 0.25:
        size = 2 * int(np.ceil(2 * sigma)) + 1
        cv2.GaussianBlur(image, (size, size), sigma, image)

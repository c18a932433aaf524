"""Contours of the parts of a face from action units and proportions.

Face units: the origin is between the eyes, x to the right of the picture, y down, and half the
width of the face is about 1. Arrays of two sides have the subject's right (the image's left) first.
"""

import numpy as np

from keras_mer.synthetic.curves import (
    Contours,
    Sketch,
    between,
    mirrored,
    smooth,
    xy,
)
from keras_mer.synthetic.eyes import draw_brows, draw_eyes
from keras_mer.synthetic.identity import Identity
from keras_mer.synthetic.numbering import INDEX

_U = np.linspace(-1, 1, 15)
_T = np.linspace(-1, 1, 21)
_BOW = np.clip(1 - _T**2, 0, None)
_SQUARE = np.clip(1 - _T**6, 0, None)
_OVAL, _UPPER, _LOWER = _BOW**0.62, _BOW**0.7, _BOW**0.75
_CUPID = _UPPER * (1 - 0.24 * np.exp(-((_T / 0.13) ** 2)))
_NOTCH = 0.012 * np.exp(-((_T / 0.16) ** 2)) * _BOW
_TO_CORNER = np.abs(_T) ** 1.7
_BITE = np.clip(1 - 0.75 * _T**4, 0, 1)
_LEFT = _T < 0
_MIX = np.stack([(1 - _T) / 2, (1 + _T) / 2])
_WING = np.linspace(-1.9, 1.75, 9)
_WING = xy(0.34 * np.cos(_WING), 0.09 * np.sin(_WING))
_CHEEK_UNITS = [INDEX[n] for n in ("6", "9", "10", "12", "14", "15")]
_SIDES = ((0, -1.0), (1, 1.0))


def contours(
    identity: Identity, units: np.ndarray, gaze=(0.0, 0.0)
) -> tuple[Contours, dict[str, float]]:
    """Contours of the parts moved by facial muscles, and the depth of folds.

    Args:
        identity: the proportions.
        units: AU strengths, (2, AUs), as returned by `units.vector`.
        gaze: shift of the irises in face units.

    Returns:
        (polygons and lines by name, each (n, 2) in face units; strength of each soft line, 0..1).
    """
    au = dict(zip(INDEX, units.T[..., None], strict=True))  # (2, 1) each: right, left
    mean = dict(zip(INDEX, units.mean(0).tolist(), strict=True))
    sketch = Sketch()
    drop = 0.36 * mean["26"]
    draw_eyes(identity, au, mean, gaze, sketch)
    draw_brows(identity, au, mean, sketch)
    _nose(identity, mean, sketch)
    _mouth(identity, au, mean, drop, sketch)
    _cheeks(identity, units, drop, sketch)
    _head(identity, drop, sketch.shapes)
    return sketch.finish(), sketch.folds


def _nose(identity, mean, sketch):
    shapes, folds = sketch.shapes, sketch.folds
    width = identity.nose_w * (1 + 0.15 * mean["9"] + 0.08 * mean["10"] + 0.06 * mean["12"])
    base = identity.nose_y - 0.07 * mean["9"] - 0.025 * mean["10"]
    for side, s in _SIDES:
        shapes[f"wing{side}"] = (_WING * (width, 1) + (0.68 * width, base - 0.075)) * (s, 1)
        sketch.ellipse(f"nostril{side}", s * width * 0.47, base - 0.012, width * 0.27, 0.026)
        shapes[f"noseside{side}"] = np.array(
            [(s * 0.10, -0.12), (s * 0.085, 0.15), (s * 0.12, base - 0.2), (s * width, base - 0.12),
             (s * width * 0.95, base + 0.02), (s * width * 1.35, base - 0.02), (s * 0.24, 0.15),
             (s * 0.2, -0.1)]
        )  # fmt: skip
    sketch.ellipse("tip", 0, base - 0.14, 0.075, 0.07)
    shapes["bridge"] = np.array(
        [(-0.035, -0.1), (0.035, -0.1), (0.045, base - 0.2), (-0.045, base - 0.2)]
    )
    sketch.ellipse("undernose", 0, base + 0.045, width, 0.05)
    shapes["nosebase"] = xy(width * 0.5 * _U, base + 0.022 - 0.02 * _U**2)
    folds["wing"] = 0.62 + 0.3 * mean["9"]
    folds["snarl"] = 0.6 * mean["9"]


def _corners(identity, au, drop):
    """Half-width and height (y) of the mouth on each side, both (2, 1)."""
    smile, stretch = au["12"], au["20"]
    wide = 1 + 0.26 * smile + 0.2 * stretch + 0.06 * au["14"] - 0.15 * au["23"] - 0.1 * au["24"]
    wide = wide - 0.3 * au["26"] * np.clip(1 - stretch - smile, 0, 1)
    rise = 0.15 * au["15"] + 0.045 * stretch - 0.18 * smile - 0.06 * au["14"]
    return identity.mouth_w * wide, identity.mouth_y + rise + 0.35 * drop


def _mouth(identity, au, mean, drop, sketch):
    shapes, folds = sketch.shapes, sketch.folds
    half, corner = _corners(identity, au, drop)
    x = _T * np.where(_LEFT, half[0], half[1])
    # motion of the middle of the lips: up by AU10, 15 (corners down), 17; down by AU12
    lift = 0.05 * au["15"] + 0.055 * au["17"] + 0.03 * au["10"] - 0.035 * au["12"]
    corner_t = np.where(_LEFT, corner[0], corner[1])
    line = (
        identity.mouth_y
        + (corner_t - identity.mouth_y) * _TO_CORNER
        + _NOTCH
        - _BOW * (lift.T @ _MIX)[0]
    )
    square = min(mean["20"] + 0.6 * mean["16"], 1.0)
    shape = _OVAL * (1 - square) + _SQUARE * square
    part = min(mean["25"], 1.0)
    open_up = 0.02 * part + 0.075 * part * mean["10"] + 0.035 * mean["26"]
    open_down = 0.05 + 0.12 * mean["12"] + 0.09 * mean["16"] + 0.05 * mean["20"]
    raised = ((0.05 * au["10"] + 0.03 * au["9"]).T @ _MIX)[0] * _BOW
    inner_up = line - open_up * shape - raised
    # closed lips move up together; with parted lips only the upper one moves
    inner_low = line + (open_down * part + drop) * shape - raised * max(0.0, 1 - 4 * part)
    inner_low = np.maximum(inner_low, inner_up)
    thin = 1 - 0.7 * mean["23"] - 0.45 * mean["24"]
    upper = identity.lip_upper * max(0.22, thin - 0.22 * mean["12"] + 0.1 * mean["10"])
    lower = identity.lip_lower * max(
        0.22, thin - 0.2 * mean["12"] + 0.2 * mean["17"] + 0.1 * mean["16"]
    )
    outer_up = inner_up - upper * _CUPID - 0.004
    outer_low = inner_low + lower * _LOWER + 0.004
    shapes["upperlip"] = between(x, outer_up, inner_up + 0.004)
    shapes["lowerlip"] = between(x, inner_low - 0.004, outer_low)
    shapes["lipshine"] = xy(x, inner_low + 0.45 * lower)[6:15]
    shapes["inside"] = between(x, inner_up, inner_low)
    bite = np.minimum(inner_low, inner_up + (0.085 + 0.02 * part) * _BITE)
    shapes["teeth"] = between(0.93 * x, inner_up, bite)
    tongue = np.maximum(inner_low - 0.45 * drop * _BOW, bite)
    shapes["tongue"] = between(0.62 * x, tongue, inner_low)
    gap = float((inner_low - inner_up).max())
    folds["open"] = gap
    seam = max(0.005, 0.012 - 0.1 * gap)
    shapes["seam"] = between(1.03 * x, inner_up - seam, inner_up + seam)
    middle = float(outer_low[10])
    sketch.ellipse("underlip", 0, middle + 0.05, 0.2, 0.035)
    nose = identity.nose_y + 0.06
    shapes["philtrum"] = np.array(
        [(-0.035, nose), (0.035, nose), (0.035, outer_up[10]), (-0.035, outer_up[10])]
    )
    shapes["boss"] = xy(0.22 * _U, middle + 0.10 + 0.035 * (1 - _U**2))
    folds["boss"] = 0.12 + 0.7 * mean["17"]
    if identity.moustache:
        edge = np.maximum(outer_up - 0.17 * (0.25 + 0.75 * _BOW), identity.nose_y + 0.05)
        shapes["upperbeard"] = between(x * 1.22, edge, outer_up + 0.03)


def _cheeks(identity, units, drop, sketch):
    """Folds beside the mouth and cheeks above it, for each side."""
    folds = sketch.folds
    au = dict(zip(INDEX, units.T[..., None], strict=True))
    half, corner = _corners(identity, au, drop)
    wing, wing_y = (
        identity.nose_w + 0.045,
        identity.nose_y - 0.1 - 0.05 * float(units[:, INDEX["9"]].mean()),
    )
    for side, s in _SIDES:
        w, c = float(half[side, 0]), float(corner[side, 0])
        u6, u9, u10, u12, u14, u15 = units[side, _CHEEK_UNITS].tolist()
        reach = 0.10 + 0.05 * u12
        bend = (wing + 0.5 * reach + 0.13 + 0.10 * u12, 0.5 * (wing_y + c) - 0.10 - 0.04 * u12)
        sketch.curve(f"fold{side}", s, (wing, wing_y), bend, (w + reach, c + 0.06))
        folds[f"fold{side}"] = 0.12 + 0.25 * identity.age + 0.4 * u12 + 0.3 * u10 + 0.28 * u9
        sketch.curve(
            f"marionette{side}",
            s,
            (w + 0.02, c + 0.02),
            (w + 0.075, c + 0.08),
            (w + 0.05, c + 0.22),
        )
        folds[f"marionette{side}"] = 0.1 * identity.age + 0.65 * u15
        sketch.curve(f"dimple{side}", s, (w + 0.05, c - 0.1), (w + 0.12, c), (w + 0.05, c + 0.08))
        folds[f"dimple{side}"] = 0.62 * u14 + 0.15 * u12
        sketch.ellipse(f"corner{side}", s * w, c, 0.03 + 0.012 * u14, 0.022)
        puff = 0.06 * u6 + 0.05 * u12
        sketch.ellipse(f"cheek{side}", s * 0.56, 0.44 - puff, 0.25, 0.19)
        sketch.curve(
            f"hollow{side}", s, (0.3, 0.62 - puff), (0.62, 0.76 - puff), (0.85, 0.5 - puff)
        )
        folds[f"cheek{side}"] = 0.3 + 0.6 * max(u6, 0.7 * u12)


def _head(identity, drop, shapes):
    w, jaw, chin, length = identity.width, identity.jaw, identity.chin, identity.length
    half = np.array(
        [(0, -1.5), (0.6 * w, -1.36), (0.92 * w, -0.9), (w, -0.25), (0.985 * w, 0.3),
         (0.45 * w + 0.55 * jaw, 0.72), (jaw, 1.02), (chin + 0.13, 0.24 + 0.75 * length),
         (0.55 * chin, length - 0.02), (0, length + 0.015)]
    )  # fmt: skip
    half[:, 1] += drop * 0.95 * np.clip((half[:, 1] - 0.35) / 1.0, 0, 1)
    outline = smooth(mirrored(half))
    shapes["head"] = outline
    if identity.beard:
        _beard(half, identity.mouth_y + drop, shapes)


def _beard(half, mouth, shapes):
    inner = np.array(
        [(0, mouth + 0.16), (0.3, mouth + 0.14), (0.5, mouth + 0.02), (0.66, mouth - 0.14),
         (0.86, 0.45)]
    )  # fmt: skip
    ring = np.concatenate([half[4:], inner])
    shapes["beard0"], shapes["beard1"] = ring * (-1, 1), ring

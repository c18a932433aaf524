"""Contours of eyes and brows, moved by action units 1, 2, 4, 5, 6, 7, 9 and 43."""

import numpy as np

from keras_mer.synthetic.curves import CIRCLE, Sketch, between, xy
from keras_mer.synthetic.identity import Identity

_SIDES = np.array([[-1.0], [1.0]])
_U = np.linspace(-1, 1, 15)
_ROUND = np.clip(1 - _U**2, 0, None)
_LASH = 0.011 + 0.013 * _ROUND**0.5 + 0.008 * (_U > 0.4)
_CREASE, _BAG = _ROUND**0.4, 0.03 + 0.06 * _ROUND
_IRIS, _PUPIL, _RING = 0.128, 0.052, 0.141
_DISCS = np.concatenate([r * CIRCLE for r in (_IRIS, _PUPIL, _RING)])
_N = len(CIRCLE)
_V = np.linspace(0, 1, 9)
_INNER, _OUTER = (1 - _V) ** 1.3, _V**1.2 * (1.25 - 0.35 * _V)
_BROW_X = 0.175 + 0.56 * _V
_ARCH = np.sin(np.pi * _V**1.25)
_BROW_THICK = (0.62 + 0.5 * np.sin(np.pi * _V**0.8)) * (1 - 0.65 * _V**3)


def draw_eyes(identity: Identity, au, mean, gaze, sketch: Sketch) -> None:
    """Add the contours of eyes, lids and the skin around them.

    Args:
        identity: the proportions.
        au: strength of each AU by number, (2, 1), right and left; `mean` over both sides.
        gaze: shift of the irises. sketch: receives the contours.
    """
    shapes, folds = sketch.shapes, sketch.folds
    squint = 1 - 0.40 * au["7"] - 0.22 * au["6"] - 0.32 * au["9"] - 0.16 * au["4"]
    shut = 1 - np.minimum(au["43"], 1)
    up = identity.eye_open * np.clip(squint + 0.8 * au["5"], 0.16, 2) * shut
    low = 1 - 0.5 * au["7"] - 0.4 * au["9"] + 0.2 * au["5"]
    low = 0.62 * identity.eye_open * np.maximum(low, 0) * shut
    lift = 0.055 * au["6"] + 0.03 * au["7"] + 0.03 * au["9"]
    # AU1 without AU2 and AU5 pulls the upper lid up at its inner end: the sad slant
    slant = 0.42 * au["1"] * np.maximum(1 - au["5"], 0) * np.maximum(1 - 0.8 * au["2"], 0)

    cx, cy = gaze[0] + _SIDES * (identity.eye_x - 0.008), gaze[1] - 0.012
    px = cx + _DISCS[:, 0]
    u = np.empty((2, len(_U) + len(_DISCS)))  # across each eye from the inner corner, -1 to 1
    u[:, : len(_U)] = _U
    u[:, len(_U) :] = np.clip((px * _SIDES - identity.eye_x) / identity.eye_w, -1, 1)
    bow = np.maximum(1 - u * u, 0)
    base = -identity.eye_tilt * u
    tops = base - up * bow**0.6 * (1 - slant * u)
    bottoms = np.maximum(base + low * bow**0.8 - lift * bow, tops + 0.012)
    discs = np.clip(cy + _DISCS[:, 1], tops[:, len(_U) :], bottoms[:, len(_U) :])
    top, bottom = tops[:, : len(_U)], bottoms[:, : len(_U)]
    x = _SIDES * (identity.eye_x + identity.eye_w * _U)
    shade = np.minimum(bottom, top + 0.05 * _ROUND)
    crease = top - (0.055 - 0.018 * au["4"] + 0.015 * au["5"]) * _CREASE
    squeeze = au["6"][:, 0].tolist()
    for side in (0, 1):
        sx, upper, lower = x[side], top[side], bottom[side]
        for k, name in enumerate(("iris", "pupil", "ring")):
            part = slice(k * _N, (k + 1) * _N)
            shapes[f"{name}{side}"] = xy(px[side, part], discs[side, part])
        shapes[f"eye{side}"] = between(sx, upper, lower)
        shapes[f"eyeshade{side}"] = between(sx, upper, shade[side])
        shapes[f"lash{side}"] = between(sx, upper - _LASH, upper + 0.006)
        shapes[f"lowerlid{side}"] = xy(sx, lower)
        shapes[f"crease{side}"] = xy(sx, crease[side])
        shapes[f"bag{side}"] = xy(sx, lower + _BAG)[2:-1]
        opening = float(lower[7] - upper[7])
        size = 0.022 * min(1.0, 6 * opening)  # no glint on a closed eye
        sketch.ellipse(
            f"glint{side}", float(cx[side, 0]) - 0.035, max(cy - 0.045, float(upper[7]) + 0.03),
            size, size,
        )  # fmt: skip
        folds[f"bag{side}"] = 0.16 + 0.25 * identity.age + 0.5 * squeeze[side] + 0.25 * mean["9"]
        folds[f"crow{side}"] = (0.35 + 0.5 * identity.age) * squeeze[side]
        folds[f"crease{side}"] = 0.75


def draw_brows(identity: Identity, au, mean, sketch: Sketch) -> None:
    """Add brows, frown and forehead wrinkles; arguments as for `draw_eyes`."""
    x = _BROW_X - (0.055 * au["4"] + 0.02 * au["9"]) * _INNER
    y = (
        identity.brow_y
        - identity.brow_arch * _ARCH
        + identity.brow_slope * (2 * _V - 1)
        + 0.03 * _V**3
    )
    # AU1 dominates AU4 at the inner end
    frown = au["4"] * np.maximum(1 - 0.8 * au["1"], 0)
    inner = 0.17 * frown + 0.09 * au["9"] - 0.19 * au["1"]
    outer = 0.02 * au["6"] - 0.19 * au["2"]
    y = y + inner * _INNER + outer * _OUTER + 0.035 * frown + 0.02 * au["9"]
    thick = identity.brow_thick * _BROW_THICK
    for side, s in ((0, -1.0), (1, 1.0)):
        sketch.shapes[f"brow{side}"] = between(s * x[side], y[side] - thick, y[side] + 0.75 * thick)
        sketch.folds[f"frown{side}"] = 0.1 * identity.age + 0.7 * mean["4"]
    raised, tented = mean["2"], mean["1"] * max(0.0, 1 - mean["2"])
    bend = (0.03 - 0.05 * tented) * _U**2 - 0.015 * np.cos(5 * _U)
    for k in range(3):
        level = -0.53 - 0.11 * k - 0.05 * raised
        wide = 0.52 - 0.05 * k - 0.2 * tented
        sketch.shapes[f"forehead{k}"] = xy(wide * _U, level + bend)
    sketch.folds["forehead"] = 0.2 * identity.age**2 + 0.62 * raised + 0.5 * tented

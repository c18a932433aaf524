"""Where the parts of a face lie: action units and proportions become contours.

Face units: the origin lies between the eyes, x to the right of the picture, y down, and half the
width of the face is about 1. Arrays of two sides hold the subject's right (picture's left) first.
"""

from functools import lru_cache

import numpy as np

from keras_mer.data.synthetic.identity import Identity
from keras_mer.data.synthetic.numbering import INDEX

SIDES = np.array([[-1.0], [1.0]])
_U = np.linspace(-1, 1, 15)
_ROUND = np.clip(1 - _U**2, 0, None)
_T = np.linspace(-1, 1, 21)
_BOW = np.clip(1 - _T**2, 0, None)
_LEFT = (_T < 0).astype(float)
_MIX = np.stack([(1 - _T) / 2, (1 + _T) / 2])
_CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 20, endpoint=False)), np.sin(a)], 1)
_B = np.linspace(0, 1, 9)
_BEZIER = np.stack([(1 - _B) ** 2, 2 * _B * (1 - _B), _B**2], 1)
_BROW = np.linspace(0, 1, 9)

Contours = dict[str, np.ndarray]


def contours(
    who: Identity, units: np.ndarray, gaze=(0.0, 0.0)
) -> tuple[Contours, dict[str, float]]:
    """Contours of the whole head, and how deep its folds are.

    Args:
        who: the proportions.
        units: AU strengths, (2, AUs), as `units.vector`.
        gaze: shift of the irises in face units.

    Returns:
        (polygons and lines by name, each (n, 2) in face units; strength of each soft line, 0..1).
    """
    au = {name: units[:, i : i + 1] for name, i in INDEX.items()}
    mean = dict(zip(INDEX, units.mean(0).tolist(), strict=True))
    shapes: Contours = {}
    folds: dict[str, float] = {}
    drop = 0.36 * mean["26"]
    _eyes(who, au, mean, gaze, shapes, folds)
    _brows(who, au, mean, shapes, folds)
    _nose(who, mean, shapes, folds)
    _mouth(who, au, mean, drop, shapes, folds)
    _head(who, drop, shapes)
    return shapes, folds


def _eyes(who, au, mean, gaze, shapes, folds):
    squint = 1 - 0.40 * au["7"] - 0.22 * au["6"] - 0.32 * au["9"] - 0.16 * au["4"]
    up = who.eye_open * np.clip(squint + 0.8 * au["5"], 0.16, 2) * (1 - au["43"])
    low = who.eye_open * 0.62 * (1 - 0.5 * au["7"] - 0.4 * au["9"] + 0.2 * au["5"]) * (1 - au["43"])
    lift = 0.055 * au["6"] + 0.03 * au["7"] + 0.03 * au["9"]
    slant = 0.42 * au["1"] * np.clip(1 - au["5"], 0, 1) * np.clip(1 - 0.8 * au["2"], 0, 1)

    def lids(u):
        bow = np.maximum(1 - u * u, 0)
        base = -who.eye_tilt * u
        top = base - up * bow**0.6 * (1 - slant * u)
        bottom = base + np.clip(low, 0.0, None) * bow**0.8 - lift * bow
        return top, np.maximum(bottom, top + 0.012)

    top, bottom = lids(_U)
    x = SIDES * (who.eye_x + who.eye_w * _U)
    radius = 0.128
    cx, cy = gaze[0] + SIDES * (who.eye_x - 0.008), gaze[1] - 0.012
    for name, size in (("iris", radius), ("pupil", 0.052), ("ring", radius * 1.1)):
        px = cx + size * _CIRCLE[:, 0]
        py = np.broadcast_to(cy + size * _CIRCLE[:, 1], px.shape)
        over, under = lids(np.clip((px * SIDES - who.eye_x) / who.eye_w, -1, 1))
        py = np.clip(py, over, under)
        for side in (0, 1):
            shapes[f"{name}{side}"] = _xy(px[side], py[side])
    lash = 0.011 + 0.013 * _ROUND**0.5 + 0.008 * (_U > 0.4)
    shade_low = np.minimum(bottom, top + 0.05 * _ROUND)
    crease = top - (0.055 - 0.018 * au["4"] + 0.015 * au["5"]) * _ROUND**0.4
    for side in (0, 1):
        sx = x[side]
        shapes[f"eye{side}"] = _closed(sx, top[side], bottom[side])
        shapes[f"eyeshade{side}"] = _closed(sx, top[side], shade_low[side])
        shapes[f"lash{side}"] = _closed(sx, top[side] - lash, top[side] + 0.006)
        shapes[f"lowerlid{side}"] = _xy(sx, bottom[side])
        shapes[f"crease{side}"] = _xy(sx, crease[side])
        shapes[f"bag{side}"] = _xy(sx[2:-1], bottom[side][2:-1] + 0.03 + 0.06 * _ROUND[2:-1])
        shapes[f"glint{side}"] = _ellipse(
            cx[side, 0] - 0.035, max(cy - 0.045, top[side][7] + 0.03), 0.022, 0.022
        )
        s = SIDES[side, 0]
        out = who.eye_x + who.eye_w
        shapes[f"socket{side}"] = _ellipse(s * (who.eye_x - 0.02), -0.06, 0.31, 0.16)
        for k in range(3):
            rise = -0.09 + 0.08 * k
            shapes[f"crow{k}{side}"] = s_line(
                s, (out + 0.05, -0.02 + 0.4 * rise), (out + 0.2, -0.02 + 1.3 * rise)
            )
        squeeze = float(au["6"][side, 0])
        folds[f"bag{side}"] = 0.16 + 0.25 * who.age + 0.5 * squeeze + 0.25 * mean["9"]
        folds[f"crow{side}"] = (0.35 + 0.5 * who.age) * squeeze
        folds[f"crease{side}"] = 0.75


def _brows(who, au, mean, shapes, folds):
    inner, outer = (1 - _BROW) ** 1.3, _BROW**1.2 * (1.25 - 0.35 * _BROW)
    x0, x1 = 0.175, 0.735
    x = x0 + (x1 - x0) * _BROW - 0.055 * au["4"] * inner - 0.02 * au["9"] * inner
    arch = who.brow_arch * np.sin(np.pi * np.clip(_BROW, 0, 1) ** 1.25)
    y = who.brow_y - arch + who.brow_slope * (2 * _BROW - 1) + 0.03 * _BROW**3
    y = y - 0.19 * au["1"] * inner - 0.19 * au["2"] * outer
    y = y + au["4"] * (0.17 * inner + 0.035) * (1 - 0.8 * np.clip(au["1"], 0, 1))
    y = y + au["9"] * (0.09 * inner + 0.02) + 0.02 * au["6"] * outer
    thick = who.brow_thick * (0.62 + 0.5 * np.sin(np.pi * _BROW**0.8)) * (1 - 0.65 * _BROW**3)
    for side in (0, 1):
        sx = SIDES[side, 0] * x[side]
        shapes[f"brow{side}"] = _closed(sx, y[side] - thick, y[side] + thick * 0.75)
        shapes[f"frown{side}"] = s_line(
            SIDES[side, 0], (0.075, -0.31), (0.055 + 0.02 * mean["4"], -0.12)
        )
        folds[f"frown{side}"] = 0.1 * who.age + 0.7 * mean["4"]
    raise_all, raise_in = mean["2"], mean["1"] * max(0.0, 1 - mean["2"])
    for k in range(3):
        level = -0.53 - 0.11 * k - 0.05 * raise_all
        wide = 0.52 - 0.05 * k - 0.2 * raise_in
        bend = 0.03 - 0.05 * raise_in
        shapes[f"forehead{k}"] = _xy(wide * _U, level + bend * _U**2 - 0.015 * np.cos(5 * _U))
    folds["forehead"] = 0.2 * who.age**2 + 0.62 * raise_all + 0.5 * raise_in


def _nose(who, mean, shapes, folds):
    width = who.nose_w * (1 + 0.15 * mean["9"] + 0.08 * mean["10"] + 0.06 * mean["12"])
    base = who.nose_y - 0.07 * mean["9"] - 0.025 * mean["10"]
    angle = np.linspace(-1.9, 1.75, 9)
    for side, s in enumerate((-1.0, 1.0)):
        wing = _xy(
            s * (width * 0.68 + 0.34 * width * np.cos(angle)), base - 0.075 + 0.09 * np.sin(angle)
        )
        shapes[f"wing{side}"] = wing
        shapes[f"nostril{side}"] = _ellipse(s * width * 0.47, base - 0.012, width * 0.27, 0.026)
        shapes[f"noseside{side}"] = np.array(
            [(s * 0.10, -0.12), (s * 0.085, 0.15), (s * 0.12, base - 0.2), (s * width, base - 0.12),
             (s * width * 0.95, base + 0.02), (s * width * 1.35, base - 0.02), (s * 0.24, 0.15),
             (s * 0.2, -0.1)]
        )  # fmt: skip
        for k in range(3):
            y = 0.02 + 0.085 * k
            shapes[f"snarl{k}{side}"] = s_line(
                s, (0.03 + 0.02 * k, y), (0.12 + 0.025 * k, y + 0.075)
            )
    shapes["tip"] = _ellipse(0, base - 0.14, 0.075, 0.07)
    shapes["bridge"] = np.array(
        [(-0.035, -0.1), (0.035, -0.1), (0.045, base - 0.2), (-0.045, base - 0.2)]
    )
    shapes["brow_bone"] = _ellipse(0, -0.58, 0.5, 0.2)
    shapes["undernose"] = _ellipse(0, base + 0.045, width * 1.0, 0.05)
    shapes["nosebase"] = _xy(width * 0.5 * _U, base + 0.022 - 0.02 * _U**2)
    folds["wing"] = 0.62 + 0.3 * mean["9"]
    folds["snarl"] = 0.6 * mean["9"]


def _mouth(who, au, mean, drop, shapes, folds):
    smile, stretch = au["12"], au["20"]
    wide = 1 + 0.26 * smile + 0.2 * stretch + 0.06 * au["14"] + 0.02 * au["15"]
    wide = (
        wide
        - 0.15 * au["23"]
        - 0.1 * au["24"]
        - 0.3 * au["26"] * np.clip(1 - stretch - smile, 0, 1)
    )
    half = who.mouth_w * wide
    corner = -0.18 * smile + 0.15 * au["15"] + 0.045 * stretch - 0.06 * au["14"] + 0.35 * drop
    half_t = np.where(_LEFT > 0, half[0], half[1])
    corner_t = np.where(_LEFT > 0, corner[0], corner[1])
    at = lambda name: au[name][0] * _MIX[0] + au[name][1] * _MIX[1]  # noqa: E731
    x = _T * half_t
    line = who.mouth_y + corner_t * np.abs(_T) ** 1.7
    line = line + _BOW * (0.035 * at("12") - 0.05 * at("15") - 0.055 * at("17") - 0.03 * at("10"))
    line = line + 0.012 * np.exp(-((_T / 0.16) ** 2)) * _BOW
    square = np.clip(mean["20"] + 0.6 * mean["16"], 0, 1)
    shape = _BOW**0.62 * (1 - square) + np.clip(1 - _T**6, 0, None) * square
    part = min(mean["25"], 1.0)
    open_up = 0.02 * part + 0.075 * part * mean["10"] + 0.035 * mean["26"]
    open_down = 0.05 * part + 0.12 * part * mean["12"] + 0.09 * part * mean["16"]
    open_down = open_down + 0.05 * part * mean["20"] + drop
    raised = 0.05 * at("10") + 0.03 * at("9")
    inner_up = line - open_up * shape - raised * _BOW
    inner_low = np.maximum(line + open_down * shape - raised * _BOW * (part < 0.05), inner_up)
    thin = 1 - 0.7 * mean["23"] - 0.45 * mean["24"]
    upper = who.lip_upper * max(0.22, thin - 0.22 * mean["12"] + 0.1 * mean["10"])
    lower = who.lip_lower * max(0.22, thin - 0.2 * mean["12"] + 0.2 * mean["17"] + 0.1 * mean["16"])
    cupid = 1 - 0.24 * np.exp(-((_T / 0.13) ** 2))
    outer_up = inner_up - upper * _BOW**0.7 * cupid - 0.004
    outer_low = inner_low + lower * _BOW**0.75 + 0.004
    shapes["upperlip"] = _closed(x, outer_up, inner_up + 0.004)
    shapes["lowerlip"] = _closed(x, inner_low - 0.004, outer_low)
    shapes["lipshine"] = _xy(x, inner_low + 0.45 * lower)[6:15]
    shapes["inside"] = _closed(x, inner_up, inner_low)
    bite = np.minimum(inner_low, inner_up + (0.085 + 0.02 * part) * np.clip(1 - 0.75 * _T**4, 0, 1))
    shapes["teeth"] = _closed(0.93 * x, inner_up, bite)
    shapes["tongue"] = _closed(
        0.62 * x, np.maximum(inner_low - 0.45 * drop * _BOW, bite), inner_low
    )
    shapes["seam"] = _closed(1.03 * x, inner_up - 0.012, inner_up + 0.012)
    gap = float(np.max(inner_low - inner_up))
    folds["open"] = gap
    middle = float(outer_low[10])
    shapes["underlip"] = _ellipse(0, middle + 0.05, 0.2, 0.035)
    shapes["philtrum"] = _closed(
        np.array([-0.035, 0.035]), np.full(2, who.nose_y + 0.06), outer_up[9:11]
    )
    shapes["boss"] = _xy(0.22 * _U, middle + 0.10 + 0.035 * (1 - _U**2))
    folds["boss"] = 0.12 + 0.7 * mean["17"]
    shapes["upperbeard"] = _closed(
        x * 1.22,
        np.maximum(outer_up - 0.17 * (0.25 + 0.75 * _BOW), who.nose_y + 0.05),
        outer_up + 0.03,
    )
    wing = who.nose_w + 0.045
    wing_y = who.nose_y - 0.1 - 0.05 * mean["9"]
    for side, s in enumerate((-1.0, 1.0)):
        w, c = float(half[side, 0]), float(corner[side, 0]) + who.mouth_y
        u12, u10, u9 = float(smile[side, 0]), float(au["10"][side, 0]), float(au["9"][side, 0])
        u14, u15, u6 = (float(au[n][side, 0]) for n in ("14", "15", "6"))
        reach = 0.10 + 0.05 * u12
        bend = (wing + 0.5 * reach + 0.13 + 0.10 * u12, 0.5 * (wing_y + c) - 0.10 - 0.04 * u12)
        shapes[f"fold{side}"] = s_curve(s, (wing, wing_y), bend, (w + reach, c + 0.06))
        folds[f"fold{side}"] = 0.12 + 0.25 * who.age + 0.4 * u12 + 0.3 * u10 + 0.28 * u9
        shapes[f"marionette{side}"] = s_curve(
            s, (w + 0.02, c + 0.02), (w + 0.075, c + 0.08), (w + 0.05, c + 0.22)
        )
        folds[f"marionette{side}"] = 0.1 * who.age + 0.65 * u15
        shapes[f"dimple{side}"] = s_curve(
            s, (w + 0.05, c - 0.1), (w + 0.12, c), (w + 0.05, c + 0.08)
        )
        folds[f"dimple{side}"] = 0.62 * u14 + 0.15 * u12
        shapes[f"corner{side}"] = _ellipse(s * w, c, 0.03 + 0.012 * u14, 0.022)
        puff = 0.06 * u6 + 0.05 * u12
        shapes[f"cheek{side}"] = _ellipse(s * 0.56, 0.44 - puff, 0.25, 0.19)
        shapes[f"hollow{side}"] = s_curve(
            s, (0.3, 0.62 - puff), (0.62, 0.76 - puff), (0.85, 0.5 - puff)
        )
        folds[f"cheek{side}"] = 0.3 + 0.6 * max(u6, 0.7 * u12)


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
    """A closed outline from its right half, listed from the top's middle to the bottom's."""
    left = half[-2:0:-1] * (-1, 1)
    return np.concatenate([half, left])


def _head(who, drop, shapes):
    w, jaw, chin, length = who.width, who.jaw, who.chin, who.length
    half = np.array(
        [(0, -1.5), (0.6 * w, -1.36), (0.92 * w, -0.9), (w, -0.25), (0.985 * w, 0.3),
         (0.45 * w + 0.55 * jaw, 0.72), (jaw, 1.02), (chin + 0.13, 0.24 + 0.75 * length),
         (0.55 * chin, length - 0.02), (0, length + 0.015)]
    )  # fmt: skip
    half[:, 1] += drop * 0.95 * np.clip((half[:, 1] - 0.35) / 1.0, 0, 1)
    outline = smooth(mirrored(half))
    shapes["head"] = outline
    if who.beard:
        _beard(half, who.mouth_y + drop, shapes)


def _beard(half, mouth, shapes):
    inner = np.array(
        [(0, mouth + 0.16), (0.3, mouth + 0.14), (0.5, mouth + 0.02), (0.66, mouth - 0.14),
         (0.86, 0.45)]
    )  # fmt: skip
    ring = np.concatenate([half[4:], inner])
    shapes["beard0"], shapes["beard1"] = ring * (-1, 1), ring


def _xy(x, y) -> np.ndarray:
    out = np.empty((len(x), 2))
    out[:, 0], out[:, 1] = x, y
    return out


def _closed(x, top, bottom) -> np.ndarray:
    out = np.empty((2 * len(x), 2))
    out[: len(x), 0], out[: len(x), 1] = x, top
    out[len(x) :, 0], out[len(x) :, 1] = x[::-1], bottom[::-1]
    return out


def _ellipse(x, y, rx, ry) -> np.ndarray:
    return _CIRCLE * (rx, ry) + (x, y)


def s_line(s, a, b) -> np.ndarray:
    """A line of one side: x is given as for the picture's right."""
    return np.array([(s * a[0], a[1]), (s * b[0], b[1])])


def s_curve(s, a, b, c) -> np.ndarray:
    """A quadratic Bezier curve of one side: x is given as for the picture's right."""
    return _BEZIER @ np.array([(s * a[0], a[1]), (s * b[0], b[1]), (s * c[0], c[1])])

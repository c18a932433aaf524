"""Contours without muscle motion: hair, ears, neck, clothes, glasses, positions of wrinkles."""

import zlib
from functools import lru_cache

import numpy as np

from keras_mer.synthetic.curves import Contours, Sketch, mirrored, smooth
from keras_mer.synthetic.identity import Identity

_SQUARE = np.array(
    [(-1, -0.55), (-0.7, -0.72), (0.6, -0.74), (1, -0.6), (1, 0.25), (0.7, 0.72), (-0.55, 0.74),
     (-0.95, 0.35)]
)  # fmt: skip


@lru_cache(maxsize=4096)
def fixed_contours(identity: Identity) -> tuple[Contours, Contours]:
    """Contours that rotate with the head, and static ones (neck, clothes).

    Returns:
        (rotating, static): polygons by name, each (n, 2) in face units, as in `shape.contours`.
    """
    rng = np.random.default_rng(zlib.crc32(identity.name.encode()))
    rotating: Contours = {}
    _cap(identity, rng, rotating)
    rotating.update(_wrinkles(identity))
    for side, s in enumerate((-1.0, 1.0)):
        ear = [(0.95, -0.1), (1.08, -0.16), (1.13, 0.02), (1.09, 0.28), (1.0, 0.45), (0.93, 0.35)]
        rotating[f"ear{side}"] = smooth(np.array(ear) * (s * identity.width, 1))
        hollow = [(1.0, 0.0), (1.06, -0.06), (1.075, 0.06), (1.03, 0.24), (1.0, 0.2)]
        rotating[f"concha{side}"] = smooth(np.array(hollow) * (s * identity.width, 1))
        if identity.glasses:
            frame = _SQUARE * (0.37, 0.33) if identity.glasses == 2 else _SQUARE * (0.34, 0.4)
            rotating[f"glass{side}"] = smooth(
                frame * (s, 1) + (s * (identity.eye_x + 0.005), 0.035)
            )
            rotating[f"temple{side}"] = np.array(
                [(s * 0.81, -0.12), (s * 1.02 * identity.width, -0.1)]
            )
    if identity.glasses:
        rotating["nosebridge"] = np.array([(-0.12, -0.06), (0, -0.1), (0.12, -0.06)])
    rotating["hairline"] = (
        rotating["cap"] * (0.97, 1) + (0, 0.09) if "cap" in rotating else np.zeros((0, 2))
    )
    broad = 1.0 if identity.jaw > 0.76 else 0.88
    neck = np.array([(-0.6, 0.7), (0.6, 0.7), (0.6, 1.7), (0.8, 2.3), (-0.8, 2.3), (-0.6, 1.7)])
    torso = np.array(
        [(0, 2.18), (0.42, 2.06), (0.64, 1.86), (1.15, 2.02), (1.75, 2.25), (2.1, 2.7), (2.3, 3.6),
         (2.4, 6), (2.4, 12), (0, 12)]
    )  # fmt: skip
    static = {
        "neck": neck * (broad, 1),
        "torso": smooth(mirrored(torso * (broad, 1))),
        "collar": np.array([(-0.62, 1.85), (-0.4, 2.07), (0, 2.17), (0.4, 2.07), (0.62, 1.85)])
        * (broad, 1),
    }
    return rotating, static


def _wrinkles(identity) -> Contours:
    sketch = Sketch()
    sketch.ellipse("brow_bone", 0, -0.58, 0.5, 0.2)
    for side, s in enumerate((-1.0, 1.0)):
        sketch.ellipse(f"socket{side}", s * (identity.eye_x - 0.02), -0.06, 0.31, 0.16)
        sketch.shapes[f"frown{side}"] = np.array([(s * 0.075, -0.31), (s * 0.07, -0.12)])
        out = identity.eye_x + identity.eye_w
        for k in range(3):
            rise = -0.09 + 0.08 * k
            sketch.shapes[f"crow{k}{side}"] = np.array(
                [(s * (out + 0.05), 0.4 * rise - 0.02), (s * (out + 0.2), 1.3 * rise - 0.02)]
            )
            y = 0.02 + 0.085 * k
            sketch.shapes[f"snarl{k}{side}"] = np.array(
                [(s * (0.03 + 0.02 * k), y), (s * (0.12 + 0.025 * k), y + 0.075)]
            )
    for k, (x, y) in enumerate(identity.freckles.tolist()):
        sketch.ellipse(f"freckle{k}", x, y, 0.014, 0.012)
    return sketch.finish()


def _cap(identity, rng, out: Contours) -> None:
    w, top, style = identity.width, identity.hair_y, identity.style
    if style == "bald":
        return
    volume = {"short": 0.0, "parted": 0.08, "fringe": 0.07, "long": 0.08, "curly": 0.22, "bun": 0.0}
    v = volume[style] + 0.05 * rng.random()
    side = 0.05 if style == "short" else 0.25
    outer = np.array(
        [((1.0 + v / 3) * w, side), ((1.07 + v / 2) * w, -0.45), ((0.97 + v) * w, -1.05),
         (0.62 + v / 2, -1.47 - v), (0.0, -1.62 - v)]
    )  # fmt: skip
    outer = np.concatenate([outer, outer[-2::-1] * (-1, 1)])
    temple = 0.93 * w
    inner = np.array(
        [(0.97 * w, side - 0.06), (temple, -0.35), (0.86 * w, top + 0.26), (0.6, top + 0.09),
         (0.25, top + 0.01), (0, top)]
    )  # fmt: skip
    inner = np.concatenate([inner, inner[-2::-1] * (-1, 1)])
    if style == "fringe":
        inner[3:-3, 1] = -0.55 + 0.05 * rng.standard_normal(len(inner) - 6)
        inner[2], inner[-3] = (0.88 * w, -0.45), (-0.88 * w, -0.45)
    elif style == "parted":
        way = 1 if rng.random() < 0.5 else -1
        inner[:, 1] += (
            0.16 * way * np.clip(inner[:, 0] + 0.35 * way, -0.7, 0.7) * (inner[:, 1] < -0.5)
        )
        part = inner[np.argmin(np.abs(inner[:, 0] + 0.4 * way))]
        part[1] -= 0.08
    elif style == "curly":
        outer = outer * np.where(np.arange(len(outer)) % 2, 1.05, 0.97)[:, None]
    elif style == "long":
        inner[4:7, 1] -= 0.06
        inner[[2, -3], 0] *= 0.9
    cap = np.concatenate([outer, inner[::-1]])
    out["cap"] = smooth(cap)
    x = np.linspace(-0.75, 0.75, 9)
    out["sheen"] = np.stack([x, -1.32 - 0.5 * v + 0.45 * x**2], 1)
    # strands run from the hairline to the crown, in different brightness
    bend = np.linspace(0, 1, 6)[:, None]
    for k in range(10):
        i = 2 + k % (len(inner) - 4)  # not at the temples, where they would cover the face
        foot = inner[i] + rng.normal(0, 0.03, 2)
        tip = np.array([0.45 * foot[0], -1.5 - v + 0.4 * abs(foot[0])]) * rng.uniform(0.9, 1.0)
        middle = 0.5 * (foot + tip) * (1.12, 1.08)
        out[f"strand{k}"] = (1 - bend) ** 2 * foot + 2 * bend * (1 - bend) * middle + bend**2 * tip
    if style in ("long", "curly"):
        low = 1.55 + 0.5 * rng.random() if style == "long" else 0.45
        wide = 1.12 if style == "long" else 1.22
        back = np.array(
            [(0, -1.6 - v), (0.75, -1.45), (wide, -0.7), (wide + 0.04, 0.2),
             (wide, 0.4 + 0.5 * low), (0.95 * wide, low), (0.4, low + 0.08), (0, low)]
        )  # fmt: skip
        out["back"] = smooth(mirrored(back))
    elif style == "bun":
        angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        out["back"] = np.stack([0.42 * np.cos(angle), -1.78 + 0.36 * np.sin(angle)], 1)

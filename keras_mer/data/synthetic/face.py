"""Drawing a face with OpenCV: contours, soft shading, light, blur and noise."""

from dataclasses import dataclass, field
from itertools import accumulate
from math import cos, sin

import cv2
import numpy as np

from keras_mer.data.synthetic.hair import surroundings
from keras_mer.data.synthetic.identity import Identity, make_identity
from keras_mer.data.synthetic.shape import contours
from keras_mer.data.synthetic.units import action_units
from keras_mer.errors import UserError

#: The face box of a drawn face: its middle below the eyes and half its side, in face units.
BOX_MIDDLE, BOX_HALF = 0.30, 1.22

_FIXED = 6  # fractional bits of the coordinates given to OpenCV
_LIGHT_GRID = 24
_PLAIN = np.full((2, 2, 3), 150, np.uint8)


@dataclass(frozen=True, eq=False)
class Scene:
    """How a face is seen: pose, light, camera.

    Attributes:
        roll, yaw, pitch: turns of the head in radians; in the image's plane, to the picture's
            right, downwards.
        dx, dy: shift of the head in face units (half a face's width). scale: its size, 1 for the
            frame's own.
        light: direction to the light, unit vector (x right, y down, z to the camera).
        ambient: 0 to 1, the part of the light that comes from everywhere.
        gain, gamma: of the finished picture.
        gaze: shift of the irises in face units.
        background: uint8 (h, w, 3) BGR, stretched to the frame; or None for grey.
        blur: standard deviation in face units. noise: standard deviation in grey levels.
        seed: of the noise.
    """

    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0
    light: tuple[float, float, float] = (-0.30, -0.45, 0.84)
    ambient: float = 0.55
    gain: float = 1.0
    gamma: float = 1.0
    gaze: tuple[float, float] = (0.0, 0.0)
    background: np.ndarray | None = None
    blur: float = 0.0
    noise: float = 0.0
    seed: tuple[int, ...] = field(default=(0,))

    @classmethod
    def random(cls, rng: np.random.Generator, variation: float = 1.0) -> "Scene":
        """A scene with pose, light, background, blur and noise drawn at random.

        Args:
            rng: the source of chance.
            variation: 0 for a plain frontal picture, 1 as in datasets gathered from the web.
        """
        n = np.clip(rng.standard_normal(9), -2.2, 2.2) * variation
        u = rng.random(6)
        light = np.array([0.45 * n[5], -0.4 + 0.3 * n[6], 0.8])
        light /= np.sqrt(light @ light)
        rows = 2 + int(rng.integers(5))
        base = rng.integers(40, 215) + rng.normal(0, 13, 3)
        tones = rng.normal(0, 26, (rows, rows, 1)) + rng.normal(0, 5, (rows, rows, 3))
        patch = np.clip(base + tones, 0, 255).astype(np.uint8)
        return cls(
            roll=0.085 * n[0],
            yaw=0.13 * n[1],
            pitch=0.09 * n[2],
            dx=0.055 * n[3],
            dy=0.055 * n[4],
            scale=1 + 0.06 * n[7],
            light=(float(light[0]), float(light[1]), float(light[2])),
            ambient=0.62 - 0.25 * variation * u[0],
            gain=1 + variation * 0.24 * (u[1] - 0.55),
            gamma=1 + variation * 0.35 * (u[2] - 0.5),
            gaze=(0.03 * n[8], 0.016 * n[8] * (u[3] - 0.5)),
            background=patch,
            blur=0.025 * variation * u[4] ** 2,
            noise=1 + 6 * variation * u[5] ** 2,
            seed=(int(rng.integers(2**31)),),
        )


def draw_face(
    identity: Identity,
    units: np.ndarray,
    scene: Scene | None = None,
    size: int = 48,
    margin: float = 0.0,
) -> np.ndarray:
    """Draw one face from facial action units (FACS; see `units`).

    Args:
        identity: who.
        units: AU strengths, float (2, AUs), from `action_units` or `vector`.
        scene: pose, light, background, blur and noise; a plain one when None.
        size: side of the picture in pixels, 16 to 2048.
        margin: free space around the face box on each side, as a fraction of that box's side;
            0 crops like FER2013, 0.4 shows hair and shoulders. -0.2 to 3.

    Returns:
        uint8 (size, size, 3), BGR.

    Raises:
        UserError: for a size or margin out of range.
    """
    if not 16 <= size <= 2048:
        raise UserError(f"size must lie in 16 to 2048 pixels, got {size}")
    if not -0.2 <= margin <= 3:
        raise UserError(f"margin must lie in -0.2 to 3, got {margin}")
    scene = scene or Scene()
    side = 2 * size
    unit = side / (2 * BOX_HALF * (1 + 2 * margin))
    background = _PLAIN if scene.background is None else scene.background
    canvas = cv2.resize(background, (side, side), interpolation=cv2.INTER_LINEAR)
    middle = (side / 2, side / 2 - BOX_MIDDLE * unit)
    canvas = render(canvas, identity, units, scene, middle, unit)
    return develop(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), scene, unit / 2)


def draw_expression(
    subject: int | Identity,
    expression: str,
    intensity: float = 1.0,
    size: int = 48,
    margin: float = 0.0,
    seed: int = 0,
    index: int = 0,
    variation: float = 1.0,
) -> np.ndarray:
    """Draw one picture of a person showing an expression.

    Args:
        subject: a person, or the number of one of the population `seed` (`make_identity`).
        expression: one of `PROTOTYPES`. intensity: 0 (neutral) to 1 (full).
        size, margin: as `draw_face`.
        seed, index: the same pair gives the same picture, whatever was drawn before.
        variation: how much pose, light and camera vary (`Scene.random`), and the AUs with them.

    Returns:
        uint8 (size, size, 3), BGR.

    Raises:
        UserError: for an unknown expression or an argument out of range.
    """
    if seed < 0 or index < 0:
        raise UserError(f"seed and index must be >= 0, got {seed} and {index}")
    who = subject if isinstance(subject, Identity) else make_identity(seed, subject)
    rng = np.random.default_rng([seed, index])
    units = action_units(expression, intensity, who, rng, jitter=0.15 * variation)
    return draw_face(who, units, Scene.random(rng, variation), size, margin)


def develop(image: np.ndarray, scene: Scene, unit: float) -> np.ndarray:
    """The camera: blur, gain, gamma and noise on a finished uint8 picture."""
    sigma = scene.blur * unit
    if sigma > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    if scene.gain != 1 or scene.gamma != 1:
        level = np.arange(256) / 255
        table = np.clip(255 * scene.gain * level**scene.gamma + 0.5, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table)
    if scene.noise > 0:
        rng = np.random.default_rng(scene.seed)
        noise = rng.standard_normal(image.shape[:2], np.float32) * scene.noise
        # mostly luminance, as after a camera's own denoising
        image = cv2.add(image, cv2.merge([noise, noise, noise]), dtype=cv2.CV_8U)
    return image


class _Pen:
    """Contours in pixels, and the two ways to lay them down."""

    def __init__(self, names, ends, pixels: np.ndarray, unit: float):
        starts = [0, *ends]
        half = pixels >> 1  # the same on a canvas of half the size
        self._whole = {n: pixels[a:b] for n, a, b in zip(names, starts, ends, strict=False)}
        self._half = {n: half[a:b] for n, a, b in zip(names, starts, ends, strict=False)}
        self._unit = unit

    def fill(self, canvas, names, colour, half=False):
        """Fill polygons, each on its own: OpenCV leaves out what two of one call share."""
        points = self._half if half else self._whole
        for name in names:
            cv2.fillPoly(canvas, [points[name]], colour, cv2.LINE_AA, _FIXED)

    def line(self, canvas, names, colour, width, half=False, closed=False):
        points = self._half if half else self._whole
        thick = max(1, round(width * self._unit * (0.5 if half else 1)))
        cv2.polylines(
            canvas, [points[n] for n in names], closed, colour, thick, cv2.LINE_AA, _FIXED
        )


def _project(shapes, turning, staying, scene, middle, unit) -> _Pen:
    """Turn the head, and bring every contour to fixed-point pixels."""
    arrays = [*shapes.values(), *turning.values(), *staying.values()]
    ends = list(accumulate(map(len, arrays)))
    every = np.concatenate(arrays)
    last = ends[len(shapes) + len(turning) - 1]
    x, y = every[:last, 0], every[:last, 1]
    z = np.maximum(1 - (x / 1.12) ** 2 - ((y - 0.1) / 1.75) ** 2, 0)
    z = 0.8 * np.sqrt(z) - 0.25
    z += 0.22 * np.exp(-((x / 0.2) ** 2) - ((y - 0.45) / 0.22) ** 2)  # the nose stands out
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
    return _Pen([*shapes, *turning, *staying], ends, pixels, unit * scene.scale)


def _light(scene, shape, middle, unit) -> np.ndarray:
    """Light on an ellipsoid head: multipliers with 128 for 1, uint8 (grid, grid, 3)."""
    h, w = shape
    step = (np.arange(_LIGHT_GRID) + 0.5) / _LIGHT_GRID
    x = ((step * w - middle[0]) / unit - scene.dx) / (1.22 * scene.scale)
    y = ((step * h - middle[1]) / unit - 0.15 - scene.dy) / (1.85 * scene.scale)
    x, y = np.clip(x, -1, 1)[None, :], np.clip(y, -1, 1)[:, None]
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0.06, None))
    lx, ly, lz = scene.light
    lit = np.clip(lx * x + ly * y + lz * z, 0, None)
    value = scene.ambient + (1.08 - scene.ambient) * lit
    # shadows turn warm: blue falls faster than red
    tinted = value[..., None] ** np.array([1.12, 1.0, 0.88])
    return np.clip(128 * tinted, 0, 255).astype(np.uint8)


def _grey(strength: float):
    """A shading colour: 128 leaves the skin as it is, less darkens it, the red least."""
    dark = 128 * 0.62 * min(max(strength, 0.0), 1.3)
    return 128 - dark, 128 - 0.95 * dark, 128 - 0.82 * dark


def render(canvas, who: Identity, units, scene: Scene, middle, unit: float) -> np.ndarray:
    """Draw a person on a canvas.

    Args:
        canvas: uint8 (h, w, 3) background; may be drawn on.
        who, units, scene: as `draw_face`.
        middle: pixel (x, y) of the point between the eyes. unit: pixels a face unit.

    Returns:
        uint8 (h, w, 3).
    """
    shapes, folds = contours(who, units, scene.gaze)
    turning, staying = surroundings(who)
    pen = _project(shapes, turning, staying, scene, middle, unit)
    h, w = canvas.shape[:2]
    if "back" in turning:
        pen.fill(canvas, ["back"], _scaled(who.hair, 0.62))
    body = ["torso", "neck", "ear0", "ear1", "head"] + (["cap"] if "cap" in turning else [])
    mask = np.zeros((h, w), np.uint8)
    pen.fill(mask, body, 255)
    skin = np.empty_like(canvas)
    skin[:] = np.array(who.skin, np.uint8)
    pen.fill(skin, ["neck"], _scaled(who.skin, 0.8))
    pen.fill(skin, ["torso"], who.cloth)
    pen.line(skin, ["collar"], _scaled(who.cloth, 0.7), 0.05)
    pen.fill(skin, ["ear0", "ear1"], _scaled(who.skin, 0.88))
    pen.fill(skin, ["concha0", "concha1"], _scaled(who.skin, 0.66))
    pen.fill(skin, ["head"], who.skin)
    if "cap" in turning:
        _hair(skin, who, pen, turning)
    shade = _shading(who, folds, pen, scene, turning, (h, w), middle, unit)
    skin = cv2.multiply(skin, shade, scale=1 / 128)
    wide = cv2.merge([mask, mask, mask])
    cv2.multiply(skin, wide, skin, 1 / 255)
    cv2.multiply(canvas, cv2.bitwise_not(wide), canvas, 1 / 255)
    canvas = cv2.add(skin, canvas)
    _features(canvas, who, folds, pen, scene)
    return canvas


def _shading(who, folds, pen, scene, turning, shape, middle, unit):
    h, w = shape
    low = (h // 2, w // 2)
    wide = np.full((*low, 3), 128, np.uint8)
    fine = wide.copy()
    shadow = 1 if scene.light[0] < 0 else 0  # the nose shades the side away from the light
    gloss = 0.03 + 0.22 * max(0.0, 1 - max(who.skin) / 210)  # dark skin shines more
    slant = min(1.0, 1.6 * abs(scene.light[0]))
    if "cap" in turning:
        pen.fill(wide, ["hairline"], _grey(0.3), half=True)
        pen.fill(wide, ["cap"], (118, 118, 118), half=True)
        pen.line(wide, ["sheen"], (165, 165, 165), 0.16, half=True)
    for side in (0, 1):
        pen.fill(wide, [f"socket{side}"], _grey(0.44), half=True)
        pen.fill(
            wide, [f"noseside{side}"], _grey(0.10 + (0.28 * slant if side == shadow else 0)), True
        )
        puff = folds[f"cheek{side}"]
        pen.line(wide, [f"hollow{side}"], _grey(0.34 * puff), 0.12, True)
        glow = 128 * (1 + 0.10 * puff + gloss)
        pen.fill(wide, [f"cheek{side}"], (glow * 0.95, glow * 0.95, glow * 1.05), True)
    shine = 146 + 160 * gloss
    pen.fill(wide, ["brow_bone"], (128 + 110 * gloss,) * 3, True)
    pen.fill(wide, ["bridge", "tip"], (shine, shine, shine - 3), True)
    pen.fill(wide, ["undernose"], _grey(0.36), True)
    pen.fill(wide, ["underlip"], _grey(0.45), True)
    pen.fill(wide, ["philtrum"], _grey(0.16), True)
    if who.beard:
        pen.fill(wide, ["beard0", "beard1"], _toward(who.hair, who.skin, who.beard), True)
    if who.moustache:
        pen.fill(wide, ["upperbeard"], _toward(who.hair, who.skin, who.moustache), True)
    _blur(wide, 0.05 * unit)
    for side in (0, 1):
        pen.line(fine, [f"wing{side}"], _grey(folds["wing"]), 0.03, True)
        for name, width in (("fold", 0.035), ("marionette", 0.03), ("dimple", 0.04), ("bag", 0.025),
                            ("crease", 0.02), ("frown", 0.03)):  # fmt: skip
            depth = folds[f"{name}{side}"]
            if depth > 0.05:
                pen.line(fine, [f"{name}{side}"], _grey(depth), width, True)
        if folds[f"crow{side}"] > 0.08:
            pen.line(
                fine, [f"crow{k}{side}" for k in range(3)], _grey(folds[f"crow{side}"]), 0.02, True
            )
        if folds["snarl"] > 0.08:
            pen.line(
                fine, [f"snarl{k}{side}" for k in range(3)], _grey(folds["snarl"]), 0.028, True
            )
    if folds["forehead"] > 0.05 and who.style != "fringe":
        pen.line(fine, [f"forehead{k}" for k in range(3)], _grey(folds["forehead"]), 0.022, True)
    pen.line(fine, ["boss"], _grey(folds["boss"]), 0.035, True)
    pen.line(fine, ["nosebase"], _grey(0.5), 0.03, True)
    _blur(fine, 0.016 * unit)
    cv2.multiply(wide, fine, wide, 1 / 128)
    light = cv2.resize(
        _light(scene, shape, middle, unit), low[::-1], interpolation=cv2.INTER_LINEAR
    )
    cv2.multiply(wide, light, wide, 1 / 128)
    return cv2.resize(wide, (w, h), interpolation=cv2.INTER_LINEAR)


def _hair(skin, who, pen, turning):
    pen.fill(skin, ["cap"], who.hair)
    strands = [n for n in turning if n.startswith("strand")]
    pen.line(skin, strands[::2], _scaled(who.hair, 1.14), 0.035)
    pen.line(skin, strands[1::2], _scaled(who.hair, 0.84), 0.03)


def _features(canvas, who, folds, pen, scene):
    dim = 0.80 + 0.2 * scene.ambient
    lids = _scaled(who.skin, 0.32)
    # beside dark skin a camera shows the whites darker, and so do the cascade's training faces
    white = tuple(dim * (0.56 * c + 0.40 * max(who.skin)) for c in (226, 230, 236))
    for side in (0, 1):
        pen.fill(canvas, [f"eye{side}"], white)
        pen.fill(canvas, [f"ring{side}"], _scaled(who.iris, 0.55))
        pen.fill(canvas, [f"iris{side}"], who.iris)
        pen.fill(canvas, [f"pupil{side}"], (14, 12, 12))
        pen.fill(canvas, [f"glint{side}"], (245, 245, 245))
        pen.line(canvas, [f"lowerlid{side}"], _scaled(who.skin, 0.55), 0.014)
        pen.fill(canvas, [f"lash{side}"], (min(lids[0], 46), min(lids[1], 46), min(lids[2], 56)))
        pen.fill(canvas, [f"brow{side}"], _scaled(who.hair, 0.7 if sum(who.hair) < 420 else 0.6))
    nostril = _scaled(who.skin, 0.34)
    pen.fill(canvas, ["nostril0", "nostril1"], nostril)
    if folds["open"] > 0.012:
        pen.fill(canvas, ["inside"], (34, 24, 62))
        if folds["open"] > 0.2:
            pen.fill(canvas, ["tongue"], (92, 84, 168))
        pen.fill(canvas, ["teeth"], (206 * dim, 222 * dim, 228 * dim))
    else:
        pen.fill(canvas, ["seam"], _scaled(who.lips, 0.45))
    pen.fill(canvas, ["upperlip"], _scaled(who.lips, 0.86))
    pen.fill(canvas, ["lowerlip"], who.lips)
    pen.line(canvas, ["lipshine"], _scaled(who.lips, 1.14), 0.025)
    if folds["open"] <= 0.012:
        pen.fill(canvas, ["seam"], _scaled(who.lips, 0.4))
    pen.fill(canvas, ["corner0", "corner1"], _scaled(who.lips, 0.5))
    if who.glasses:
        pen.line(canvas, ["glass0", "glass1"], who.frame, 0.032, closed=True)
        pen.line(canvas, ["nosebridge", "temple0", "temple1"], who.frame, 0.032)


def _blur(image, sigma: float) -> None:
    if sigma > 0.25:
        size = 2 * int(np.ceil(2 * sigma)) + 1
        cv2.GaussianBlur(image, (size, size), sigma, image)


def _scaled(colour, factor: float):
    b, g, r = colour
    return min(255.0, b * factor), min(255.0, g * factor), min(255.0, r * factor)


def _toward(hair, skin, amount: float):
    """The multiplier that tints skin toward hair."""
    return tuple(
        128 * (1 + 0.75 * amount * (h / max(s, 1) - 1)) for h, s in zip(hair, skin, strict=True)
    )

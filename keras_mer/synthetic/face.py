"""Drawing of a face with OpenCV, from its contours and shading."""

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.synthetic.fixed import fixed_contours
from keras_mer.synthetic.identity import Color, Identity, make_identity
from keras_mer.synthetic.pen import Pen, project
from keras_mer.synthetic.scene import Scene, apply_camera
from keras_mer.synthetic.shading import shading
from keras_mer.synthetic.shape import contours
from keras_mer.synthetic.units import action_units

#: Face box of a drawn face: its center below the eyes and half its side, in face units.
BOX_MIDDLE, BOX_HALF = 0.30, 1.22

_PLAIN = np.full((2, 2, 3), 150, np.uint8)


def draw_face(
    identity: Identity,
    units: np.ndarray,
    scene: Scene | None = None,
    size: int = 48,
    margin: float = 0.0,
) -> np.ndarray:
    """Draw one face from facial action units (FACS; see `units`).

    Args:
        identity: the person.
        units: AU strengths, float (2, AUs), from `action_units` or `vector`.
        scene: pose, light, background, blur and noise; a plain one when None.
        size: side of the image in pixels, 16 to 2048.
        margin: space around the face box on each side, as a fraction of that box's side, -0.2 to
            3; 0 crops like FER2013, 0.4 shows hair and shoulders.

    Returns:
        uint8 (size, size, 3), BGR.

    Raises:
        UserError: for a size or margin out of range.
    """
    scene = scene or Scene()
    canvas, middle, unit = framing(scene, size, margin)
    canvas = render(canvas, identity, units, scene, middle, unit)
    return apply_camera(
        cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), scene, unit / 2
    )


def framing(
    scene: Scene, size: int, margin: float
) -> tuple[np.ndarray, tuple[float, float], float]:
    """The canvas on which a face is rendered, at twice the size of the image.

    Returns:
        uint8 (2 size, 2 size, 3) background; `middle` and `unit` as `render` takes them.

    Raises:
        UserError: as `draw_face`.
    """
    if not 16 <= size <= 2048:
        raise UserError(f"size must lie in 16 to 2048 pixels, got {size}")
    if not -0.2 <= margin <= 3:
        raise UserError(f"margin must lie in -0.2 to 3, got {margin}")
    side = 2 * size
    unit = side / (2 * BOX_HALF * (1 + 2 * margin))
    background = _PLAIN if scene.background is None else scene.background
    canvas = cv2.resize(background, (side, side), interpolation=cv2.INTER_LINEAR)
    return canvas, (side / 2, side / 2 - BOX_MIDDLE * unit), unit


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
    """Draw one image of a person with an expression.

    Args:
        subject: a person, or a person's number in the population `seed` (`make_identity`).
        expression: one of `PROTOTYPES`. intensity: 0 (neutral) to 1 (full).
        size, margin: as for `draw_face`.
        seed, index: the same pair gives the same image, independent of earlier calls.
        variation: of pose, light and camera (`Scene.random`), and of the AUs.

    Returns:
        uint8 (size, size, 3), BGR.

    Raises:
        UserError: for an unknown expression or an argument out of range.
    """
    if seed < 0 or index < 0:
        raise UserError(f"seed and index must be >= 0, got {seed} and {index}")
    identity = subject if isinstance(subject, Identity) else make_identity(seed, subject)
    rng = np.random.default_rng([seed, index])
    units = action_units(expression, intensity, identity, rng, jitter=0.15 * variation)
    return draw_face(identity, units, Scene.random(rng, variation), size, margin)


def render(
    canvas, identity: Identity, units, scene: Scene, middle, unit: float, alpha=None
) -> np.ndarray:
    """Draw a person on a canvas.

    Args:
        canvas: uint8 (h, w, 3) background, h and w even; may be modified.
        identity, units, scene: as for `draw_face`.
        middle: pixel (x, y) of the point between the eyes. unit: pixels per face unit.
        alpha: uint8 (h, w) of zeros that receives the person's silhouette, 255 inside.

    Returns:
        uint8 (h, w, 3).
    """
    shapes, folds = contours(identity, units, scene.gaze)
    rotating, static = fixed_contours(identity)
    pen = project(shapes, rotating, static, scene, middle, unit)
    h, w = canvas.shape[:2]
    if "back" in rotating:
        pen.fill(canvas, ["back"], _scaled(identity.hair, 0.62))
    body = ["torso", "neck", "ear0", "ear1", "head"] + (["cap"] if "cap" in rotating else [])
    mask = np.zeros((h, w), np.uint8)
    pen.fill(mask, body, 255)
    if alpha is not None:
        pen.fill(alpha, (["back"] if "back" in rotating else []) + body, 255)
    skin = np.empty_like(canvas)
    skin[:] = np.array(identity.skin, np.uint8)
    pen.fill(skin, ["neck"], _scaled(identity.skin, 0.8))
    pen.fill(skin, ["torso"], identity.cloth)
    pen.line(skin, ["collar"], _scaled(identity.cloth, 0.7), 0.05)
    pen.fill(skin, ["ear0", "ear1"], _scaled(identity.skin, 0.88))
    pen.fill(skin, ["concha0", "concha1"], _scaled(identity.skin, 0.66))
    pen.fill(skin, ["head"], identity.skin)
    if "cap" in rotating:
        pen.fill(skin, ("cap",), identity.hair)
        strands = [n for n in rotating if n.startswith("strand")]
        pen.line(skin, strands[::2], _scaled(identity.hair, 1.14), 0.035)
        pen.line(skin, strands[1::2], _scaled(identity.hair, 0.84), 0.03)
    shade = shading(identity, folds, pen, scene, (h, w), middle, unit)
    skin = cv2.multiply(skin, shade, scale=1 / 128)
    wide = cv2.merge([mask, mask, mask])
    cv2.multiply(skin, wide, skin, 1 / 255)
    cv2.multiply(canvas, cv2.bitwise_not(wide), canvas, 1 / 255)
    canvas = cv2.add(skin, canvas)
    _features(canvas, identity, folds, pen, scene)
    return canvas


def _features(canvas, identity: Identity, folds, pen: Pen, scene: Scene) -> None:
    """Draw the parts with sharp edges: eyes, brows, nostrils, mouth, glasses."""
    dim = 0.80 + 0.2 * scene.ambient
    # in photographs of dark skin, the sclera is darker; the cascade was trained on such images
    white = tuple(dim * (0.56 * c + 0.40 * max(identity.skin)) for c in (226, 230, 236))
    pen.fill(canvas, ("eye0", "eye1"), white)
    pen.fill(canvas, ("eyeshade0", "eyeshade1"), _scaled(white, 0.8))
    pen.fill(canvas, ("ring0", "ring1"), _scaled(identity.iris, 0.55))
    pen.fill(canvas, ("iris0", "iris1"), identity.iris)
    pen.fill(canvas, ("pupil0", "pupil1"), (14, 12, 12))
    pen.fill(canvas, ("glint0", "glint1"), (245, 245, 245))
    pen.line(canvas, ("lowerlid0", "lowerlid1"), _scaled(identity.skin, 0.55), 0.014)
    b, g, r = _scaled(identity.skin, 0.32)
    pen.fill(canvas, ("lash0", "lash1"), (min(b, 46), min(g, 46), min(r, 56)))
    pen.fill(
        canvas, ("brow0", "brow1"), _scaled(identity.hair, 0.7 if sum(identity.hair) < 420 else 0.6)
    )
    pen.fill(canvas, ("nostril0", "nostril1"), _scaled(identity.skin, 0.34))
    # teeth and tongue appear gradually as the mouth opens
    gap = folds["open"]
    if gap > 0.004:
        dark = (34, 24, 62)
        pen.fill(canvas, ("inside",), dark)
        if gap > 0.12:
            pen.fill(canvas, ("tongue",), _mixed(dark, (92, 84, 168), (gap - 0.12) / 0.1))
        lit = (206 * dim, 222 * dim, 228 * dim)
        pen.fill(canvas, ("teeth",), _mixed(dark, lit, gap / 0.05))
    pen.fill(canvas, ("upperlip",), _scaled(identity.lips, 0.86))
    pen.fill(canvas, ("lowerlip",), identity.lips)
    pen.line(canvas, ("lipshine",), _scaled(identity.lips, 1.14), 0.025)
    pen.fill(canvas, ("seam", "corner0", "corner1"), _scaled(identity.lips, 0.45))
    if identity.glasses:
        pen.line(canvas, ("glass0", "glass1"), identity.frame, 0.032, closed=True)
        pen.line(canvas, ("nosebridge", "temple0", "temple1"), identity.frame, 0.032)


def _scaled(color: Color, factor: float) -> Color:
    b, g, r = color
    return min(255.0, b * factor), min(255.0, g * factor), min(255.0, r * factor)


def _mixed(first: Color, second: Color, share: float) -> Color:
    share = min(max(share, 0.0), 1.0)
    b, g, r = (a + share * (c - a) for a, c in zip(first, second, strict=True))
    return b, g, r

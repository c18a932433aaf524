"""Synthetic photographs: several people in front of one background, with their face boxes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.synthetic.face import BOX_HALF, BOX_MIDDLE, render
from keras_mer.synthetic.identity import make_identity
from keras_mer.synthetic.scene import Scene, apply_camera
from keras_mer.synthetic.units import PROTOTYPES, action_units, check_expression, check_intensity

_SMALLEST = 56  # pixels: the side of the smallest face box


@dataclass(frozen=True, eq=False)
class Photo:
    """A synthetic photograph with its ground truth.

    Attributes:
        image: uint8 (height, width, 3), BGR.
        boxes: int64 (faces, 4), x, y, width, height in pixels, left to right.
        expressions: canonical name of each face's expression. subjects: each person's name.
    """

    image: np.ndarray
    boxes: np.ndarray
    expressions: tuple[str, ...]
    subjects: tuple[str, ...]


def draw_photo(
    expressions: int | Sequence[str] = 3,
    width: int = 640,
    height: int = 480,
    intensity: float = 0.9,
    seed: int = 0,
    index: int = 0,
    subjects: Sequence[int] | None = None,
) -> Photo:
    """Draw a photograph of people side by side at different distances.

    Args:
        expressions: one name per person, left to right, or the number of random people.
        width, height: of the image in pixels.
        intensity: 0 to 1, of every expression.
        seed, index: the same pair gives the same photograph.
        subjects: the people's numbers in the population `seed`; random when None.

    Returns:
        Photo: image, boxes, expressions and subjects.

    Raises:
        UserError: for an unknown expression, or more people than fit into the image.
    """
    if seed < 0 or index < 0:
        raise UserError(f"seed and index must be >= 0, got {seed} and {index}")
    intensity = check_intensity(intensity)
    rng = np.random.default_rng([seed, index, 0xF070])
    if isinstance(expressions, int):
        expressions = [list(PROTOTYPES)[k] for k in rng.integers(0, 7, max(expressions, 0))]
    names = tuple(check_expression(e) for e in expressions)
    count = len(names)
    largest = min(0.52 * height, 0.8 * width / max(count, 1))
    if count < 1 or largest < _SMALLEST:
        room = min(int(0.8 * width / _SMALLEST), 1000) if 0.52 * height >= _SMALLEST else 0
        raise UserError(f"a {width}x{height} picture has room for 1 to {room} faces, got {count}")
    if subjects is None:
        subjects = rng.permutation(max(200, count))[:count].tolist()
    if len(subjects) != count:
        raise UserError(f"expected {count} subjects, one per face, got {len(subjects)}")
    people = [make_identity(seed, int(number)) for number in subjects]
    canvas = _background(rng, 2 * width, 2 * height)
    sides = np.clip(largest * rng.uniform(0.6, 1, count), _SMALLEST, None)
    column = width / count
    boxes = np.zeros((count, 4), np.int64)
    photo_scene = Scene.random(rng, 0.6)
    for k in np.argsort(sides, kind="stable"):  # the most distant first
        side = float(sides[k])
        x = (k + 0.5) * column + rng.uniform(-0.5, 0.5) * max(0.0, column - 1.1 * side)
        y = rng.uniform(0.62, 0.72) * side
        y += rng.uniform(0.1, 0.9) * max(0.0, 0.86 * height - y - 0.75 * side)
        own = Scene.random(rng, 0.7)
        scene = replace(
            own, dx=0.0, dy=0.0, scale=1.0, light=photo_scene.light, ambient=photo_scene.ambient
        )
        units = action_units(names[k], intensity, people[k], rng, jitter=0.1)
        _draw_person(canvas, people[k], units, scene, 2 * x, 2 * y, side / BOX_HALF)
        boxes[k] = np.rint((x - side / 2, y - side / 2, side, side))
    image = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    image = apply_camera(image, replace(photo_scene, blur=0.0, noise=1.5), 1.0)
    return Photo(image, boxes, names, tuple(p.name for p in people))


def _draw_person(canvas, identity, units, scene, x: float, y: float, unit: float) -> None:
    """Draw one person with the face box centered at (x, y), rendering only the region needed."""
    w = canvas.shape[1]
    left, right = max(0, int(x - 2.8 * unit)) & ~1, min(w, int(x + 2.8 * unit))
    top = max(0, int(y - 2.8 * unit)) & ~1
    part = np.ascontiguousarray(canvas[top:, left:right])
    middle = (x - left, y - top - BOX_MIDDLE * unit)
    canvas[top:, left:right] = render(part, identity, units, scene, middle, unit)


def _background(rng, width: int, height: int) -> np.ndarray:
    """A blurred wall with rectangles (windows, pictures)."""
    base = rng.uniform(90, 190) + rng.normal(0, 12, 3)
    corners = np.clip(base + rng.normal(0, 18, (2, 3, 1)) + rng.normal(0, 6, (2, 3, 3)), 0, 255)
    wall = cv2.resize(corners.astype(np.uint8), (width // 4, height // 4))
    h, w = wall.shape[:2]
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(-0.1, 0.9) * w, rng.uniform(-0.1, 0.5) * h
        box = (int(x), int(y), int(rng.uniform(0.12, 0.3) * w), int(rng.uniform(0.15, 0.4) * h))
        tone = np.clip(base + rng.normal(0, 40) + rng.normal(0, 14, 3), 0, 255).tolist()
        edge = np.clip(np.array(tone) * 0.75, 0, 255).tolist()
        cv2.rectangle(wall, box, tone, -1)
        cv2.rectangle(wall, box, edge, max(1, w // 120))
    cv2.line(wall, (0, int(0.86 * h)), (w, int(0.88 * h)), (0.6 * base).tolist(), max(1, h // 40))
    wall = cv2.GaussianBlur(wall, (0, 0), max(0.5, w / 130))
    return cv2.resize(wall, (width, height), interpolation=cv2.INTER_LINEAR)

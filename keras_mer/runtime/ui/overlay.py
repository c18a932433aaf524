"""Drawing of boxes, labels, probability bars and the probability strip with OpenCV."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from keras_mer.runtime.recogniser import Face
from keras_mer.runtime.ui.layout import Panel, Rect, edge, layout, margin
from keras_mer.runtime.ui.lettering import measure, write

# BGR. The class names are drawn beside the colors, so that these need not be told apart.
_COLORS = {
    "angry": (60, 60, 230),
    "disgust": (70, 160, 60),
    "fear": (200, 90, 160),
    "happy": (40, 200, 250),
    "sad": (220, 130, 50),
    "surprise": (60, 140, 255),
    "neutral": (190, 190, 190),
    "contempt": (150, 120, 90),
    "negative": (200, 90, 160),
    "positive": (40, 200, 250),
    "repression": (70, 160, 60),
    "others": (150, 150, 150),
}
_SPARE = ((180, 200, 60), (120, 80, 200), (90, 190, 190), (200, 160, 200))
_LIGHT, _DIM, _TRACK = (255, 255, 255), (200, 200, 200), (72, 72, 72)


def color(name: str) -> tuple[int, int, int]:
    """The BGR color of a class."""
    return _COLORS.get(name) or _SPARE[sum(name.encode()) % len(_SPARE)]


def text(
    image: np.ndarray,
    words: str,
    origin: tuple[int, int],
    size: float,
    color: tuple[int, int, int] = (255, 255, 255),
    background: bool = True,
) -> Rect:
    """Draw one line of text, moved into the image, its top left corner at `origin`.

    Args:
        image: uint8, (height, width, 3) BGR.
        words: the line.
        origin: x, y of the text, or of its plate.
        size: height of the capitals in pixels.
        color: BGR.
        background: whether to darken a plate under the text.

    Returns:
        The rectangle that was drawn on.
    """
    wide, high = measure(words, size)
    pad = margin(size) if background else 0
    wide, high = wide + 2 * pad, round(1.9 * size) if background else high
    x = max(0, min(round(origin[0]), image.shape[1] - wide))
    y = max(0, min(round(origin[1]), image.shape[0] - high))
    if background:
        _darken(image, (x, y, wide, high))
    write(image, words, (x + pad, y + pad), size, color)
    return x, y, wide, high


def draw_faces(
    image: np.ndarray, faces: Iterable[Face], bars: bool = True, avoid: Iterable[Rect] = ()
) -> None:
    """Draw each face's box, label and, with `bars`, every class's probability, in place.

    Args:
        image: uint8, (height, width, 3) BGR.
        faces: as returned by `Recogniser.predict`; an `id` attribute is shown where present.
        bars: whether to draw one bar per class beside each box, where there is space.
        avoid: rectangles (x, y, width, height) that labels and bars keep free.
    """
    faces = list(faces)
    places = layout(faces, image.shape, bars, avoid)
    for face, place in zip(faces, places, strict=True):
        x, y, width, height = face.box
        ink = color(face.label)
        cv2.rectangle(image, (x, y), (x + width, y + height), ink, place.line)
        for px, py in face.landmarks or ():
            spot = round(px), round(py)
            cv2.circle(image, spot, place.line + 1, ink, cv2.FILLED, cv2.LINE_AA)
    # Plates after all boxes, whose lines would cross the text.
    for face, place in zip(faces, places, strict=True):
        if place.panel:
            _draw_panel(image, face, place.panel)
        x, y, _, height = place.label
        side = edge(place.size)
        _darken(image, place.label)
        image[y : y + height, x : x + side] = color(face.label)
        spot = x + side + margin(place.size), y + margin(place.size)
        write(image, place.words, spot, place.size, _LIGHT)


def _draw_panel(image: np.ndarray, face: Face, panel: Panel) -> None:
    """Draw one bar per class on a darkened part of the image, the label's name brighter."""
    _darken(image, panel.box)
    for row in panel.rows:
        x, y, width, height = row.track
        image[y : y + height, x : x + width] = _TRACK
        full = round(width * min(max(face.probabilities[row.name], 0.0), 1.0))
        image[y : y + height, x : x + full] = color(row.name)
        write(image, row.name, row.text[:2], panel.size, _LIGHT if row.name == face.label else _DIM)


def _darken(image: np.ndarray, box: Rect) -> None:
    """Lay a dark plate over a part of the image, through which a quarter can be seen."""
    x, y, width, height = box
    part = image[y : y + height, x : x + width]
    if part.size:
        cv2.convertScaleAbs(part, part, alpha=0.25, beta=18)


def strip(
    width: int,
    height: int,
    classes: Sequence[str],
    times: Sequence[float],
    rows: Sequence[Sequence[float]],
    span: float,
) -> np.ndarray:
    """Plot the probability of each class over the last seconds, the newest at the right.

    Args:
        width, height: of the strip in pixels.
        classes: names, in the order of the columns of `rows`.
        times: seconds, increasing.
        rows: (len(times), classes) probabilities.
        span: seconds shown over the width.

    Returns:
        uint8, (height, width, 3) BGR.
    """
    out = np.full((height, width, 3), 24, np.uint8)
    row_height = height / len(classes)
    size = min(0.62 * row_height, 0.09 * height)
    widest = max(measure(name, size)[0] for name in classes)
    size *= min(1.0, 0.2 * width / widest)
    gap = margin(size)
    plot = width - max(measure(name, size)[0] for name in classes) - 2 * gap
    thin = max(1, round(height / 220))
    for share in (0.25, 0.5, 0.75):
        level = round((1 - share) * (height - 1))
        cv2.line(out, (0, level), (plot, level), (52, 52, 52), thin)
    if len(times):
        values = np.asarray(rows, np.float64)
        thick = max(2, round(height / 80))
        x = plot - 1 - (times[-1] - np.asarray(times)) / span * plot
        for column, name in enumerate(classes):
            levels = (1 - values[:, column]) * (height - thick - 2) + 1
            # Thin lines side by side look like a thick one and take a fraction of the time.
            for below in range(thick):
                points = np.stack([x, levels + below], 1).round().astype(np.int32)
                cv2.polylines(out, [points], False, color(name), 1, cv2.LINE_AA)
    for row, name in enumerate(classes):
        top = round((row + 0.5) * row_height - size / 2)
        write(out, name, (plot + gap, top), size, color(name))
    return out

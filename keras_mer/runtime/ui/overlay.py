"""Drawing of boxes, labels, probability bars and the probability strip with OpenCV."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from keras_mer.runtime.recogniser import Face

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
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK = (28, 28, 28)


def color(name: str) -> tuple[int, int, int]:
    """The BGR color of a class."""
    return _COLORS.get(name) or _SPARE[sum(name.encode()) % len(_SPARE)]


def text(
    image: np.ndarray,
    words: str,
    origin: tuple[int, int],
    size: float,
    color: tuple[int, int, int] = (255, 255, 255),
    background: tuple[int, int, int] | None = _DARK,
) -> None:
    """Draw one line of text, its top left corner at `origin`, letters about `size` pixels high."""
    scale, thick = size / 22, max(1, round(size / 12))
    (width, height), below = cv2.getTextSize(words, _FONT, scale, thick)
    x = min(origin[0], image.shape[1] - width - 2)
    x, y = max(x, 0), min(max(origin[1], 0), max(image.shape[0] - height - below, 0))
    if background is not None:
        cv2.rectangle(image, (x, y), (x + width + 2, y + height + below), background, cv2.FILLED)
    cv2.putText(image, words, (x + 1, y + height + 1), _FONT, scale, color, thick, cv2.LINE_AA)


def draw_faces(image: np.ndarray, faces: Iterable[Face], bars: bool = True) -> None:
    """Draw each face's box, label and, with `bars`, every class's probability, in place.

    Args:
        image: uint8, (height, width, 3) BGR.
        faces: as returned by `Recogniser.predict`; an `id` attribute is shown where present.
        bars: whether to draw one bar per class beside each box, where there is space.
    """
    faces = list(faces)
    size = max(11.0, min(image.shape[:2]) / 32)
    taken = [tuple(face.box) for face in faces]
    for face in faces:
        if bars and (place := _bars_place(face, size * 0.75, image.shape, taken)):
            taken.append(place)
            _draw_bars(image, face, size * 0.75, place)
    for face in faces:
        x, y, width, height = face.box
        ink = color(face.label)
        thick = max(2, round(size / 8))
        cv2.rectangle(image, (x, y), (x + width, y + height), ink, thick)
        for px, py in face.landmarks or ():
            cv2.circle(image, (round(px), round(py)), thick, ink, cv2.FILLED, cv2.LINE_AA)
        identity = f"{face.id}: " if hasattr(face, "id") else ""
        words = f"{identity}{face.label} {face.confidence:.0%}"
        text(image, words, (x, round(y - 1.7 * size)), size, ink)


def _bars_place(
    face: Face, size: float, shape: Sequence[int], taken: list[tuple[int, int, int, int]]
) -> tuple[int, int, int, int] | None:
    """Box (x, y, width, height) for a face's bars that covers no face or other bars, or None."""
    x, y, width, height = face.box
    wide, high = round(size * 8), round(size * 1.5) * len(face.probabilities)
    beside = max(0, min(y, shape[0] - high))
    below = max(0, min(x, shape[1] - wide))
    for left, top in (
        (x + width + 6, beside),
        (x - 6 - wide, beside),
        (below, y + height + 6),
        (below, y - 6 - high),
    ):
        inside = 0 <= left <= shape[1] - wide and 0 <= top <= shape[0] - high
        if inside and not any(
            left < a + w and a < left + wide and top < b + h and b < top + high
            for a, b, w, h in taken
        ):
            return left, top, wide, high
    return None


def _draw_bars(
    image: np.ndarray, face: Face, size: float, place: tuple[int, int, int, int]
) -> None:
    """Draw one bar per class on a darkened part of the image."""
    left, top, wide, high = place
    panel = image[top : top + high, left : left + wide]
    panel[...] = panel // 3
    step = high // len(face.probabilities)
    for row, (name, share) in enumerate(face.probabilities.items()):
        top = row * step
        end = round((wide - 1) * share)
        cv2.rectangle(panel, (0, top + 1), (end, top + step - 2), color(name), cv2.FILLED)
        spot = (3, top + round(size * 1.05))
        thick = max(1, round(size / 12))
        # A shadow instead of an outline: drawing thick letters takes ten times as long.
        for ink, off in (((0, 0, 0), 1), ((255, 255, 255), 0)):
            origin = spot[0] + off, spot[1] + off
            cv2.putText(panel, name, origin, _FONT, size / 22, ink, thick, cv2.LINE_AA)


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
    names = round(min(110, width * 0.2))
    plot = width - names
    for share in (0.25, 0.5, 0.75):
        level = round((1 - share) * (height - 1))
        cv2.line(out, (0, level), (plot, level), (52, 52, 52), 1)
    row_height = height / len(classes)
    if len(times):
        values = np.asarray(rows, np.float64)
        x = plot - 1 - (times[-1] - np.asarray(times)) / span * plot
        for column, name in enumerate(classes):
            levels = (1 - values[:, column]) * (height - 4) + 1
            # Two thin lines look like a thick one and take a fifth of the time.
            for below in (0, 1):
                points = np.stack([x, levels + below], 1).round().astype(np.int32)
                cv2.polylines(out, [points], False, color(name), 1, cv2.LINE_AA)
    for row, name in enumerate(classes):
        size = min(row_height * 0.7, 14)
        text(out, name, (plot + 4, round(row * row_height + 1)), size, color(name), None)
    return out

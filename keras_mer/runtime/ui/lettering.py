"""Text on images: sizes in pixels, and words that are drawn once and then reused."""

from functools import lru_cache

import cv2
import numpy as np

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL = 22  # pixels: height of the font's capitals at scale 1
_SPACE = 0.55  # of the letters' height
_BELOW = 0.4  # of the letters' height: room for g, p and y


@lru_cache(maxsize=512)
def measure(words: str, size: float) -> tuple[int, int]:
    """Width and height in pixels of one line whose capitals are `size` pixels high."""
    parts = words.split(" ")
    width = sum(_advance(part) * size for part in parts) + _SPACE * size * (len(parts) - 1)
    return int(np.ceil(width)) + 1, int(np.ceil((1 + _BELOW) * size)) + 1


def write(
    image: np.ndarray, words: str, origin: tuple[int, int], size: float, ink: tuple[int, int, int]
) -> None:
    """Blend one line of text into an image, in place; what lies outside is cut off.

    Args:
        image: uint8, (height, width, 3) BGR.
        words: the line.
        origin: x, y of its top left corner.
        size: height of the capitals in pixels.
        ink: BGR.
    """
    x, y = float(origin[0]), int(origin[1])
    for part in words.split(" "):
        if part:
            _blend(image, *_letters(part, round(size, 2), ink), round(x), y)
        x += (_advance(part) + _SPACE) * size


@lru_cache(maxsize=1024)
def _advance(word: str) -> float:
    """Width of a word in units of the letters' height."""
    return cv2.getTextSize(word, _FONT, 1.0, 1)[0][0] / _CAPITAL if word else 0.0


@lru_cache(maxsize=512)
def _letters(word: str, size: float, ink: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A word's colors, and what remains of the image beside them: uint8, (height, width, 3).

    Drawn larger and then reduced: strokes of a fraction of a pixel, the same weight at every size.
    """
    width, height = measure(word, size)
    fine = max(1, min(6, round(80 / size)))
    canvas = np.zeros((height * fine, width * fine), np.uint8)
    thick = max(1, round(size * fine / 8.5))
    spot = thick // 2, round(size * fine)
    cv2.putText(canvas, word, spot, _FONT, size * fine / _CAPITAL, 255, thick, cv2.LINE_AA)
    cover = cv2.merge([cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)] * 3)
    return cv2.multiply(cover, np.full_like(cover, ink), scale=1 / 255), 255 - cover


def _blend(image: np.ndarray, colors: np.ndarray, rest: np.ndarray, x: int, y: int) -> None:
    """Mix a word into the image; OpenCV does it in a tenth of numpy's time."""
    left, top = max(x, 0), max(y, 0)
    right = min(x + rest.shape[1], image.shape[1])
    bottom = min(y + rest.shape[0], image.shape[0])
    if right <= left or bottom <= top:
        return
    used = slice(top - y, bottom - y), slice(left - x, right - x)
    part = image[top:bottom, left:right]
    cv2.add(cv2.multiply(part, rest[used], scale=1 / 255), colors[used], dst=part)

"""Cropping and aligning a face to the square input of a model."""

from collections.abc import Sequence

import cv2
import numpy as np

#: Eye positions in a crop without margin, as fractions of its side: the median over FER2013's
#: images, within 0.02 of their positions in boxes of the Haar cascade.
EYES = ((0.315, 0.38), (0.685, 0.38))


def crop(image: np.ndarray, box: Sequence[float], margin: float = 0.0) -> np.ndarray:
    """Crop a box from an image; parts outside the image replicate its border.

    Args:
        image: (height, width) or (height, width, channels), any dtype.
        box: x, y, width, height in pixels.
        margin: fraction of the box's side that is added on each side.

    Returns:
        A copy, of the box's size with its margin, at least one pixel each way.
    """
    x, y, width, height = box
    left, right = round(x - margin * width), round(x + width + margin * width)
    top, bottom = round(y - margin * height), round(y + height + margin * height)
    x0, x1, *across = _inside(left, right, image.shape[1])
    y0, y1, *down = _inside(top, bottom, image.shape[0])
    part = image[y0:y1, x0:x1]
    if not any(across + down):
        return part.copy()
    return cv2.copyMakeBorder(part, *down, *across, cv2.BORDER_REPLICATE)


def _inside(start: int, stop: int, length: int) -> tuple[int, int, int, int]:
    """The part of a span inside 0..length, at least one pixel, and the padding on each side."""
    stop = max(stop, start + 1)
    low, high = min(max(start, 0), length - 1), max(min(stop, length), 1)
    padding = (stop - start) - (high - low)
    before = min(max(low - start, 0), padding)
    return low, high, before, padding - before


def align(
    image: np.ndarray, landmarks: Sequence[Sequence[float]], side: int, margin: float = 0.0
) -> np.ndarray:
    """Rotate, scale and crop so that the eyes are level and at the positions `EYES`.

    Args:
        image: uint8, (height, width) or (height, width, channels).
        landmarks: (x, y) in pixels; the first two are the eyes, the image's left one first.
        side: side of the crop in pixels.
        margin: fraction of the side without margin that is added on each side.

    Returns:
        uint8, (side, side) or (side, side, channels).
    """
    left, right = np.asarray(landmarks[:2], np.float64)
    face = max(float(np.hypot(*(right - left))), 1.0) / (EYES[1][0] - EYES[0][0])
    scale = side / (face * (1 + 2 * margin))
    factor = int(1 / scale)
    if factor > 1:
        # A bilinear warp skips pixels when it shrinks by more than two: average blocks first, in
        # a region large enough for any rotation.
        reach = face * (0.85 + 1.45 * margin)
        corner = np.round((left + right) / 2 - reach)
        part = block_mean(crop(image, (*corner, 2 * reach, 2 * reach)), factor)
        eyes = (np.array([left, right]) - corner + 0.5) / factor - 0.5
        return _warp(part, eyes, side, margin)
    return _warp(image, np.array([left, right]), side, margin)


def block_mean(image: np.ndarray, factor: int) -> np.ndarray:
    """Shrink a uint8 image by an integer factor; each pixel is the mean of a block.

    Incomplete blocks at the end are cut off. OpenCV's area resize is 25 times faster for integer
    factors than for others.
    """
    factor = min(factor, *image.shape[:2])
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    whole = image[: rows * factor, : columns * factor]
    return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)


def _warp(image: np.ndarray, eyes: np.ndarray, side: int, margin: float) -> np.ndarray:
    """`align` by one bilinear warp; `eyes` is (2, 2)."""
    across = eyes[1] - eyes[0]
    distance = max(float(np.hypot(*across)), 1e-3)
    scale = side * (EYES[1][0] - EYES[0][0]) / (distance * (1 + 2 * margin))
    cosine, sine = across / distance * scale
    turn = np.array([[cosine, sine], [-sine, cosine]])
    target = np.array([side / 2, side * (margin + EYES[0][1]) / (1 + 2 * margin)])
    # Pixel centers lie at +0.5.
    shift = target - 0.5 - turn @ eyes.mean(0)
    return cv2.warpAffine(
        image,
        np.column_stack([turn, shift]),
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )

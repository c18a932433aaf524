"""What face detectors share: their result, their interface and the copy of the image they search.

Every detector's box is converted to a square at the position of the Haar cascade's box, so that a
model trained on crops of one detector works with crops of the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keras_mer.face.align import EYES, block_mean
from keras_mer.images import to_uint8

#: Longest side, in pixels, of the searched copy: for photographs and for video.
PHOTO_SIDE = 800
VIDEO_SIDE = 320


@dataclass(frozen=True)
class Detection:
    """A detected face.

    Attributes:
        box: x, y, width, height in whole pixels; square; may extend beyond the image.
        score: the detector's confidence; Haar's is unbounded, the others' are in 0..1.
        landmarks: (x, y) points in pixels, or None: the eye on the left of the image, the eye on
            its right, the tip of the nose, and then what the detector gives of the mouth: YuNet its
            left and right corner, BlazeFace its center.
    """

    box: tuple[int, int, int, int]
    score: float
    landmarks: tuple[tuple[float, float], ...] | None = None


class Detector(Protocol):
    """Interface of a face detector."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Detect the faces of a uint8 image, (h, w) gray or (h, w, 3) BGR, largest first."""
        ...


def shrink(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Downscale by an integer factor to a longest side near `side`: (uint8 image, scale)."""
    image = to_uint8(image)
    factor = max(1, round(max(image.shape[:2]) / side))
    factor = min(factor, *image.shape[:2])
    return (image, 1.0) if factor == 1 else (block_mean(image, factor), 1 / factor)


def haar_like(side: float, eyes: np.ndarray) -> tuple[int, int, int, int]:
    """The box of the Haar cascade, `side` pixels wide, around eyes at these (x, y), (2, 2)."""
    x = eyes[:, 0].mean() - side * (EYES[0][0] + EYES[1][0]) / 2
    y = eyes[:, 1].mean() - side * EYES[0][1]
    return round(float(x)), round(float(y)), round(float(side)), round(float(side))


def largest_first(found: Iterable[Detection]) -> list[Detection]:
    """The detections in the order of their boxes' areas."""
    return sorted(found, key=lambda face: -face.box[2] * face.box[3])


def detector_name(detector: Detector) -> str:
    """A detector's name, as records and outputs state it."""
    return getattr(detector, "name", type(detector).__name__)

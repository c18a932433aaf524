"""Face detection: OpenCV's Haar cascade, or YuNet with five landmarks.

Both search a downscaled copy of the image and return boxes in pixels of the original. YuNet's box
is converted to a square at the position of the Haar cascade's box, so that a model trained on crops
of one detector works with crops of the other.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from keras_mer.errors import UserError, nearest
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
        score: the detector's confidence; Haar's is unbounded, YuNet's is in 0..1.
        landmarks: five (x, y) points (the eye on the left of the image, the eye on its right, the
            tip of the nose, the left and the right corner of the mouth), or None.
    """

    box: tuple[int, int, int, int]
    score: float
    landmarks: tuple[tuple[float, float], ...] | None = None


class Detector(Protocol):
    """Interface of a face detector; the two detectors of this module implement it."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Detect the faces of a uint8 image, (h, w) gray or (h, w, 3) BGR, largest first."""
        ...


class HaarDetector:
    """OpenCV's frontal Haar cascade, which is part of the opencv-python wheel.

    Args:
        max_side: approximate longest side in pixels of the searched copy.
        min_face: smallest face, as a fraction of that copy's shorter side; at least 24 pixels.
        scale_factor: ratio of successive search scales; larger is faster, misses more.
        min_neighbors: overlapping hits required for a face; more means fewer false positives.
    """

    name = "haar"

    def __init__(
        self,
        max_side: int = PHOTO_SIDE,
        min_face: float = 0.06,
        scale_factor: float = 1.1,
        min_neighbors: int = 6,
    ):
        path = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
        if not hasattr(cv2, "CascadeClassifier") or not path.exists():
            raise UserError(
                f"OpenCV {cv2.__version__} has no Haar cascades; install opencv-python 4.14, "
                "or use --detector yunet"
            )
        self._cascade = cv2.CascadeClassifier(str(path))
        self.max_side = max_side
        self.min_face = min_face
        self.scale_factor = scale_factor
        self.min_neighbors = min_neighbors

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Detect the faces of a uint8 gray or BGR image, largest first; an empty list if none."""
        small, scale = shrink(image, self.max_side)
        gray = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        smallest = max(24, round(self.min_face * min(gray.shape)))
        boxes, _, weights = self._cascade.detectMultiScale3(
            cv2.equalizeHist(gray),
            self.scale_factor,
            self.min_neighbors,
            minSize=(smallest, smallest),
            outputRejectLevels=True,
        )
        found = [
            Detection(tuple(round(float(v) / scale) for v in box), float(weight))
            for box, weight in zip(boxes, np.ravel(weights), strict=True)
        ]
        return _largest_first(found)


class YuNetDetector:
    """OpenCV's YuNet network: faster than the cascade, finds rotated faces, gives five landmarks.

    Args:
        model: path of the ONNX file, which is not part of the wheel (`make detector` fetches it).
        max_side: approximate longest side in pixels of the searched copy.
        min_score: faces with a lower score, in 0..1, are dropped.

    Raises:
        UserError: for a missing file or one that is not a YuNet network.
    """

    name = "yunet"

    def __init__(
        self, model: str | os.PathLike, max_side: int = PHOTO_SIDE, min_score: float = 0.7
    ):
        if not Path(model).is_file():
            raise UserError(f"{model}: no such detector file; `make detector` fetches YuNet")
        try:
            self._net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), min_score, 0.3, 200)
            self._net.detect(np.zeros((320, 320, 3), np.uint8))
        except cv2.error:
            raise UserError(
                f"{model}: OpenCV {cv2.__version__} cannot read it as YuNet; "
                "`make detector` fetches the right file"
            ) from None
        self.max_side = max_side

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Detect the faces of a uint8 gray or BGR image with landmarks, largest first."""
        small, scale = shrink(image, self.max_side)
        if small.ndim == 2:
            small = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        faces = self._net.detect(small)[1]
        found = []
        for row in faces if faces is not None else ():
            points = row[4:14].reshape(5, 2) / scale
            found.append(
                Detection(
                    _haar_like(row[:4] / scale, points[:2]),
                    float(row[14]),
                    tuple((float(x), float(y)) for x, y in points),
                )
            )
        return _largest_first(found)


def make_detector(
    name: str = "haar", model: str | os.PathLike | None = None, max_side: int = PHOTO_SIDE
) -> HaarDetector | YuNetDetector:
    """Make the detector ``"haar"`` or ``"yunet"``; `model` is YuNet's ONNX file.

    Raises:
        UserError: for an unknown name, YuNet without its file, or another file.
    """
    if name == "haar":
        # Faces in video are larger and searched often: a coarser scale step is sufficient.
        video = max_side <= VIDEO_SIDE
        return HaarDetector(max_side, 0.12, 1.2) if video else HaarDetector(max_side)
    if name == "yunet":
        if model is None:
            raise UserError(
                "the yunet detector needs its file: --detector-model PATH "
                "(`make detector` fetches it)"
            )
        return YuNetDetector(model, max_side)
    raise UserError(f"unknown detector '{name}'{nearest(name, DETECTORS)}; expected haar or yunet")


DETECTORS = ("haar", "yunet")


def shrink(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Downscale by an integer factor to a longest side near `side`: (uint8 image, scale)."""
    image = to_uint8(image)
    factor = max(1, round(max(image.shape[:2]) / side))
    factor = min(factor, *image.shape[:2])
    return (image, 1.0) if factor == 1 else (block_mean(image, factor), 1 / factor)


def _haar_like(box: np.ndarray, eyes: np.ndarray) -> tuple[int, int, int, int]:
    """Convert YuNet's tall box to the square that the Haar cascade gives for these eyes."""
    side = 0.5 * (box[2] / 0.80 + box[3] / 1.09)  # fitted to Haar boxes of the same faces
    x = eyes[:, 0].mean() - side * (EYES[0][0] + EYES[1][0]) / 2
    y = eyes[:, 1].mean() - side * EYES[0][1]
    return round(float(x)), round(float(y)), round(float(side)), round(float(side))


def _largest_first(found: list[Detection]) -> list[Detection]:
    return sorted(found, key=lambda face: -face.box[2] * face.box[3])

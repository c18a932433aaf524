"""Face detectors: OpenCV's Haar cascade, YuNet, BlazeFace, and the choice of one.

All search a downscaled copy of the image and return boxes in pixels of the original.
"""

import functools
import logging
import os
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError, nearest
from keras_mer.face import detector_files
from keras_mer.face.blazeface import BlazeFaceDetector
from keras_mer.face.detection import (
    PHOTO_SIDE,
    VIDEO_SIDE,
    Detection,
    Detector,
    haar_like,
    largest_first,
    shrink,
)

#: What `make_detector` makes; "auto" is the best whose file is found.
DETECTORS = ("auto", "yunet", "blazeface", "haar")

_log = logging.getLogger(__name__)


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
        return largest_first(found)


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
            # fitted to Haar boxes of the same faces
            side = 0.5 * (row[2] / 0.80 + row[3] / 1.09) / scale
            found.append(
                Detection(
                    haar_like(side, points[:2]),
                    float(row[14]),
                    tuple((float(x), float(y)) for x, y in points),
                )
            )
        return largest_first(found)


def make_detector(
    name: str = "auto",
    model: str | os.PathLike | None = None,
    max_side: int = PHOTO_SIDE,
    threads: int = 1,
    engine: str | None = None,
) -> Detector:
    """Make a face detector.

    Args:
        name: ``"yunet"``, ``"blazeface"`` or ``"haar"``; ``"auto"`` takes the first of them that
            can be made, and logs one line if it is Haar.
        model: YuNet's ONNX file or BlazeFace's TFLite file; None takes the one in the user's cache
            folder or, of BlazeFace, in the installed wheel. With ``"auto"`` the file decides.
        max_side: approximate longest side in pixels of the searched copy; up to `VIDEO_SIDE` the
            settings are those for video.
        threads, engine: of BlazeFace's interpreter.

    Raises:
        UserError: for an unknown name, a network without its file, or another file.
    """
    if name not in DETECTORS:
        raise UserError(
            f"unknown detector '{name}'{nearest(name, DETECTORS)}; expected "
            f"{', '.join(DETECTORS[:-1])} or {DETECTORS[-1]}"
        )
    if name == "auto":
        if model is None:
            return _best(max_side, threads, engine)
        name = "yunet" if Path(model).suffix == ".onnx" else "blazeface"
    video = max_side <= VIDEO_SIDE
    if name == "haar":
        # Faces in video are larger and searched often: a coarser scale step is sufficient.
        return HaarDetector(max_side, 0.12, 1.2) if video else HaarDetector(max_side)
    if name == "yunet":
        return YuNetDetector(model or _file(name), max_side)
    # Video needs a constant time per frame.
    return BlazeFaceDetector(
        model or _file(name), max_side, closer=not video, threads=threads, engine=engine
    )


def _file(name: str) -> Path:
    wanted = detector_files.YUNET if name == "yunet" else detector_files.BLAZEFACE
    path = detector_files.find(wanted)
    if path is None:
        raise UserError(
            f"the {name} detector needs its file {wanted.name}: `make detector` fetches it into "
            f"{detector_files.cache_folder()}, or name one with --detector-model PATH"
        )
    return path


def _best(max_side: int, threads: int, engine: str | None) -> Detector:
    """YuNet, BlazeFace or Haar, the first whose file is there and can be read."""
    for name, wanted in (("yunet", detector_files.YUNET), ("blazeface", detector_files.BLAZEFACE)):
        path = detector_files.find(wanted)
        if path is None:
            continue
        try:
            return make_detector(name, path, max_side, threads, engine)
        except UserError as error:  # such as a file that this version of OpenCV cannot read
            _log.warning("not used to detect faces: %s", error)
    detector = make_detector("haar", max_side=max_side)
    _warn_of_haar()
    return detector


@functools.cache  # once in a process, however many detectors it makes
def _warn_of_haar() -> None:
    _log.warning(
        "faces are detected by OpenCV's Haar cascade, which misses one in four, takes ten times as "
        "long and does not align them by the eyes: `make detector` (scripts/fetch_detector.py) "
        "fetches BlazeFace and YuNet"
    )

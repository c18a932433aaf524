"""Face registration of a clip: detection in the first frame, alignment, and head motion removal.

Detecting the face in every frame makes its box jitter by a pixel or more, which is more than the
motion of a micro-expression. Here only the first frame is searched; the others are registered to it
by tracked points, with a single warp per frame from the original pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.face.align import EYES, block_mean, crop
from keras_mer.face.detect import HaarDetector
from keras_mer.face.detection import Detection, Detector
from keras_mer.images import convert

#: Side of the crops in pixels, and the fraction of the face's side that is added on each side.
SIDE, MARGIN = 128, 0.15
#: Maximum number of tracked points, and their least distance as a fraction of the face's side.
MAX_POINTS, MIN_DISTANCE = 250, 0.03
#: Standard deviation in seconds of the smoothing of the head motion: removes tracking noise, which
#: is faster than the head.
SMOOTH_SECONDS = 0.025

_SEARCHED = 5  # first frames that are searched for a face


@dataclass(frozen=True)
class Place:
    """Location of the face in the frame in which it was detected.

    Attributes:
        eyes: (x, y) of the eye on the left of the image and of the other, in pixels.
        how: their origin: ``landmarks``, ``eyes`` (OpenCV's eye cascade), ``box`` (average
            positions in the detector's box) or ``frame`` (no face detected, the frame is taken as
            the face).
    """

    eyes: tuple[tuple[float, float], tuple[float, float]]
    how: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """A clip of the registered face.

    Attributes:
        frames: uint8, (frames, side, side), gray.
        place: location of the face.
        motion: float64, (frames, 2, 3): from pixels of each frame to those of the first.
    """

    frames: np.ndarray
    place: Place
    motion: np.ndarray


def prepare(
    frames: Sequence[np.ndarray],
    side: int = SIDE,
    margin: float = MARGIN,
    *,
    fps: float | None = None,
    detector: Detector | None = None,
    place: Place | None = None,
    register: bool = True,
    whole: bool = True,
) -> Prepared:
    """Crop the face from every frame, registered to the first frame.

    Args:
        frames: uint8, (h, w) gray or (h, w, 3) BGR, of one size.
        side: of the square crops, in pixels.
        margin: fraction of the face's side that is added on each side.
        fps: frames per second, for smoothing the head motion (`SMOOTH_SECONDS`); not smoothed
            without it.
        detector: default is the Haar cascade.
        place: location of the face in the first frame, if known: then no detector runs.
        register: compensate head motion; otherwise every frame is cropped at the same place.
        whole: use the whole frame when no face is detected (cropped datasets), instead of an error.

    Raises:
        UserError: for no frames, or no face when `whole` is off.
    """
    if len(frames) == 0:
        raise UserError("a clip without frames")
    gray = [convert(frame, 1)[..., 0] for frame in frames]
    if place is None:
        place = locate_face(frames, detector, whole=whole)
    motion = np.tile(np.eye(2, 3), (len(gray), 1, 1))
    if register and len(gray) > 1:
        motion = estimate_motion(gray, place, fps)
    to_crop = _to_crop(place, side, margin)
    crops = [_crop_frame(g, to_crop, m, side) for g, m in zip(gray, motion, strict=True)]
    return Prepared(np.stack(crops), place, motion)


def locate_face(
    frames: Sequence[np.ndarray], detector: Detector | None = None, *, whole: bool = True
) -> Place:
    """Locate the largest face of the first frame with a face, among the first five.

    Raises:
        UserError: when there is none and `whole` is off.
    """
    detector = detector or _haar()
    for frame in frames[:_SEARCHED]:
        faces = detector.detect(frame)
        if faces:
            return place_of(frame, faces[0])
    if not whole:
        raise UserError(f"no face in the first {min(len(frames), _SEARCHED)} frames of the clip")
    height, width = frames[0].shape[:2]
    side = min(height, width)
    # face crops end at the cheeks and include more above and below
    return Place(_average_eyes((width - side) / 2, (height - side) / 2, side, side), "frame")


def place_of(frame: np.ndarray, face: Detection) -> Place:
    """Where the eyes of a detected face are in `frame`, uint8 grey or BGR."""
    if face.landmarks is not None:
        return Place((face.landmarks[0], face.landmarks[1]), "landmarks")
    eyes = detect_eyes(frame, face.box)
    return Place(eyes, "eyes") if eyes else Place(_average_eyes(*face.box), "box")


def _average_eyes(x: float, y: float, width: float, height: float):
    return tuple((x + ex * width, y + ey * height) for ex, ey in EYES)


def detect_eyes(image: np.ndarray, box: Sequence[float]):
    """Detect both eyes in a face's box with OpenCV's eye cascade; None when that is unreliable.

    Returns:
        ((x, y), (x, y)) in pixels of `image`, the left one of the image first.
    """
    x, y, width, height = box
    eyes = []
    for average in _average_eyes(0, 0, width, height):
        half = 0.22 * width
        part = (x + average[0] - half, y + average[1] - half, 2 * half, 2 * half)
        patch = np.ascontiguousarray(convert(crop(image, part), 1)[..., 0])
        found = _eye_cascade().detectMultiScale(
            cv2.equalizeHist(patch), 1.1, 3, minSize=(max(8, round(0.14 * width)),) * 2
        )
        if len(found) == 0:
            return None
        ex, ey, ew, eh = max(found, key=lambda f: f[2])
        eyes.append((round(part[0]) + ex + ew / 2, round(part[1]) + ey + eh / 2))
    across = np.subtract(eyes[1], eyes[0])
    level = abs(across[1]) <= 0.25 * abs(across[0])
    if not level or not 0.28 <= across[0] / width <= 0.5:
        return None
    return tuple((float(ex), float(ey)) for ex, ey in eyes)


def estimate_motion(
    gray: Sequence[np.ndarray], place: Place, fps: float | None = None
) -> np.ndarray:
    """Estimate the head motion: one similarity transform per frame, fitted to tracked points.

    Points that move with the expression are outliers to the fit (least median of squares), so that
    an expression is not mistaken for head motion. A frame with too few tracked points keeps the
    motion of the previous one.

    Args:
        gray: uint8 (h, w) frames.
        place: location of the face in the first.
        fps: see `prepare`.

    Returns:
        float64 (frames, 2, 3), from each frame's pixels to the first one's; the first is identity.
    """
    face = np.hypot(*np.subtract(place.eyes[1], place.eyes[0])) / (EYES[1][0] - EYES[0][0])
    mask = np.zeros(gray[0].shape, np.uint8)
    middle = np.mean(place.eyes, 0) + np.array([0, 0.12 * face])
    box = (tuple(map(float, middle)), (0.95 * face, 1.15 * face), 0.0)
    cv2.ellipse(mask, box, 255, cv2.FILLED)
    points = cv2.goodFeaturesToTrack(
        gray[0], MAX_POINTS, 0.01, max(2.0, MIN_DISTANCE * face), mask=mask
    )
    out = np.tile(np.eye(2, 3), (len(gray), 1, 1))
    if points is None or len(points) < 8:
        return out
    settings = {
        "winSize": (max(9, round(0.09 * face) | 1),) * 2,
        "maxLevel": 2,
        "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.005),
    }
    guess = points
    for k in range(1, len(gray)):
        # directly from the first frame, so that errors do not accumulate
        moved, ok, _ = cv2.calcOpticalFlowPyrLK(
            gray[0], gray[k], points, guess.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **settings
        )
        good = ok.ravel() == 1
        matrix = None
        if good.sum() >= 8:
            matrix, _ = cv2.estimateAffinePartial2D(moved[good], points[good], method=cv2.LMEDS)
        out[k] = out[k - 1] if matrix is None else matrix
        guess = np.where(ok[..., None] == 1, moved, points) if matrix is not None else points
    return _smooth_motion(out, fps)


def _smooth_motion(motion: np.ndarray, fps: float | None) -> np.ndarray:
    """Smooth the motion over time with a Gaussian; the first frame stays the identity."""
    sigma = 0.0 if fps is None else SMOOTH_SECONDS * fps
    if sigma < 0.5 or len(motion) < 3:
        return motion
    reach = int(np.ceil(2.5 * sigma))
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    flat = motion.reshape(len(motion), -1)
    # point reflection at the ends preserves linear motion
    reach = min(reach, len(flat) - 1)
    head = 2 * flat[:1] - flat[reach:0:-1]
    tail = 2 * flat[-1:] - flat[-2 : -reach - 2 : -1]
    weights = weights[len(weights) // 2 - reach : len(weights) // 2 + reach + 1]
    padded = np.concatenate([head, flat, tail])
    path = np.stack(
        [np.convolve(column, weights / weights.sum(), "valid") for column in padded.T], 1
    )
    path += flat[0] - path[0]
    return path.reshape(motion.shape)


def _to_crop(place: Place, side: int, margin: float) -> np.ndarray:
    """(2, 3) matrix from pixels of the first frame to the crop, eyes level and at `EYES`."""
    left, right = np.asarray(place.eyes, np.float64)
    across = right - left
    distance = max(float(np.hypot(*across)), 1e-3)
    scale = side * (EYES[1][0] - EYES[0][0]) / (distance * (1 + 2 * margin))
    cosine, sine = across / distance * scale
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    target = np.array([side / 2, side * (margin + EYES[0][1]) / (1 + 2 * margin)]) - 0.5
    return np.column_stack([rotation, target - rotation @ ((left + right) / 2)])


def _crop_frame(gray: np.ndarray, to_crop: np.ndarray, motion: np.ndarray, side: int) -> np.ndarray:
    matrix = to_crop[:, :2] @ motion
    matrix[:, 2] += to_crop[:, 2]
    factor = int(1 / max(float(np.hypot(*to_crop[0, :2])), 1e-6))
    if factor > 1:  # a warp skips pixels when it shrinks by more than two: average blocks first
        gray = block_mean(gray, factor)
        # pixel x of the small image is centered at factor * (x + 0.5) - 0.5 of the large one
        matrix[:, 2] += matrix[:, :2] @ np.full(2, (factor - 1) / 2)
        matrix[:, :2] *= factor
    return cv2.warpAffine(
        gray, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


# Not the best detector that is there: training data must be the same on every machine, and the
# records of data and models made so far name this one. A clip shows one large frontal face.
@lru_cache(maxsize=1)
def _haar() -> HaarDetector:
    return HaarDetector()


@lru_cache(maxsize=1)
def _eye_cascade():
    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / "haarcascade_eye.xml"))

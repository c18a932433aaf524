"""BlazeFace, full range: MediaPipe's face detector, a TFLite file of 1 MB.

The network reads 192x192 pixels and has one anchor at the center of each of 48x48 cells. Decoding
follows Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs":
sigmoid scores, and overlapping boxes averaged by their scores.
"""

import os

import cv2
import numpy as np

from keras_mer.engines import open_tflite
from keras_mer.errors import UserError
from keras_mer.face.detection import PHOTO_SIDE, Detection, haar_like, largest_first, shrink
from keras_mer.images import convert

#: Side of the network's input in pixels, and anchors along it.
INPUT, CELLS = 192, 48
#: Boxes that overlap more than this, as intersection over union, are one face.
OVERLAP = 0.3

# Closer looks. A score of at least _LOW gives the first ones; once they found faces, as in a group,
# _TRACE is sufficient. The region's side is _REGION faces, at least _LEAST pixels. It ends after
# _MOST looks, or _IN_VAIN (in a group _GROUP) that found nothing. Chosen on drawn photographs of 3
# to 20 people, down to 6 pixels of the input: 62 % of the faces found without, 98.8 % with them.
_LOW, _TRACE, _REGION, _LEAST, _MOST, _IN_VAIN, _GROUP = 0.1, 0.03, 8, 144, 12, 2, 4


class BlazeFaceDetector:
    """MediaPipe's BlazeFace network, with eyes, nose and mouth.

    A face needs about 14 pixels of the network's input. Where the first look gives a weak sign of a
    smaller one, its surroundings are enlarged and looked at again.

    Args:
        model: path of ``face_detection_full_range.tflite`` (see `keras_mer.face.detector_files`).
        max_side: approximate longest side in pixels of the searched copy.
        min_score: faces with a lower score, in 0..1, are dropped.
        closer: whether to take closer looks, each of the cost of the first; seldom in ordinary
            photographs, up to 12 in groups.
        threads: threads of one inference.
        engine: the interpreter's package; None takes the first installed.

    Raises:
        UserError: for a missing file or one that is not this network.
    """

    name = "blazeface"

    def __init__(
        self,
        model: str | os.PathLike,
        max_side: int = PHOTO_SIDE,
        min_score: float = 0.5,
        closer: bool = True,
        threads: int = 1,
        engine: str | None = None,
    ):
        if not os.path.isfile(model):
            raise UserError(f"{model}: no such detector file; `make detector` fetches BlazeFace")
        _, self._net = open_tflite(model, threads, engine)
        (self._input, *more), outputs = self._net.get_input_details(), {}
        for detail in self._net.get_output_details():
            outputs[tuple(map(int, detail["shape"]))] = detail["index"]
        shapes = {(1, CELLS**2, 16), (1, CELLS**2, 1)}
        if more or tuple(self._input["shape"]) != (1, INPUT, INPUT, 3) or set(outputs) != shapes:
            raise UserError(
                f"{model}: not BlazeFace full range (input {tuple(map(int, self._input['shape']))},"
                f" outputs {sorted(outputs)}); `make detector` fetches the right file"
            )
        self._boxes, self._scores = outputs[1, CELLS**2, 16], outputs[1, CELLS**2, 1]
        self.max_side, self.min_score, self.closer = max_side, min_score, closer

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Detect the faces of a uint8 gray or BGR image with landmarks, largest first."""
        small, scale = shrink(image, self.max_side)
        small = convert(small, 3)
        points, scores = self._look(small, _TRACE if self.closer else self.min_score)
        if self.closer:
            points, scores = self._look_closer(small, points, scores)
        return largest_first(
            _detection(one / scale, score) for one, score in zip(points, scores, strict=True)
        )

    def _look(self, image: np.ndarray, min_score: float) -> tuple[np.ndarray, np.ndarray]:
        """Run the network: `decode`'s result, merged, in pixels of the image."""
        patch, scale, corner = letterbox(image)
        self._net.set_tensor(self._input["index"], patch[np.newaxis])
        self._net.invoke()
        boxes = self._net.get_tensor(self._boxes)[0]
        scores = self._net.get_tensor(self._scores)[0, :, 0]
        points, scores = merge(*decode(boxes, scores, min_score))
        return (points - corner) / scale, scores

    def _look_closer(
        self, image: np.ndarray, points: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add the faces that closer looks at the weakly scored ones find; drop the others."""
        size = np.array(image.shape[1::-1])
        sure = scores >= self.min_score
        found, found_scores = list(points[sure]), list(scores[sure])
        weak = [
            (one, score)
            for one, score in zip(points[~sure], scores[~sure], strict=True)
            if not _inside(one, found) and _REGION * _side(one) <= 0.75 * size.max()
        ]
        looks = in_vain = 0
        group = False  # closer looks found faces: there may be more
        while weak and looks < _MOST and in_vain < (_GROUP if group else _IN_VAIN):
            one, score = weak[0]
            if score < _LOW and not group:
                break
            looks, in_vain = looks + 1, in_vain + 1
            side = min(max(_REGION * _side(one), _LEAST), size.max())
            low = np.clip(one[:2].mean(0) - side / 2, 0, np.maximum(size - side, 0)).astype(int)
            high = np.minimum(low + round(side), size)
            region = image[low[1] : high[1], low[0] : high[0]]
            for other, other_score in zip(*self._look(region, self.min_score), strict=True):
                if not _inside(other + low, found):
                    in_vain, group = 0, True
                found.append(other + low)
                found_scores.append(other_score)
            # The look has settled those of similar size that are not at its border.
            edge = _side(one)
            weak = [
                (other, s)
                for other, s in weak[1:]
                if _side(other) < 0.5 * edge
                or (other[:2].mean(0) < low + edge).any()
                or (other[:2].mean(0) > high - edge).any()
            ]
        return merge(np.array(found).reshape(-1, 8, 2), np.array(found_scores))


def letterbox(image: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Fit an image into the network's input.

    Args:
        image: uint8, (height, width, 3) BGR.

    Returns:
        float32 (192, 192, 3), RGB in -1..1 with black borders; the scale, in pixels of it per pixel
        of the image; and the (x, y) of the image's corner in it.
    """
    height, width = image.shape[:2]
    scale = INPUT / max(height, width)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (INPUT - columns) // 2, (INPUT - rows) // 2
    patch = np.full((INPUT, INPUT, 3), -1, np.float32)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted = cv2.resize(image, (columns, rows), interpolation=way)
    patch[top : top + rows, left : left + columns] = fitted[..., ::-1] / np.float32(127.5) - 1
    return patch, scale, np.array([left, top])


def decode(
    boxes: np.ndarray, scores: np.ndarray, min_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and points of the network's raw output.

    Args:
        boxes: float (2304, 16), a row per anchor, row by row of the grid: center, size of the box,
            then six points (the eye on the left of the image, the other, nose, mouth, two ears),
            x before y, in pixels of the input; center and points are relative to the anchor.
        scores: float (2304,), logits.
        min_score: in 0..1.

    Returns:
        Of those with at least this score: float64 (n, 8, 2), the box's top left and bottom right
        corner and the six points, in pixels of the input; and float64 (n,), their scores in 0..1.
    """
    shares = 1 / (1 + np.exp(-np.clip(scores.astype(np.float64), -100, 100)))
    kept = np.flatnonzero(shares >= min_score)
    rows = boxes[kept].reshape(-1, 8, 2).astype(np.float64)
    anchors = (np.stack([kept % CELLS, kept // CELLS], 1) + 0.5) * (INPUT / CELLS)
    center, half = rows[:, 0] + anchors, rows[:, 1] / 2
    corners = np.stack([center - half, center + half], 1)
    return np.concatenate([corners, rows[:, 2:] + anchors[:, np.newaxis]], 1), shares[kept]


def merge(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Non-maximum suppression that averages overlapping boxes, weighted by their scores.

    Args:
        points: float (n, 8, 2), as `decode` returns them.
        scores: float (n,).

    Returns:
        (m, 8, 2) and (m,): one for each face, the highest score first.
    """
    order = np.argsort(-scores, kind="stable")
    points, scores = points[order], scores[order]
    merged, best = [], []
    while len(scores):
        low = np.maximum(points[0, 0], points[:, 0])
        high = np.minimum(points[0, 1], points[:, 1])
        shared = np.prod(np.maximum(high - low, 0), 1)
        areas = np.prod(points[:, 1] - points[:, 0], 1)
        same = shared > OVERLAP * (areas[0] + areas - shared)
        same[0] = True  # also a box without an area
        merged.append(np.average(points[same], 0, scores[same]))
        best.append(scores[0])
        points, scores = points[~same], scores[~same]
    return np.array(merged).reshape(-1, 8, 2), np.array(best)


def _side(one: np.ndarray) -> float:
    return float(one[1, 0] - one[0, 0])


def _inside(one: np.ndarray, faces: list[np.ndarray]) -> bool:
    """Whether the center of a box lies in one of the faces' boxes."""
    center = one[:2].mean(0)
    return any((face[0] < center).all() and (center < face[1]).all() for face in faces)


def _detection(one: np.ndarray, score: float) -> Detection:
    """A face of `decode`, in pixels of the image."""
    eyes = one[2:4]
    # Both constants were fitted to YuNet's converted boxes: 50 frames of two videos and a
    # photograph, three people; the mean of the two widths deviates by 4.5 % (standard deviation).
    side = 0.5 * (_side(one) / 0.93 + np.hypot(*(eyes[1] - eyes[0])) / 0.353)
    marks = tuple((float(x), float(y)) for x, y in one[2:6])  # not the ears
    return Detection(haar_like(side, eyes), float(score), marks)

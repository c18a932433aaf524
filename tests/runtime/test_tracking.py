import cv2
import numpy as np
import pytest

from keras_mer.face.detect import Detection
from keras_mer.runtime.smoothing import Smoother
from keras_mer.runtime.tracking import Tracker
from tests.face.drawing import scene

BLANK = np.zeros((240, 320), np.uint8)


def at(x, y, side=80, landmarks=None):
    return Detection((x, y, side, side), 1.0, landmarks)


def step(tracker, time, *detections, gray=BLANK, detect=True):
    tracker.move(gray, 1.0)
    if detect:
        tracker.update(list(detections), time)
    return {track.id: track.detection.box for track in tracker.visible}


def test_a_face_is_confirmed_by_its_second_detection():
    tracker = Tracker()
    assert step(tracker, 0.0, at(50, 50)) == {} and tracker.needs_detection
    assert step(tracker, 0.1, at(52, 50)) == {1: (51, 50, 80, 80)} and not tracker.needs_detection


def test_a_false_positive_uses_up_no_identity():
    tracker = Tracker()
    step(tracker, 0.0, at(50, 50), at(200, 100, 30))
    step(tracker, 0.1, at(50, 50))
    assert set(step(tracker, 0.2, at(50, 50))) == {1}
    step(tracker, 0.3, at(50, 50), at(200, 20))
    assert set(step(tracker, 0.4, at(50, 50), at(200, 20))) == {1, 2}


def test_two_faces_that_move_keep_their_identities():
    tracker = Tracker()
    for number in range(20):
        time = number / 10
        # in another order every time
        faces = [at(10 + 5 * number, 20), at(220 - 5 * number, 140)]
        boxes = step(tracker, time, *faces[:: 1 if number % 2 else -1])
    first, second = boxes[1], boxes[2]
    low, high = sorted([first, second], key=lambda box: box[1])
    assert low[:2] == pytest.approx((105, 20), abs=6)
    assert high[:2] == pytest.approx((125, 140), abs=6)


def test_a_face_hidden_briefly_keeps_its_identity():
    tracker = Tracker(max_missed=2, max_age=2.0)
    step(tracker, 0.0, at(50, 50))
    step(tracker, 0.1, at(50, 50))
    for number in range(2, 8):
        shown = step(tracker, number / 10)
    assert shown == {}
    assert set(step(tracker, 0.9, at(60, 55))) == {1}


def test_a_face_hidden_for_long_gets_a_new_identity():
    tracker = Tracker(max_age=1.0)
    step(tracker, 0.0, at(50, 50))
    step(tracker, 0.1, at(50, 50))
    step(tracker, 2.0)
    assert tracker.identities == set()
    step(tracker, 2.1, at(50, 50))
    assert set(step(tracker, 2.2, at(50, 50))) == {2}


def test_between_detections_the_box_follows_the_optical_flow():
    tracker = Tracker()
    for number in range(12):
        gray = cv2.cvtColor(scene((100 + 4 * number, 120 - number, 100, 200)), cv2.COLOR_BGR2GRAY)
        face = at(50 + 4 * number, 70 - number, 100, ((80.0 + 4 * number, 110.0 - number),) * 5)
        boxes = step(tracker, number / 30, face, gray=gray, detect=number < 3)
    assert boxes[1][:2] == pytest.approx((94, 59), abs=4)
    (track,) = tracker.visible
    assert track.detection.landmarks[0] == pytest.approx((124, 99), abs=4)


def test_a_cut_removes_the_tracks_and_reuses_no_identity():
    tracker = Tracker()
    for time in (0.0, 0.1):
        step(tracker, time, at(50, 50))
    tracker.reset()
    for time in (0.2, 0.3):
        boxes = step(tracker, time, at(50, 50))
    assert set(boxes) == {2}


def test_smoothing_depends_on_time_and_not_on_the_frame_rate():
    for rate in (10, 100):
        smoother = Smoother(half_life=0.5)
        smoother.update(np.array([1.0, 0.0]), 0.0)
        for number in range(1, rate + 1):
            value = smoother.update(np.array([0.0, 1.0]), number / rate)
        assert value == pytest.approx([0.25, 0.75], abs=0.01)


def test_a_half_life_of_0_disables_smoothing():
    smoother = Smoother(0)
    smoother.update(np.array([1.0, 0.0]), 0.0)
    assert smoother.update(np.array([0.2, 0.8]), 0.0) == pytest.approx([0.2, 0.8])

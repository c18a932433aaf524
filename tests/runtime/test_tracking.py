import numpy as np
import pytest

from keras_mer.face.detection import Detection
from keras_mer.runtime.smoothing import Smoother
from keras_mer.runtime.tracking import Tracker


def at(x, y, side=80, landmarks=None):
    return Detection((x, y, side, side), 1.0, landmarks)


def step(tracker, time, *detections):
    tracker.update(list(detections), time)
    return {track.id: track.detection.box for track in tracker.visible}


def test_a_face_is_confirmed_by_its_second_detection():
    tracker = Tracker()
    assert step(tracker, 0.0, at(50, 50)) == {}
    assert step(tracker, 0.1, at(52, 50)) == {1: (51, 50, 80, 80)}


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


def test_jitter_is_damped_and_motion_followed():
    tracker = Tracker()
    xs = []
    for number in range(40):
        boxes = step(tracker, number / 30, at(50 + 2 * (number % 2), 50))
        xs += [box[0] for box in boxes.values()]
    assert np.ptp(xs[5:]) <= 1
    for number in range(20):  # a tenth of the face in each frame
        boxes = step(
            tracker, 2 + number / 30, at(50 + 8 * number, 50, landmarks=((8 * number, 9),))
        )
    assert boxes[1][0] == pytest.approx(50 + 8 * 19, abs=2)
    (track,) = tracker.visible
    assert track.detection.landmarks == ((8 * 19, 9),)


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

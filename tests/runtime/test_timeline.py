import csv

import cv2
import numpy as np
import pytest

from keras_mer.runtime.timeline import Change, FaceTrack, draw, find_changes

CLASSES = ("sad", "neutral", "happy")


def test_a_change_needs_a_label_that_lasts():
    times = [i / 10 for i in range(20)]
    labels = ["sad"] * 5 + ["happy"] * 2 + ["sad"] * 4 + ["neutral"] * 9
    assert find_changes(times, labels, hold=0.4) == [Change(1.1, "sad", "neutral")]
    assert len(find_changes(times, labels, hold=0)) == 3
    assert find_changes([], [], 0.4) == []


def test_forward_and_backward_smoothing_has_no_delay():
    track = FaceTrack(1, [i / 25 for i in range(100)])
    track.probabilities = [np.array([1.0, 0, 0] if i < 50 else [0, 0, 1.0]) for i in range(100)]
    smoothed = track.smoothed(0.4)
    (crossing,) = np.flatnonzero(np.diff(smoothed.argmax(1)))
    assert abs(crossing - 49) <= 1


def test_drawing_no_face_and_many_faces():
    picture, changes = draw([], CLASSES, 3.0, "empty.mp4")
    assert picture.shape[1] == 1400 and changes == {}
    rng = np.random.default_rng(0)
    many = [
        FaceTrack(i, [0.0, 0.1, 5.0, 5.1], list(rng.dirichlet([1, 1, 1], 4))) for i in range(1, 8)
    ]
    picture, changes = draw(many, CLASSES, 6.0, "crowd.mp4")
    assert set(changes) == {1, 2, 3, 4} and picture.shape[0] > 1200
    single = FaceTrack(9, [0.0], [np.array([0.2, 0.3, 0.5])])
    assert draw([single], CLASSES, 0.0, "one.png")[1] == {9: []}


def test_the_script_finds_the_change(script, tiny_model, video, tmp_path):
    done = script("timeline.py", video, "--model", tiny_model, "--png", "out/t.png",
                  "--detector", "haar")  # fmt: skip
    assert done.returncode == 0, done.stderr
    changes = [line.split() for line in done.stdout.splitlines() if "->" in line]
    path = [changes[0][2], *(words[4] for words in changes)]
    assert path[0] == "sad" and path[-1] == "happy"
    assert all(float(words[0]) == pytest.approx(2.0, abs=0.25) for words in changes)
    assert cv2.imread(str(tmp_path / "out/t.png")).shape[1] == 1400
    with (tmp_path / "one-face-timeline.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 95 and rows[0]["label"] == "sad"
    assert {row["detector"] for row in rows} == {"haar"}


def test_the_script_refuses_a_camera(script, tiny_model):
    done = script("timeline.py", "0", "--model", tiny_model)
    assert done.returncode == 2 and "a timeline needs a file" in done.stderr

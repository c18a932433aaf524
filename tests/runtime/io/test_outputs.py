import csv
import json

import cv2
import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.runtime.io.outputs import PredictionLog, Recorder
from keras_mer.runtime.pipeline import TrackedFace
from keras_mer.runtime.ui.overlay import color, draw_faces, strip

CLASSES = ("sad", "neutral", "happy")


def face(box=(10, 20, 30, 30), identity=1):
    shares = {"sad": 0.1, "neutral": 0.2, "happy": 0.7}
    return TrackedFace("happy", 0.7, shares, box, 1.0, ((15, 30),) * 5, identity)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_log_is_complete_before_it_is_closed(tmp_path, suffix):
    path = tmp_path / f"new/log{suffix}"
    log = PredictionLog(path, CLASSES, "yunet")
    log.add(0.04, 1, [face(), face(identity=2)])
    log.add(0.08, 2, [])
    with path.open() as file:  # not closed yet
        rows = list(csv.DictReader(file)) if suffix == ".csv" else list(map(json.loads, file))
    assert [int(row["face"]) for row in rows] == [1, 2]
    first = rows[0]
    assert float(first["time"]) == 0.04 and int(first["x"]) == 10 and first["label"] == "happy"
    assert first["detector"] == "yunet"
    assert [float(first[name]) for name in CLASSES] == [0.1, 0.2, 0.7]
    log.close()


def test_unknown_file_types_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"expected a log ending in \.csv or \.jsonl"):
        PredictionLog(tmp_path / "log.txt", CLASSES, "haar")
    with pytest.raises(UserError, match=r"expected a video ending in \.mp4"):
        Recorder(tmp_path / "out.gif", 25)


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (pair := capture.read())[0]:
        frames.append(pair[1])
    return frames


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_recording_can_be_read_back(tmp_path, suffix):
    recorder = Recorder(tmp_path / f"out{suffix}", 25)
    for level in range(20):
        recorder.add(np.full((101, 151, 3), 10 * level, np.uint8))
    recorder.add(np.full((50, 50, 3), 255, np.uint8))
    recorder.close()
    frames = frames_of(recorder.path)
    assert len(frames) == recorder.frames == 21
    assert frames[0].shape == (100, 150, 3)
    assert abs(int(frames[10].mean()) - 100) < 8


def test_a_recording_of_uneven_frames_keeps_the_speed(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4", 20)
    for time in (5.0, 5.01, 5.02, 5.5, 6.0):
        recorder.add(np.zeros((48, 64, 3), np.uint8), time)
    recorder.close()
    assert len(frames_of(recorder.path)) == 21


def test_an_unwritable_recording_is_an_error(tmp_path):
    (tmp_path / "out.mp4").mkdir()
    recorder = Recorder(tmp_path / "out.mp4", 25)
    with pytest.raises(UserError, match="OpenCV cannot write a video there"):
        recorder.add(np.zeros((48, 64, 3), np.uint8))


@pytest.mark.parametrize("box", [(10, 20, 30, 30), (-40, -40, 60, 60), (300, 200, 90, 90)])
def test_faces_are_drawn_at_any_position(box):
    image = np.full((240, 320, 3), 128, np.uint8)
    draw_faces(image, [face(box)])
    assert (image != 128).any(axis=2).sum() > 200
    tiny = np.zeros((8, 8, 3), np.uint8)
    draw_faces(tiny, [face(box)])


def test_the_strip_shows_the_probability_of_each_class():
    times, rows = [0.0, 1.0, 2.0], [(1.0, 0.0, 0.5)] * 3
    out = strip(400, 100, CLASSES, times, rows, span=4.0)
    empty = strip(400, 100, CLASSES, [], [], span=4.0)
    lines = (out != empty).any(axis=2)
    first, last = np.flatnonzero(lines.any(axis=0))[[0, -1]]
    assert first == pytest.approx(last / 2, abs=4) and 300 < last < 390  # two of four seconds
    for name, level in (("sad", 1), ("neutral", 98), ("happy", 50)):
        ys, _ = np.nonzero((np.abs(out.astype(int) - color(name)) < 30).all(axis=2) & lines)
        assert abs(np.median(ys) - level) < 4
    assert strip(400, 100, CLASSES, [], [], 4.0).shape == (100, 400, 3)


def test_colors_differ():
    assert len({color(name) for name in ("angry", "fear", "happy", "sad", "neutral")}) == 5
    assert color("bored") == color("bored")

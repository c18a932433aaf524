import csv
import json
import signal
import time

import cv2
import numpy as np
import pytest

from tests.runtime.conftest import wait_for


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def count_frames(path):
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def test_a_file_without_a_window(script, tiny_model, video, tmp_path):
    done = script("webcam.py", "--source", video, "--model", tiny_model, "--no-display",
                  "--output", "out.mp4", "--log", "log.csv", "--detector", "haar")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "100 frames in" in done.stdout and "a face in 9" in done.stdout
    assert "face 1: 9" in done.stdout and "wrote out.mp4" in done.stdout
    assert count_frames(tmp_path / "out.mp4") == 100
    rows = rows_of(tmp_path / "log.csv")
    assert len(rows) >= 97 and {row["face"] for row in rows} == {"1"}
    assert rows[-1]["frame"] == "99" and rows[-1]["label"] == "happy"
    assert rows[-1]["detector"] == "haar" and "faces by haar" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_complete_files(start, tiny_model, video, tmp_path, number):
    log = tmp_path / "log.jsonl"
    process = start("webcam.py", "--source", video, "--as-camera", "--model", tiny_model,
                    "--no-display", "--log", log, "--output", "out.mp4")  # fmt: skip
    wait_for(lambda: log.exists() and log.read_text().count("\n") > 20)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err
    assert "stopped" in err and "frames in" in out
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(rows) > 20 and set(rows[0]) > {"time", "face", "x", "sad", "happy"}
    assert count_frames(tmp_path / "out.mp4") > 10


def test_a_stream_that_ends_gives_status_1(script, tiny_model, stream, tmp_path):
    done = script("webcam.py", "--source", stream.url, "--model", tiny_model, "--no-display",
                  "--log", "log.csv", "--output", "out.avi")  # fmt: skip
    assert done.returncode == 1
    assert "error:" in done.stderr and "the stream ended" in done.stderr
    assert "Traceback" not in done.stderr and "frames in" in done.stdout
    assert (tmp_path / "log.csv").read_text().startswith("time,frame,face")
    assert count_frames(tmp_path / "out.avi") >= 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "63", "--no-display"], "camera 63: gives no picture (missing, or another"),
        (["--source", "none.mp4", "--no-display"], "none.mp4: no such source"),
        (["--source", "none.mp4"], "no display: DISPLAY is not set; on a desktop start it there"),
        (["--smoothing", "-1"], "--smoothing and --strip take 0 or more"),
        (["--source", "VIDEO", "--no-display", "--log", "log.txt"], "ending in .csv or .jsonl"),
        (["--source", "VIDEO", "--no-display", "--output", "o.gif"], "a video ending in .mp4"),
    ],
)
def test_bad_input_is_one_line_and_status_2(script, tiny_model, video, arguments, message):
    arguments = [video if word == "VIDEO" else word for word in arguments]
    done = script("webcam.py", "--model", tiny_model, *arguments)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_an_unreachable_display_is_an_error(script, tiny_model):
    done = script("webcam.py", "--model", tiny_model, "--source", "x", DISPLAY=":4711")
    assert done.returncode == 2 and "nothing answers at DISPLAY=:4711" in done.stderr


def test_the_window_and_its_keys(start, cv2_windows, tiny_model, video, tmp_path):
    process = start("webcam.py", "--source", video, "--as-camera", "--model", tiny_model,
                    "--folder", "shots", **cv2_windows.env)  # fmt: skip
    window = cv2_windows.window("keras_mer", process)
    shots = tmp_path / "shots"
    # wait until the skin color of the drawn face is on the screen
    wait_for(
        lambda: (np.abs(cv2_windows.picture().astype(int) - (75, 85, 100)).max(2) < 8).sum() > 2000
    )
    cv2_windows.key(window, "s")
    (frame,) = wait_for(lambda: list(shots.glob("frame-*.png")))
    picture = wait_for(lambda: [p] if (p := cv2.imread(str(frame))) is not None else None)[0]
    assert picture.shape[0] > 240 and picture.shape[1] == 320
    cv2_windows.key(window, "r")
    wait_for(lambda: list(shots.glob("recording-*.mp4")))
    time.sleep(1)
    cv2_windows.key(window, "r")
    time.sleep(0.3)
    cv2_windows.key(window, "q")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "face 1:" in out and str(frame.name) in out
    (recording,) = shots.glob("recording-*.mp4")
    assert 0 < count_frames(recording) < 400


@pytest.mark.parametrize("end", ["escape", "close button"])
def test_escape_and_the_close_button_end_the_program(start, cv2_windows, tiny_model, video, end):
    process = start("webcam.py", "--source", video, "--as-camera", "--model", tiny_model,
                    "--strip", "0", **cv2_windows.env)  # fmt: skip
    window = cv2_windows.window("keras_mer", process)
    if end == "escape":
        cv2_windows.key(window, "Escape")
    else:
        cv2_windows.close(window)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "frames in" in out, err

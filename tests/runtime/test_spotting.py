"""Spotting of brief expressions, against the known truth of synthetic clips."""

import csv
import json
import re
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.kinds import Preprocessing
from keras_mer.runtime import Recogniser, interval_plot
from keras_mer.runtime.face_spotting import SpottedInterval
from keras_mer.runtime.io import clip_reader
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.recogniser import Expression
from keras_mer.runtime.spotting import Spotter

FPS = 50.0


@pytest.fixture(scope="module")
def drawn():
    """A synthetic clip of 1.9 s with a slight surprise that lasts 0.36 s, and head drift."""
    return synthetic.draw_clip(
        3, "surprise", 0.5, 40, 48, 58, 95, FPS, 160, margin=0.3, seed=2, index=5
    )


@pytest.fixture(scope="module")
def recordings(drawn, tmp_path_factory):
    """The clip as a video and as a folder of frames numbered from 7; and a clip without a face."""
    folder = tmp_path_factory.mktemp("recordings")
    video = cv2.VideoWriter(str(folder / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (160, 160))
    (folder / "b").mkdir()
    for number, frame in enumerate(drawn.frames, 7):
        video.write(frame)
        cv2.imwrite(str(folder / "b" / f"img{number}.png"), frame)
    video.release()
    (folder / "c").mkdir()
    for number in range(60):
        cv2.imwrite(str(folder / "c" / f"{number}.png"), np.full((120, 120), 90, np.uint8))
    return folder


FLOW = Preprocessing("dis", 96, 0.15, True, "removed", "haar")
CLIP = Preprocessing("", 28, 0.15, True, detector="haar")


def spotter(seen=None, task="flow", made=None, **options):
    """A spotter whose model always predicts happy and stores its inputs in `seen`."""
    from keras_mer.face.detect import HaarDetector

    def predict(image):
        (seen if seen is not None else []).append(np.asarray(image))
        return Expression("happy", 1.0, {"happy": 1.0})

    made = made or (CLIP if task == "clip" else FLOW)
    card = SimpleNamespace(
        task=task, name="said", height=28, frames=5, preprocessing=made, notice=""
    )
    return Spotter(
        SimpleNamespace(
            card=card, detector=HaarDetector(), predict_flow=predict, predict_clip=predict
        ),
        **options,
    )


def test_onset_apex_and_offset_are_spotted_within_two_frames(drawn):
    seen = []
    (interval,) = spotter(seen).spot(iter(drawn.frames), FPS)
    found = np.array([interval.onset, interval.apex, interval.offset])
    assert np.abs(found - [drawn.onset, drawn.apex, drawn.offset]).max() <= 2
    assert interval.agreement > 0.9 and interval.amplitude > 0.005
    assert interval.intensity[interval.apex - interval.window_start] == pytest.approx(1)
    x, y, width, _ = interval.box
    ((fx, fy, fw, _),) = [d.box for d in spotter().recogniser.detector.detect(drawn.frames[40])]
    assert np.abs(np.array([x - fx, y - fy, width - fw])).max() < 0.2 * fw
    (image,) = seen
    assert image.shape == (28, 28, 3) and image.dtype == np.uint8
    brows = image[5:11, 7:21, 1].astype(float).mean()  # v, which points down: raised brows are dark
    assert brows < np.median(image[..., 1])


def test_nothing_is_spotted_on_a_face_at_rest_or_without_a_face(drawn):
    still = spotter()
    assert still.spot(drawn.frames[: drawn.onset], FPS) == [] and still.frames_without_face == 0
    wall = np.full((60, 120, 120), 90, np.uint8)
    assert still.spot(wall, FPS) == [] and still.frames_without_face >= 60
    assert spotter(cropped=True).spot(wall, FPS) == []


def test_a_clip_cut_from_onset_to_offset_is_classified_as_a_whole(drawn):
    seen = []
    cut = drawn.frames[drawn.onset : drawn.offset + 1]
    interval = spotter(seen, "clip").classify(cut, FPS)
    assert (interval.onset, interval.offset) == (0, len(cut) - 1)
    assert abs(interval.apex + drawn.onset - drawn.apex) <= 2
    assert seen[0].shape == (5, 28, 28)
    two = spotter().classify(cut[[0, drawn.apex - drawn.onset]], FPS)
    assert (two.onset, two.apex, two.offset) == (0, 1, 1)


def test_too_short_clips_and_unsuitable_models_are_refused(drawn, tiny_models):
    with pytest.raises(UserError, match="a clip of 2 frames: an apex needs 3 or more"):
        spotter().spot(drawn.frames[:2], FPS)
    with pytest.raises(UserError, match="a clip of 1 frame shows no motion"):
        spotter().classify(drawn.frames[:1], FPS)
    with pytest.raises(UserError, match="said reads single images; spotting needs a clip or flow"):
        spotter(task="image")
    flow = Recogniser.load(tiny_models / "flow")
    with pytest.raises(UserError, match="tiny-flow reads flow from onset to apex: use Spotter"):
        flow.predict_faces(drawn.frames[:1])
    with pytest.raises(UserError, match="which a live view does not know: name it as --micro"):
        Pipeline(flow)
    with pytest.raises(UserError, match="tiny-clip reads clips of 4 frames: use predict_clip"):
        Recogniser.load(tiny_models / "clip").predict(drawn.frames[0])


def test_clips_are_found_and_keep_their_frame_numbers(recordings, tmp_path):
    assert clip_reader.find_clips([recordings]) == [recordings / n for n in ("a.avi", "b", "c")]
    video, folder = (
        clip_reader.open_clip(recordings / "a.avi"),
        clip_reader.open_clip(recordings / "b", 50),
    )
    assert (video.fps, folder.fps, folder.expected) == (50, 50, 95)
    assert (video.number(3), folder.number(3)) == (3, 10)
    frames = list(folder)
    assert len(list(video)) == len(frames) == 95 and video.fault is None
    assert (frames[3] == cv2.imread(str(recordings / "b" / "img10.png"))).all()  # not img1000
    (tmp_path / "empty").mkdir()
    for path, message in (
        (tmp_path / "empty", "no numbered"),
        (tmp_path / "x.avi", "no such file"),
    ):
        with pytest.raises(UserError, match=message):
            clip_reader.open_clip(path)
    with pytest.raises(UserError, match="no clips in .*empty; expected videos, or folders"):
        clip_reader.find_clips([tmp_path / "empty"])
    with pytest.raises(UserError, match="expected 1 to 10,000 frames a second, got 0"):
        clip_reader.open_clip(recordings / "b", 0)


def test_the_picture_marks_each_interval(drawn):
    (interval,) = spotter().spot(drawn.frames, FPS)
    times = (k / FPS for k in (interval.onset, interval.apex, interval.offset))
    plain = interval_plot.draw_intervals([], 2.0, "nothing")
    marked = interval_plot.draw_intervals([SpottedInterval(1, *times, interval)], 2.0, "nothing")
    changed = np.flatnonzero((plain[96:110] != marked[96:110]).any((0, 2)))  # the bar's rows
    share = (changed - 60) / (1400 - 60 - 110)
    assert share.min() == pytest.approx(interval.onset / FPS / 2, abs=0.002)
    assert share.max() == pytest.approx(interval.offset / FPS / 2, abs=0.002)


@pytest.mark.parametrize("name", ["clip", "flow"])
def test_predict_takes_videos_and_folders_of_frames(
    script, tiny_models, recordings, name, drawn, tmp_path
):
    done = script(
        "predict.py", recordings, "--model", tiny_models / name, "--fps", 50, "--json", "out.json",
        "--csv", "out.csv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        "3 clips, 2 brief expressions" in done.stderr
        and "1 with frames without a face" in done.stderr
    )
    value = json.loads((tmp_path / "out.json").read_text())
    video, folder, wall = (clip["moments"] for clip in value["clips"])
    assert wall == []
    for (interval,), first in ((video, 0), (folder, 7)):
        assert abs(interval["apex_frame"] - first - drawn.apex) <= 2
        assert interval["apex"] == pytest.approx((interval["apex_frame"] - first) / FPS)
        assert interval["label"] == max(("sad", "neutral", "happy"), key=interval.get)
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [r["file"] for r in rows] == [str(recordings / "a.avi"), str(recordings / "b")]


def test_the_timeline_script_draws_and_lists_intervals(
    script, tiny_models, recordings, drawn, tmp_path
):
    done = script("timeline.py", recordings / "a.avi", "--model", tiny_models / "flow")
    assert done.returncode == 0, done.stderr
    assert re.search(r"apex 0\.9\d s", done.stdout)  # drawn at 0.96
    assert "1 brief expression; wrote a-timeline.png and a-timeline.csv" in done.stdout
    assert cv2.imread(str(tmp_path / "a-timeline.png")).shape == (344, 1400, 3)
    (row,) = csv.DictReader((tmp_path / "a-timeline.csv").open())
    assert float(row["onset"]) < float(row["apex"]) < float(row["offset"])


@pytest.mark.parametrize("name", ["predict.py", "timeline.py"])
def test_a_stated_preprocessing_warns_once_and_an_unknown_one_is_refused(
    script, tiny_models, recordings, tmp_path, name
):
    folder = shutil.copytree(tiny_models / "flow", tmp_path / "mine")
    card = json.loads((folder / "card.json").read_text())
    card["input"]["preprocessing"] |= {"origin": "stated", "basis": "a paper"}
    (folder / "card.json").write_text(json.dumps(card))
    done = script(name, recordings / "a.avi", "--model", folder)
    line = "tiny-flow: its preprocessing is stated, not recorded (a paper)"
    assert done.returncode == 0 and done.stderr.count(line) == 1, done.stderr
    card["input"]["preprocessing"] = None
    (folder / "card.json").write_text(json.dumps(card))
    done = script(name, recordings / "a.avi", "--model", folder)
    assert done.returncode == 2 and "cannot run on video" in done.stderr
    # TFLite's INFO, and the line about the detector where only Haar is there, may come before it
    assert done.stderr.splitlines()[-1].startswith("error: ") and "Traceback" not in done.stderr


def test_a_video_needs_a_model_of_clips_or_the_timeline(script, tiny_model, recordings):
    done = script("predict.py", recordings / "a.avi", "--model", tiny_model, "--micro", "none")
    assert done.returncode == 2 and "a.avi: a video, which needs a model" in done.stderr


def test_unreadable_clips_are_reported_and_skipped(script, tiny_models, recordings, tmp_path):
    (tmp_path / "bad.avi").write_bytes(b"no video")
    arguments = ("--model", tiny_models / "clip", "--whole", "--fps", 50)
    done = script("predict.py", "bad.avi", recordings / "b", *arguments)
    assert done.returncode == 0 and "skipped bad.avi: not a video OpenCV can read" in done.stderr
    assert "1 clip, 1 brief expression" in done.stderr and "1 skipped" in done.stderr
    done = script("predict.py", "bad.avi", *arguments)
    assert done.returncode == 2 and "none of the 1 clips could be read" in done.stderr
    done = script("predict.py", "bad.avi", *arguments, "--annotate", "drawn")
    assert done.returncode == 2 and "make timeline draws a video's expressions" in done.stderr

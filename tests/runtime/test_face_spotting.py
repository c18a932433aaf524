"""Brief expressions of several faces in one stream, and beside the expressions of every frame."""

import csv
import json
import re
import shutil

import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.face.detect import HaarDetector
from keras_mer.runtime.face_spotting import FaceSpotter
from keras_mer.runtime.io import clip_reader
from keras_mer.runtime.pipeline import FaceFollower
from tests.runtime.test_spotting import spotter

FPS = 50.0


@pytest.fixture(scope="module")
def two_people():
    """1.9 s of two people side by side: a surprise at 0.96 s, and a smile at 0.6 s."""
    one = synthetic.draw_clip(
        3, "surprise", 0.5, 40, 48, 58, 95, FPS, 160, margin=0.3, seed=2, index=5
    )
    other = synthetic.draw_clip(
        4, "happy", 0.6, 22, 30, 40, 95, FPS, 160, margin=0.3, seed=2, index=8
    )
    return np.concatenate([one.frames, other.frames], axis=2)


@pytest.fixture(scope="module")
def video(two_people, tmp_path_factory):
    path = tmp_path_factory.mktemp("two") / "two.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (320, 160))
    for frame in two_people:
        writer.write(frame)
    writer.release()
    return path


def run(frames, background=False):
    """Feed frames to a `FaceSpotter`; the spotted, by face, and the box of each face."""
    follower, faces = FaceFollower(HaarDetector()), FaceSpotter(spotter(), background=background)
    places, new = {}, []
    for k, frame in enumerate(frames):
        tracks = follower.update(frame, k / FPS)
        places |= {t.id: t.detection.box for t in tracks}
        new += faces.add(frame, k / FPS, [(t.id, t.detection) for t in tracks])
    new += faces.finish()
    assert sorted((one.face, one.onset) for one in new) == sorted(
        (one.face, one.onset) for one in faces.found
    )
    return faces.found, places


@pytest.mark.parametrize("background", [False, True])
def test_every_face_is_searched_on_its_own(two_people, background):
    found, places = run(two_people, background)
    sides = {("left" if places[one.face][0] < 160 else "right"): one for one in found}
    assert set(sides) == {"left", "right"} and len(found) == 2
    assert sides["left"].apex == pytest.approx(48 / FPS, abs=0.05)
    assert sides["right"].apex == pytest.approx(30 / FPS, abs=0.05)
    for one in found:
        assert one.onset < one.apex < one.offset
        assert abs(one.interval.box[0] - places[one.face][0]) < 40


def test_a_face_that_is_seen_too_briefly_is_left_out(two_people):
    faces = FaceSpotter(spotter())
    detection = FaceFollower(HaarDetector())
    detection.update(two_people[0], 0)
    (track, *_) = detection.update(two_people[1], 0.02)
    for k, frame in enumerate(two_people):
        seen = [(1, track.detection)] if 40 <= k < 50 else []
        faces.add(frame, k / FPS, seen)
    faces.finish()
    assert faces.found == []


def test_the_timeline_draws_both_models_and_every_face(script, tiny_models, video, tmp_path):
    done = script("timeline.py", video, "--model", tiny_models / "image", "--micro",
                  tiny_models / "flow", "--detector", "haar")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "brief expressions by tiny-flow: 2" in done.stdout
    assert len(set(re.findall(r"face (\d): \w+ \d+%: onset", done.stdout))) == 2
    rows = list(csv.DictReader((tmp_path / "two-timeline-brief.csv").open()))
    assert sorted(float(row["apex"]) for row in rows) == pytest.approx([0.6, 0.96], abs=0.06)
    assert len({row["face"] for row in rows}) == 2
    assert cv2.imread(str(tmp_path / "two-timeline.png")).shape == (44 + 2 * 344, 1400, 3)
    done = script("timeline.py", video, "--model", tiny_models / "image", "--micro", "none",
                  "--detector", "haar", "--png", "plain.png")  # fmt: skip
    assert done.returncode == 0 and "brief" not in done.stdout
    assert cv2.imread(str(tmp_path / "plain.png")).shape == (44 + 2 * 300, 1400, 3)


def test_the_timeline_of_a_flow_model_follows_every_face(script, tiny_models, video):
    done = script("timeline.py", video, "--model", tiny_models / "flow", "--detector", "haar")
    assert done.returncode == 0, done.stderr
    assert "2 brief expressions; wrote" in done.stdout


def test_a_live_view_logs_brief_expressions(script, tiny_models, video):
    done = script("webcam.py", "--source", video, "--model", tiny_models / "image", "--micro",
                  tiny_models / "flow", "--detector", "haar", "--no-display",
                  "--output", "out.mp4")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"0\.\d+ s, face \d: brief \w+ \d+%", done.stderr)) == 2
    assert len(re.findall(r"face \d: brief expressions: 1 \w+", done.stdout)) == 2


def test_predict_takes_the_model_of_brief_expressions_for_videos(
    script, tiny_models, video, two_people, tmp_path
):
    folder = tmp_path / "clips" / "left"
    folder.mkdir(parents=True)
    for number, frame in enumerate(two_people[:, :, :160], 7):
        cv2.imwrite(str(folder / f"img{number}.png"), frame)
    models = ("--model", tiny_models / "image", "--micro", tiny_models / "flow")
    done = script("predict.py", video, "clips", *models, "--fps", 50, "--detector", "haar")
    assert done.returncode == 0, done.stderr
    assert "2 clips" in done.stderr and "tiny-flow" not in done.stdout
    cv2.imwrite(str(tmp_path / "photo.jpg"), two_people[0])
    done = script("predict.py", video, "photo.jpg", *models)
    assert done.returncode == 2 and "photo.jpg is no video or folder of frames" in done.stderr
    done = script("predict.py", video, "--model", tiny_models / "image", "--micro",
                  tiny_models / "image")  # fmt: skip
    assert done.returncode == 2 and "reads single images; expected a clip" in done.stderr


def test_without_its_default_model_only_expressions_are_drawn(script, tiny_models, video):
    done = script("timeline.py", video, "--model", tiny_models / "image", "--detector", "haar")
    assert done.returncode == 0 and "no brief expressions: " in done.stderr
    assert "brief" not in done.stdout


def test_the_cards_notice_is_printed_once(script, tiny_models, video, tmp_path):
    folder = shutil.copytree(tiny_models / "flow", tmp_path / "mine")
    card = json.loads((folder / "card.json").read_text()) | {"notice": "for\n research"}
    (folder / "card.json").write_text(json.dumps(card))
    done = script("timeline.py", video, "--model", tiny_models / "image", "--micro", folder)
    assert done.returncode == 0 and done.stderr.count("tiny-flow: for research") == 1


def test_numbered_photographs_are_no_recording(two_people, tmp_path):
    for kind in ("frames", "photos"):
        (tmp_path / kind).mkdir()
        for k in range(8):
            person = synthetic.draw_clip(
                k + 1, "happy", 0.5, 0, 1, 2, 3, FPS, 160, seed=1, index=k, variation=1.0
            )
            frame = two_people[k, :, :160] if kind == "frames" else person.frames[0]
            cv2.imwrite(str(tmp_path / kind / f"img{k}.png"), frame)
    assert clip_reader.is_recording(tmp_path / "frames")
    assert not clip_reader.is_recording(tmp_path / "photos")
    assert clip_reader.recordings(tmp_path / "frames") == [tmp_path / "frames"]
    assert clip_reader.recordings(tmp_path) == []  # photographs beside it
    assert clip_reader.recordings(tmp_path / "nothing") == []

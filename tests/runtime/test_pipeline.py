from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.face.detection import VIDEO_SIDE
from keras_mer.runtime import Recogniser
from keras_mer.runtime import pipeline as pipelines
from keras_mer.runtime.io.frame_reader import FrameReader
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.pipeline import Pipeline
from tests.face.drawing import scene


def flips(labels):
    return sum(one != other for one, other in pairwise(labels))


def follow(recogniser, path, **options):
    pipeline = Pipeline(recogniser, **options)
    with FrameReader(open_source(str(path))) as reader:
        return [pipeline.process(frame.image, frame.time) for frame in reader]


def test_one_face_keeps_its_identity_and_its_box(recogniser, video):
    results = follow(recogniser, video)
    assert sum(len(faces) == 1 for faces in results) >= 97
    assert {face.id for faces in results for face in faces} == {1}
    for number, faces in enumerate(results[10:], 10):
        x, y, width, height = faces[0].box
        assert (x + width / 2, y + height / 2) == pytest.approx(
            (110 + number, 120 + number // 10), abs=14
        )
    assert results[40][0].label == "sad" and results[90][0].label == "happy"
    assert results[51][0].raw.label == "happy" and results[51][0].label == "sad"


def test_smoothing_reduces_label_changes(recogniser):
    rng = np.random.default_rng(0)
    results = {}
    for smoothing in (0.0, 0.4):
        rng = np.random.default_rng(0)
        pipeline = Pipeline(recogniser, smoothing=smoothing)
        found = []
        for number in range(60):
            light = int(rng.choice([120, 250], p=[0.3, 0.7]))
            found += pipeline.process(scene((160, 120, 110, light)), number / 25)
        results[smoothing] = flips([face.label for face in found])
        raw = flips([face.raw.label for face in found])
    assert results[0.0] == raw > 10
    assert results[0.4] <= raw / 2


def test_a_cut_resets_the_tracks_and_shows_faces_immediately(recogniser):
    pipeline = Pipeline(recogniser)
    for number, light in enumerate((100, 250)):
        (face,) = pipeline.process(scene((160, 120, 110, light)), float(number), cut=True)
        assert face.id == number + 1
        assert face.label == face.raw.label == ("sad", "happy")[number]


def test_boxes_are_in_pixels_of_the_full_frame(recogniser):
    pipeline = Pipeline(recogniser)
    image = scene((900, 500, 420, 250), size=(1280, 960))
    for number in range(3):
        faces = pipeline.process(image, number / 25)
    x, y, width, height = faces[0].box
    assert (x + width / 2, y + height / 2) == pytest.approx((900, 500), abs=50)
    assert width > 300
    assert set(pipeline.seconds) == {"detect", "crop", "model"}


def test_a_clip_model_gets_the_last_frames_of_a_face(tiny_models):
    recogniser = Recogniser.load(tiny_models / "clip", variant="float32", max_side=VIDEO_SIDE)
    pipeline = Pipeline(recogniser, smoothing=0)
    labels = []
    for number in range(12):
        light = 100 if number < 6 else 250
        faces = pipeline.process(scene((160, 120, 110, light)), number / 25)
        labels += [face.label for face in faces]
    assert labels[0] == "sad" and labels[-1] == "happy"


def test_a_live_clip_is_prepared_as_the_card_says(tiny_models, monkeypatch):
    recogniser = Recogniser.load(tiny_models / "clip", variant="float32", max_side=VIDEO_SIDE)
    made = replace(recogniser.card.preprocessing, margin=0.3, register=False)
    other = Recogniser(
        replace(recogniser.card, preprocessing=made), recogniser.model, recogniser.detector
    )
    seen = []

    def prepare(images, side, margin, **options):
        seen.append((len(images), side, margin, options["register"]))
        return real(images, side, margin, **options)

    real = pipelines.prepare
    monkeypatch.setattr(pipelines, "prepare", prepare)
    pipeline = Pipeline(other)
    for number in range(12):
        pipeline.process(scene((160, 120, 110, 250)), number / 25)
    assert seen[0] == (1, 48, 0.3, False) and seen[-1] == (4, 48, 0.3, False)
    unknown = replace(recogniser.card, preprocessing=None)
    with pytest.raises(UserError, match="tiny-clip cannot run on video: how the clips it learned"):
        Pipeline(Recogniser(unknown, recogniser.model, recogniser.detector))


def test_nothing_is_kept_for_faces_that_are_gone(recogniser):
    pipeline = Pipeline(recogniser)
    for number in range(200):
        image = scene((160, 120, 110, 250)) if number % 40 < 8 else scene()
        pipeline.process(image, number / 10)
    assert len(pipeline._smoothers) <= 1
    assert pipeline.follower.tracker.identities == set()


def test_the_real_video(tiny_model, real_video):
    recogniser = Recogniser.load(tiny_model, max_side=VIDEO_SIDE)
    results = follow(recogniser, real_video)
    assert np.mean([len(faces) == 1 for faces in results]) >= 0.95
    assert {face.id for faces in results for face in faces} == {1}

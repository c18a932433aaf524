import json

import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.face.detect import Detection
from keras_mer.runtime import Face, Recogniser
from tests.face.drawing import scene

DARK, MIDDLE, BRIGHT = 100, 165, 250


class Everywhere:
    """A detector that always finds the same two faces."""

    def detect(self, image):
        return [Detection((0, 0, 40, 40), 1.0), Detection((50, 10, 20, 20), 0.5)]


def test_faces_are_found_and_named(recogniser):
    image = scene((120, 200, 130, DARK), (450, 250, 180, BRIGHT), size=(640, 480))
    bright, dark = recogniser.predict(image)
    assert isinstance(bright, Face)
    assert (bright.label, dark.label) == ("happy", "sad")
    assert bright.confidence == bright.probabilities["happy"] == max(bright.probabilities.values())
    assert list(bright.probabilities) == ["sad", "neutral", "happy"]
    assert sum(bright.probabilities.values()) == pytest.approx(1, abs=0.02)
    x, y, width, height = dark.box
    assert x < 120 < x + width and y < 200 < y + height


def test_several_images_give_a_list_each_and_may_be_lazy(recogniser):
    pictures = [scene((160, 120, 120, BRIGHT)), scene(), scene((160, 120, 120, DARK))]
    for images in (pictures, iter(pictures)):
        results = recogniser.predict(images)
        assert [[face.label for face in faces] for faces in results] == [["happy"], [], ["sad"]]
    assert recogniser.predict([]) == []


def test_grey_images_and_no_face(recogniser):
    assert recogniser.predict(np.zeros((100, 100), np.uint8)) == []
    gray = scene((160, 120, 120, BRIGHT))[..., 1]
    assert [face.label for face in recogniser.predict(gray)] == ["happy"]


def test_crops_of_any_size_and_kind(recogniser):
    crops = [
        np.full(shape, level, np.uint8)
        for shape, level in [
            ((48, 48), 20),
            ((10, 200, 3), 110),
            ((300, 300, 1), 250),
            ((7, 7, 4), 255),
        ]
    ]
    labels = [e.label for e in recogniser.predict_faces(crops)]
    assert labels == ["sad", "neutral", "happy", "happy"]
    assert recogniser.predict_faces([]) == []


def test_int8_agrees_with_float32(recogniser, tiny_model):
    small = Recogniser.load(tiny_model)
    crops = [np.full((48, 48), level, np.uint8) for level in range(0, 256, 5)]
    one, other = recogniser.probabilities(crops), small.probabilities(crops)
    assert np.abs(one - other).max() < 0.12


def test_a_file_is_as_good_as_its_folder_and_a_detector_can_be_brought(tiny_model):
    recogniser = Recogniser.load(tiny_model / "model-float16.tflite", detector=Everywhere())
    faces = recogniser.predict(np.full((40, 80, 3), 250, np.uint8))
    assert [face.box for face in faces] == [(0, 0, 40, 40), (50, 10, 20, 20)]
    assert {face.label for face in faces} == {"happy"}
    with pytest.raises(UserError, match="name a model's folder to choose the variant 'int8'"):
        Recogniser.load(tiny_model / "model-float16.tflite", variant="int8")


def test_clips(tiny_models):
    recogniser = Recogniser.load(tiny_models / "clip", variant="float32")
    dark, bright = np.zeros((50, 50), np.uint8), np.full((60, 60, 3), 255, np.uint8)
    assert recogniser.predict_clip([bright] * 9).label == "happy"
    assert recogniser.predict_clip([dark]).label == "sad"
    # Frames are taken at even distances: of these five, numbers 0, 1, 3 and 4.
    assert recogniser.predict_clip([dark, dark, bright, bright, dark]).label == "sad"
    with pytest.raises(UserError, match="reads clips of 4 frames: use predict_clip"):
        recogniser.predict_faces([dark])
    with pytest.raises(UserError, match="an empty clip"):
        recogniser.predict_clip([])


def test_an_image_model_takes_no_clip(recogniser):
    with pytest.raises(UserError, match="reads single images"):
        recogniser.predict_clip([np.zeros((48, 48), np.uint8)])


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("height", 64, r"its input is \(48, 48, 1\), the card beside it says \(64, 48, 1\)"),
        ("channels", 3, r"the card beside it says \(48, 48, 3\)"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(model_copy, entry, value, message):
    card = json.loads((model_copy / "card.json").read_text())
    card["input"][entry] = value
    if entry == "channels":
        card["input"]["colour"] = "rgb"
    (model_copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=message):
        Recogniser.load(model_copy)


def test_a_class_too_many_is_refused(model_copy):
    card = json.loads((model_copy / "card.json").read_text())
    card["classes"].append("fear")
    (model_copy / "card.json").write_text(json.dumps(card))
    (model_copy / "labels.txt").write_text("\n".join(card["classes"]))
    with pytest.raises(
        UserError, match=r"its output is \(3,\), the card beside it names 4 classes"
    ):
        Recogniser.load(model_copy)


def test_another_range_is_scaled_to(model_copy, recogniser):
    card = json.loads((model_copy / "card.json").read_text())
    card["input"]["range"] = [0, 510]
    (model_copy / "card.json").write_text(json.dumps(card))
    doubled = Recogniser.load(model_copy, variant="float32")
    crops = [np.full((48, 48), level, np.uint8) for level in (30, 60, 90)]
    brighter = [np.full((48, 48), 2 * level, np.uint8) for level in (30, 60, 90)]
    assert np.allclose(doubled.probabilities(crops), recogniser.probabilities(brighter), atol=1e-5)


@pytest.mark.parametrize("name", [".", "model-int8.tflite"])
def test_a_file_cut_off_in_copying_is_refused(model_copy, name):
    file = model_copy / "model-int8.tflite"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model-int8\.tflite: \d+ bytes, card\.json says \d+: cut"):
        Recogniser.load(model_copy / name)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no such model; name a folder"):
        Recogniser.load(tmp_path / "none")
    (tmp_path / "model.keras").write_bytes(b"x")
    with pytest.raises(UserError, match=r"expected a model's folder or a \.tflite file"):
        Recogniser.load(tmp_path / "model.keras")


def test_a_model_of_expressions_is_no_detector(tiny_model):
    with pytest.raises(UserError, match=r"not BlazeFace full range \(input \(1, 48, 48, 1\)"):
        Recogniser.load(
            tiny_model, detector="blazeface", detector_model=tiny_model / "model-float32.tflite"
        )


def test_a_model_of_clips_keeps_the_detector_it_learned_from(tiny_models):
    assert Recogniser.load(tiny_models / "clip").detector_name == "haar"

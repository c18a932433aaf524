import json

import pytest

from keras_mer.errors import UserError
from keras_mer.runtime.card import read


def edit(folder, change):
    path = folder / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def test_a_card_is_read(tiny_model, tiny_models):
    card = read(tiny_model)
    assert card.classes == ("sad", "neutral", "happy")
    assert card.input_shape == (48, 48, 1) and card.range == (0, 255)
    assert card.file().name == "model-int8.tflite"
    assert card.file("float16").name == "model-float16.tflite"
    assert read(tiny_models / "clip").input_shape == (4, 48, 48, 3)
    flow = read(tiny_models / "flow")
    assert flow.input_shape == (48, 48, 3) and flow.preprocessing.side == 96


def test_a_missing_card_says_what_to_name(tmp_path):
    with pytest.raises(UserError, match="no model card here; name a folder that `make export`"):
        read(tmp_path)


def test_variants_that_are_not_there(model_copy):
    card = read(model_copy)
    with pytest.raises(UserError, match=r"no variant 'int9' \(did you mean 'int8'\?\)"):
        card.file("int9")
    (model_copy / "model-int8.tflite").unlink()
    with pytest.raises(UserError, match=r"model-int8\.tflite: missing, though card\.json lists it"):
        card.file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("classes"), "lacks 'classes'"),
        (lambda c: c["input"].pop("range"), "lacks 'range'"),
        (lambda c: c.update(format=2), "format 2 is not the format 1"),
        (lambda c: c["input"].update(colour="rgb"), "colour 'rgb' with 1 channels"),
        (lambda c: c["input"].update(colour="hsv"), "colour 'hsv' with 1 channels"),
        (lambda c: c["input"].update(height="tall"), "invalid literal"),
        (lambda c: c["input"].update(range=[255, 0]), r"range \[255.0, 0.0\]"),
        (lambda c: c.update(task="clip"), "task 'clip' with 0 frames"),
        (lambda c: c.update(task="flow"), "task 'flow' with flow '' and a face_side of 0"),
        (lambda c: c.update(variants=None), "unusable card"),
        (
            lambda c: c.update(classes=["sad", "happy", "neutral"]),
            "expected the classes sad, happy",
        ),
    ],
)
def test_a_card_that_is_wrong_says_where(model_copy, change, message):
    edit(model_copy, change)
    with pytest.raises(UserError, match=message):
        read(model_copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b"3"])
def test_a_card_that_is_no_json_object(model_copy, content):
    (model_copy / "card.json").write_bytes(content)
    with pytest.raises(UserError, match=r"card\.json: .*export the model again"):
        read(model_copy)

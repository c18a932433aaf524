import json

import keras
import numpy as np
import pytest

from keras_mer import models
from keras_mer.errors import UserError
from keras_mer.evaluation import report
from keras_mer.export import tflite
from keras_mer.runtime import card as cards
from keras_mer.runtime.interpreter import TFLiteModel

CLASSES = ("happy", "neutral", "sad")


@pytest.fixture(scope="module")
def trained():
    """A model that tells dark, grey and bright images apart, and such images."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 240)
    images = 40 + 85 * labels[:, None, None, None] + random.integers(-35, 36, (240, 16, 16, 1))
    images = images.clip(0, 255).astype(np.uint8)
    model = models.build("lenet", classes=3, size=16, filters=(4, 8), units=16, dropout=0.1)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  jit_compile=False)  # fmt: skip
    model.fit(images.astype(np.float32), labels, epochs=15, batch_size=16, verbose=0)
    full = models.with_probabilities(model)
    return full, images, labels, full.predict(images.astype(np.float32), verbose=0)


def publish(trained, folder, **options):
    model, images, labels, expected = trained
    return tflite.export(
        model, folder, classes=CLASSES, calibration=images[:60], images=images, labels=labels,
        expected=expected, about={"scores": {}, "training": {}}, **options,
    )  # fmt: skip


def test_publishes_files_whose_figures_can_be_measured_again(trained, tmp_path):
    card = publish(trained, tmp_path / "mine")
    _model, images, labels, expected = trained
    folder = tmp_path / "mine"
    assert json.loads((folder / "card.json").read_text()) == card
    assert (folder / "labels.txt").read_text().split() == list(CLASSES)
    read = cards.read(folder)  # the runtime's own reader takes it
    assert read.name == "mine" and read.classes == CLASSES and read.input_shape == (16, 16, 1)
    assert set(card["variants"]) == set(tflite.VARIANTS)
    for name, figures in card["variants"].items():
        file = folder / figures["file"]
        assert file.stat().st_size == figures["bytes"]
        got = TFLiteModel(file).predict(images)
        assert (got.argmax(1) == labels).mean() == pytest.approx(figures["accuracy"], abs=1e-5)
        assert np.abs(got - expected).max() == pytest.approx(figures["max_difference"], abs=1e-5)
        assert (got.argmax(1) == expected.argmax(1)).mean() > 0.97, name
    assert card["variants"]["float32"]["max_difference"] < 1e-5
    assert card["variants"]["int8"]["input_dtype"] == "uint8"
    assert card["variants"]["int8"]["output_dtype"] == "uint8"
    assert card["default_variant"] == "int8"
    sizes = {name: figures["bytes"] for name, figures in card["variants"].items()}
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]
    table = report.parity(card)
    assert all(f"| {name} |" in table for name in tflite.VARIANTS)


def test_a_variant_that_loses_too_much_is_refused_unless_allowed(trained, tmp_path, monkeypatch):
    good = tflite._convert
    tflite._write_saved_model(keras.models.clone_model(trained[0]), tmp_path / "other")

    def convert(folder, variant, calibration):
        if variant == "float16":  # a variant that answers for another network
            folder = str(tmp_path / "other")
        return good(folder, variant, calibration)

    monkeypatch.setattr(tflite, "_convert", convert)
    card = publish(trained, tmp_path / "a", variants=("float32", "float16"))
    assert list(card["variants"]) == ["float32"] and list(card["refused"]) == ["float16"]
    assert not (tmp_path / "a/model-float16.tflite").exists()
    card = publish(trained, tmp_path / "b", variants=("float32", "float16"), allow_loss=True)
    assert list(card["variants"]) == ["float32", "float16"] and not card["refused"]
    with pytest.raises(UserError, match="every variant loses more than"):
        publish(trained, tmp_path / "c", variants=("float16",))
    assert not (tmp_path / "c").exists()


def test_a_failed_export_leaves_the_older_one_as_it_was(trained, tmp_path, monkeypatch):
    publish(trained, tmp_path / "mine", variants=("float32",))
    before = {p.name: p.read_bytes() for p in (tmp_path / "mine").iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tflite, "measure", full)
    with pytest.raises(OSError, match="No space left"):
        publish(trained, tmp_path / "mine")
    assert {p.name: p.read_bytes() for p in (tmp_path / "mine").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_calibration_shows_every_class_evenly():
    labels = np.array([0] * 500 + [1] * 40 + [2] * 7)
    images = labels.astype(np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    chosen = tflite.calibration_samples(images, labels, count=60)[:, 0, 0, 0]
    assert np.bincount(chosen).tolist() == [20, 20, 7]
    assert set(chosen[:15]) == {0, 1, 2}


def test_a_layer_without_a_builtin_operator_is_refused(tmp_path):
    import tensorflow as tf

    @keras.saving.register_keras_serializable("tests")
    class Sort(keras.layers.Layer):
        def call(self, x):
            return tf.linalg.svd(x, compute_uv=False)

    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Reshape((4, 4))(inputs)
    model = keras.Model(inputs, keras.layers.Softmax()(Sort()(x)))
    with pytest.raises(UserError, match="no float32 TFLite file") as error:
        tflite.convert(model, "float32", np.zeros((1, 4, 4, 1), np.uint8))
    assert "\n" not in str(error.value)


def test_a_converter_that_dies_is_a_message(trained, monkeypatch):
    monkeypatch.setattr(tflite.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="no int8 TFLite file: the converter ended with 1"):
        tflite.convert(trained[0], "int8", trained[1][:5])


def test_a_byte_in_is_a_pixel_whatever_was_calibrated_on(trained, tmp_path):
    model, images = trained[:2]
    file = tmp_path / "model.tflite"
    file.write_bytes(tflite.convert(model, "int8", (images[:20] // 3 + 50).astype(np.uint8)))
    assert TFLiteModel(file).input_scale == (1.0, 0)


def test_an_int8_file_whose_bytes_are_no_pixels_is_refused():
    # What today's converter makes of scaled-up copies.
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Concatenate()([inputs, inputs])
    x = keras.layers.Rescaling(4)(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
    with pytest.raises(UserError, match="bytes are pixels, got a scale of 4 and a zero point of 0"):
        tflite.convert(model, "int8", images)

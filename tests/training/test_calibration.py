import json

import keras
import numpy as np
import pytest

from keras_mer.data import build
from keras_mer.evaluation import metrics
from keras_mer.models import saving
from keras_mer.training import calibration, trainer
from tests.conftest import tiny_recipe


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_of_labels_drawn_from_it_is_found(true):
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20_000, 4))
    drawn = (softmax(logits / true).cumsum(1) > random.uniform(size=(20_000, 1))).argmax(1)
    found = calibration.temperature(softmax(logits), drawn)
    assert found == pytest.approx(true, rel=0.05)
    assert metrics.calibration_error(softmax(logits / found), drawn) < 0.015


def test_scaling_divides_the_logits():
    inputs = keras.Input((5,))
    hidden = keras.layers.Dense(6, activation="relu")(inputs)
    logits = keras.layers.Dense(3, name="logits")(hidden)
    model = keras.Model(inputs, keras.layers.Softmax()(logits))
    x = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    before = np.log(model.predict_on_batch(x))
    calibration.scale(model, 2.0)
    after = model.predict_on_batch(x)
    np.testing.assert_allclose(after, softmax(before / 2), rtol=1e-4)


def test_training_scales_the_published_model_once(tmp_path, tiny_dataset):
    recipe = tiny_recipe(tiny_dataset, epochs=1, deterministic=True)
    keywords = build.keywords(recipe)
    manifest, _ = build.build(keywords.pop("sources"), **keywords)
    found = []
    for calibrated, folder in ((False, "plain"), (True, "scaled"), (True, "scaled")):
        own = recipe.changed({"training.calibrate": calibrated})
        model = saving.load_model(trainer.train(own, manifest, tmp_path / folder))
        found.append(next(w for w in reversed(model.layers) if w.weights).get_weights()[0])
    summary = json.loads((tmp_path / "scaled/summary.json").read_text())
    assert summary["temperature"] != 1
    np.testing.assert_allclose(found[1] * summary["temperature"], found[0], rtol=1e-3)
    np.testing.assert_allclose(found[2], found[1], rtol=1e-5)  # not scaled again by a second call

"""Half precision in every kind of training: models learn, and saved models are float32.

Training in one phase and in two is tested in test_trainer and test_phases, single steps in
models/; here are folds and self-supervised distillation.
"""

import keras
import numpy as np
import pytest

from keras_mer.data import build, loading
from keras_mer.data.inputs import Samples
from keras_mer.evaluation import evaluate
from keras_mer.experiments import ssl_distillation
from keras_mer.models import layer_freezing, saving
from keras_mer.training import estimators
from tests.experiments.test_ssl_distillation import history, tiny_experiment
from tests.people import TINY, people, recipe


def assert_float32(model):
    assert {layer.compute_dtype for layer in layer_freezing.leaves(model)} == {"float32"}


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_fold_learns_and_the_final_model_is_float32(precision, float32_policy):
    manifest, inputs = people()
    subjects = np.array([s.subject for s in manifest])
    left_out = subjects == "one:s0"
    rows, labels = np.arange(len(subjects)), manifest.labels()
    made = recipe(TINY, {"epochs": 25, "precision": precision})
    samples = Samples(inputs, manifest.targets(), labels, manifest.classes)
    estimator = estimators.make(made, samples, seed=0)
    estimator.fit(rows[~left_out])
    optimizer = estimator._loop._learner.optimizer
    assert optimizer.name.startswith("loss_scale") == (precision == "mixed_float16")
    probabilities = estimator.predict(rows[left_out])
    assert np.isfinite(probabilities).all()
    assert (probabilities.argmax(1) == labels[left_out]).mean() > 0.6
    estimator.fit(rows)
    model = estimator.to_keras()
    assert_float32(model)
    p = model.predict(inputs.astype(np.float32), verbose=0)
    assert (p.argmax(1) == labels).mean() > 0.8


@pytest.mark.slow
def test_self_supervised_distillation_leaves_float32_models(tiny_dataset, tmp_path, float32_policy):
    settings = tiny_experiment(tiny_dataset, "training.precision=mixed_float16")
    how = build.keywords(settings)
    manifest = build.build(how.pop("sources"), **how)[0]
    ssl_distillation.run(settings, manifest, tmp_path / "run", out=tmp_path / "model")
    keras.config.set_dtype_policy("float32")
    kept = sorted(p.parent for p in (tmp_path / "run").rglob("model.keras"))
    assert len(kept) >= 3  # pretrained, fine-tuned, distilled
    for folder in kept:
        if (folder / "history.csv").is_file():
            assert all(np.isfinite(list(row.values())).all() for row in history(folder))
        model = saving.load_model(folder)
        assert_float32(model)
        images = loading.load_images(manifest.part("validation"), *model.input_shape[1:])
        assert np.isfinite(evaluate.predict(model, images)).all()

"""Training ends with a whole record, however often it was killed."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import yaml

from keras_mer import losses
from keras_mer.config import recipe as recipes
from keras_mer.data import build, loading
from keras_mer.errors import UserError
from keras_mer.models import saving
from keras_mer.training import optimizers, run_folder, schedules, trainer
from tests.conftest import REPOSITORY, tiny_recipe


@pytest.fixture(scope="module")
def manifest(tiny_dataset):
    recipe = tiny_recipe(tiny_dataset)
    how = build.keywords(recipe)
    return build.build(how.pop("sources"), **how)[0]


def history(folder):
    with (folder / "history.csv").open() as f:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(f)]


def test_a_run_leaves_a_whole_record_and_its_model_scores_what_the_record_says(
    tiny_dataset, manifest, tmp_path
):
    recipe = tiny_recipe(tiny_dataset, epochs=3, rate=0.05, imbalance="class_weights")
    # the test split is never read in training
    manifest = manifest.replace(
        dataclasses.replace(s, path="gone.png") if s.split == "test" else s for s in manifest
    )
    path = trainer.train(recipe, manifest, tmp_path / "run")
    rows = history(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert (tmp_path / "run/curves.png").stat().st_size > 10_000
    best = max(rows, key=lambda row: row["val_accuracy"])
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["best"]["epoch"] == best["epoch"]

    # the saved file gives probabilities, and exactly the validation scores that were logged
    model = saving.load_model(path, manifest.classes)
    part = manifest.part("validation")
    x = loading.load_images(part, *model.input_shape[1:])
    p = model.predict(x, verbose=0)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert (p.argmax(1) == part.labels()).mean() == pytest.approx(best["val_accuracy"], abs=1e-5)
    recall = [(p.argmax(1) == part.labels())[part.labels() == c].mean() for c in range(7)]
    assert np.mean(recall) == pytest.approx(best["val_uar"], abs=1e-5)

    saved_recipe, saved_manifest = run_folder.load_run(tmp_path / "run")
    assert saved_recipe == recipe
    assert [s.split for s in saved_manifest] == [s.split for s in manifest]


def test_killed_the_same_command_ends_with_the_whole_history(tiny_dataset, tmp_path):
    """A process that gets no chance to say goodbye; tests/test_phases.py kills at every moment."""
    epochs = 12  # enough that a slow test kills in time
    recipe = tiny_recipe(tiny_dataset, epochs=epochs, schedule="plateau", patience=epochs)
    recipe.write(tmp_path / "tiny.yaml")
    run = tmp_path / "run"
    command = [sys.executable, "scripts/train.py", "--recipe", str(tmp_path / "tiny.yaml"),
               "--manifest", str(tmp_path / "m.csv"), "--run", str(run)]  # fmt: skip

    def start():
        return subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    process = start()
    while not list(run.glob("checkpoint-*")):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    time.sleep(0.15)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    state = max(run.glob("checkpoint-*/state.json"))  # the one before it may not be gone yet
    kept = json.loads(state.read_text())["history"]
    assert 1 <= len(kept) < epochs
    process = start()
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert f"epoch {len(kept) + 1} of {epochs}" in output
    rows = history(run)
    assert [row["epoch"] for row in rows] == list(range(1, epochs + 1))
    for row, before in zip(rows, kept, strict=False):
        assert row["val_loss"] == pytest.approx(before["val_loss"], rel=1e-4)
    assert (run / "model.keras").is_file()


def test_a_folder_of_another_recipe_is_refused(tiny_dataset, manifest, tmp_path):
    run_folder.check_run_config(tmp_path, tiny_recipe(tiny_dataset))
    run_folder.check_run_config(tmp_path, tiny_recipe(tiny_dataset))
    # a run of a version that did not know a key yet is the same run
    saved = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    del saved["training"]["tensorboard"], saved["augment"]["cutmix"]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(saved))
    run_folder.check_run_config(tmp_path, tiny_recipe(tiny_dataset))
    # a preprocessing that is stated later does not change what is computed
    stated = {"flow": "dis", "side": 128, "margin": 0.1, "register": True}
    changed = tiny_recipe(tiny_dataset).changed({"data.preprocessing": stated})
    run_folder.check_run_config(tmp_path, changed)
    with pytest.raises(UserError, match=r"run with training.rate = 0.02, not 0.5"):
        run_folder.check_run_config(tmp_path, tiny_recipe(tiny_dataset, rate=0.5))


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_checkpoint_that_does_not_fit_the_model_is_named(tiny_dataset, manifest, tmp_path):
    recipe = tiny_recipe(tiny_dataset, epochs=1)
    trainer.train(recipe, manifest, tmp_path)
    wider = recipe.changed({"model.filters": [8, 32], "training.epochs": 2})
    wider.write(tmp_path / "recipe.yaml")
    with pytest.raises(UserError, match="checkpoint-0001: its weights do not fit this model"):
        trainer.train(wider, manifest, tmp_path)


def test_a_loss_that_is_not_finite_stops_with_advice(tiny_dataset, manifest, tmp_path):
    recipe = tiny_recipe(tiny_dataset, rate=1e30, warmup=0)
    with pytest.raises(UserError, match="not finite.*lower training.rate"):
        trainer.train(recipe, manifest, tmp_path)


@pytest.mark.parametrize(
    ("precision", "imbalance"),
    [("mixed_float16", "focal"), ("mixed_bfloat16", "balanced_sampling")],
)
def test_mixed_precision_and_every_answer_to_imbalance_train_and_save_float32(
    precision, imbalance, tiny_dataset, manifest, tmp_path, float32_policy
):
    recipe = tiny_recipe(tiny_dataset, epochs=3, precision=precision, imbalance=imbalance)
    path = trainer.train(recipe, manifest, tmp_path / "run")
    rows = history(tmp_path / "run")
    assert rows[-1]["loss"] < rows[0]["loss"]
    keras.config.set_dtype_policy("float32")
    model = keras.saving.load_model(path)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_early_stopping_stops_and_stays_stopped(tiny_dataset, manifest, tmp_path):
    recipe = tiny_recipe(tiny_dataset, epochs=30, patience=1, rate=1e-9, warmup=0)
    trainer.train(recipe, manifest, tmp_path / "run")
    done = len(history(tmp_path / "run"))
    assert done < 10
    trainer.train(recipe, manifest, tmp_path / "run")
    assert len(history(tmp_path / "run")) == done


def supervised_optimizer(settings, steps):
    return optimizers.make_optimizer(
        settings.optimizer,
        schedules.learning_rate(settings, steps),
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
        nesterov=True,
    )


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_every_optimizer_runs_without_weight_decay(kind):
    made = supervised_optimizer(recipes.Training(optimizer=kind, weight_decay=0), steps=1)
    kernel = keras.Variable(np.ones(2, "f"), name="kernel")
    made.apply([np.zeros(2, "f")], [kernel])
    np.testing.assert_array_equal(kernel, 1)


@pytest.mark.parametrize("schedule", ["cosine", "plateau", "constant"])
@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_schedules_and_optimizers(schedule, kind):
    settings = recipes.Training(
        optimizer=kind, schedule=schedule, rate=0.1, epochs=10, warmup=2, weight_decay=0.1
    )
    made = supervised_optimizer(settings, steps=5)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.build(model.trainable_variables)
    rates = []
    for step in range(50):
        made.iterations.assign(step)
        rates.append(float(made.learning_rate))
    if schedule != "cosine":
        assert set(rates) == {np.float32(0.1)}
        return
    assert rates[0] == pytest.approx(0.004, rel=1e-5)  # a 25th
    assert int(np.argmax(rates)) == 10 and max(rates) == pytest.approx(0.1)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def test_weight_decay_spares_biases_and_normalization():
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(2), keras.layers.BatchNormalization()]
    )
    made = supervised_optimizer(recipes.Training(weight_decay=0.5, rate=0.1, warmup=0), steps=1)
    start = [np.ones(v.shape, np.float32) for v in model.trainable_variables]
    for variable, value in zip(model.trainable_variables, start, strict=True):
        variable.assign(value)
    made.apply([np.zeros(v.shape, np.float32) for v in start], model.trainable_variables)
    moved = {v.name: not np.allclose(v, 1) for v in model.trainable_variables}
    assert moved == {"kernel": True, "bias": False, "gamma": False, "beta": False}


def test_focal_loss_is_its_formula_and_plain_cross_entropy_without_gamma():
    logits = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]], np.float32)
    truth = np.eye(3, dtype=np.float32)[[0, 2]]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    own = (p * truth).sum(1)
    for gamma in (0.0, 2.0):
        made = losses.supervised_loss(recipes.Training(imbalance="focal", focal_gamma=gamma))
        expected = np.mean(-((1 - own) ** gamma) * np.log(own))
        assert float(made(truth, logits)) == pytest.approx(expected, rel=1e-5)
    plain = losses.supervised_loss(recipes.Training())
    assert float(plain(truth, logits)) == pytest.approx(np.mean(-np.log(own)), rel=1e-5)

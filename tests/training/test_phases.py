"""Two training phases in one run: trainable layers, and resumption in either."""

import csv
import json

import keras
import numpy as np
import pytest

from keras_mer.data import build
from keras_mer.errors import UserError
from keras_mer.models import layer_freezing, saving
from keras_mer.training import setup, trainer
from keras_mer.training.checkpoint import Checkpoint
from keras_mer.training.phases import phases
from tests.conftest import tiny_recipe
from tests.models.test_transfer import TINY


@pytest.fixture(scope="module")
def manifest(tiny_dataset):
    how = build.keywords(tiny_recipe(tiny_dataset))
    return build.build(how.pop("sources"), **how)[0]


@pytest.fixture(scope="module")
def source(tiny_dataset, manifest, tmp_path_factory):
    """A completed run of the tiny CNN for pretrained weights."""
    folder = tmp_path_factory.mktemp("source") / "run"
    trainer.train(tiny_recipe(tiny_dataset, epochs=1), manifest, folder)
    return folder


def two_phases(tiny_dataset, source, **transfer):
    recipe = tiny_recipe(tiny_dataset, epochs=3, rate=0.01, warmup=0, schedule="constant")
    changes = {"weights": str(source), "epochs": 2, "rate": 0.05, "unfreeze": 2} | transfer
    return recipe.changed({f"transfer.{key}": value for key, value in changes.items()})


def history(folder):
    with (folder / "history.csv").open() as f:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(f)]


def body(model):
    return [w for layer in layer_freezing.body(model) for w in layer.get_weights()]


def test_phases_of_a_recipe(tiny_dataset):
    recipe = tiny_recipe(tiny_dataset)
    (only,) = phases(recipe)
    assert (only.name, only.start, only.end, only.unfreeze) == ("tune", 0, 2, "all")
    assert only.batch_norm and only.settings == recipe.training
    first, second = phases(two_phases(tiny_dataset, "x"))
    assert (first.name, first.start, first.end, first.unfreeze) == ("extract", 0, 2, 0)
    assert (first.settings.rate, second.settings.rate) == (0.05, 0.01)
    assert (second.start, second.end, second.unfreeze, second.batch_norm) == (2, 5, 2, False)
    assert phases(two_phases(tiny_dataset, "x", batch_norm=True))[1].batch_norm
    (only,) = phases(recipe.changed({"transfer.epochs": 2, "training.epochs": 0}))
    assert only.name == "extract"


def test_both_phases_are_kept_and_only_what_should_learns(
    tiny_dataset, manifest, source, tmp_path, monkeypatch
):
    seen = []
    on_epoch_end = Checkpoint.on_epoch_end

    def watched(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        seen.append((body(self.model), len(self.model.trainable_variables)))

    monkeypatch.setattr(Checkpoint, "on_epoch_end", watched)
    recipe = two_phases(tiny_dataset, source)
    path = trainer.train(recipe, manifest, tmp_path / "run")
    rows = history(tmp_path / "run")
    assert [row["phase"] for row in rows] == [1, 1, 2, 2, 2]
    np.testing.assert_allclose([row["rate"] for row in rows], [0.05] * 2 + [0.01] * 3, rtol=1e-5)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["phases"]["extract"]["epoch"] in (1, 2)
    assert summary["phases"]["tune"]["epoch"] in (3, 4, 5)

    given = body(saving.load_model(source))
    for weights, _ in seen[:2]:
        for a, b in zip(given, weights, strict=True):
            np.testing.assert_array_equal(a, b)
    changed = [not np.array_equal(a, b) for a, b in zip(given, seen[-1][0], strict=True)]
    top = [w for block in layer_freezing.blocks(saving.load_model(path))[-2:] for x in block
           for w in x.get_weights()]  # fmt: skip
    assert 0 < sum(changed) <= len(top)
    assert not any(changed[: -len(top)])
    assert seen[0][1] == 2 < seen[-1][1]


def test_a_killed_run_resumes_in_either_phase(
    tiny_dataset, manifest, source, tmp_path, monkeypatch
):
    """Each kill: in the middle of the epoch after so many are done, or right after it is saved."""
    # before anything is kept, between the phases, within the second, and after the last epoch
    kills = [(0, "middle"), (1, "end"), (2, "middle"), (2, "end"), (4, "end")]

    class Killed(BaseException):
        pass

    recipe, run = two_phases(tiny_dataset, source), tmp_path / "run"
    on_epoch_end = Checkpoint.on_epoch_end
    begin = Checkpoint.on_train_batch_end
    for done, moment in kills:

        def end(self, epoch, logs=None, done=done, moment=moment):
            on_epoch_end(self, epoch, logs)
            if moment == "end" and epoch >= done:
                raise Killed

        def batch(self, number, logs=None, done=done, moment=moment):
            if moment == "middle" and number >= 1 and self.epoch >= done:
                raise Killed

        monkeypatch.setattr(Checkpoint, "on_epoch_end", end)
        monkeypatch.setattr(Checkpoint, "on_train_batch_end", batch)
        with pytest.raises(Killed):
            trainer.train(recipe, manifest, run)
        assert len(list(run.glob("checkpoint-*"))) <= 1
    kept = history(run) if (run / "history.csv").is_file() else []
    monkeypatch.setattr(Checkpoint, "on_epoch_end", on_epoch_end)
    monkeypatch.setattr(Checkpoint, "on_train_batch_end", begin)
    # what the start took from elsewhere is not needed again, once something is kept
    if kept:
        monkeypatch.setattr(setup.pretrained, "load", None)
    trainer.train(recipe, manifest, run)
    rows = history(run)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["phase"] for row in rows] == [1, 1, 2, 2, 2]
    np.testing.assert_allclose([row["rate"] for row in rows], [0.05] * 2 + [0.01] * 3, rtol=1e-5)
    assert rows[: len(kept)] == kept
    steps = len(manifest.part("train")) // 32
    import h5py

    with h5py.File(run / "checkpoint-0005/state.weights.h5") as file:
        assert int(file["optimizer/vars/0"][()]) == 3 * steps  # the second phase's alone


@pytest.mark.slow
def test_early_stopping_counts_the_second_phase_alone(tiny_dataset, manifest, source, tmp_path):
    recipe = two_phases(tiny_dataset, source, epochs=4).changed(
        {"training.epochs": 20, "training.patience": 1, "training.rate": 1e-12}
    )
    trainer.train(recipe, manifest, tmp_path / "run")
    rows = history(tmp_path / "run")
    assert 6 <= len(rows) < 12 and [row["phase"] for row in rows[:5]] == [1, 1, 1, 1, 2]
    trainer.train(recipe, manifest, tmp_path / "run")
    assert history(tmp_path / "run") == rows


@pytest.mark.slow
def test_both_phases_of_the_transfer_model_in_mixed_precision(
    tiny_dataset, manifest, tmp_path, float32_policy
):
    # with a loss that is scaled; bfloat16 goes the same way without
    recipe = tiny_recipe(
        tiny_dataset, epochs=1, precision="mixed_float16", optimizer="adam", rate=1e-3
    )
    recipe = recipe.model_copy(update={"model": {"name": "transfer"} | TINY})
    recipe = recipe.changed({"transfer.epochs": 1, "transfer.rate": 0.01, "transfer.unfreeze": 3})
    path = trainer.train(recipe, manifest, tmp_path / "run")
    rows = history(tmp_path / "run")
    assert [row["phase"] for row in rows] == [1, 2]
    assert all(np.isfinite(row["loss"]) for row in rows)
    keras.config.set_dtype_policy("float32")
    model = keras.saving.load_model(path)
    assert {layer.compute_dtype for layer in layer_freezing.leaves(model)} == {"float32"}
    x = np.zeros((2, *model.input_shape[1:]), np.float32)
    np.testing.assert_allclose(model.predict(x, verbose=0).sum(1), 1, rtol=1e-5)


def test_weights_that_are_not_there_stop_the_run_before_it_begins(tiny_dataset, manifest, tmp_path):
    recipe = two_phases(tiny_dataset, tmp_path / "nowhere")
    with pytest.raises(UserError, match="no run or file"):
        trainer.train(recipe, manifest, tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoint-*"))

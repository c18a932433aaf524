import json
import shutil

import keras
import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.training.checkpoint import Checkpoint


def model():
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    made.compile(keras.optimizers.Adam(0.05), "mse")
    return made


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    return random.normal(size=(32, 4)), random.normal(size=(32, 3))


def fit(folder, data, epochs, others=(), one=None):
    one = one or model()
    checkpoint = Checkpoint(folder, "loss", "min", lambda: one, others)
    done = checkpoint.restore(one)
    one.fit(*data, batch_size=8, shuffle=False, verbose=0, initial_epoch=done, epochs=epochs,
            callbacks=[*others, checkpoint])  # fmt: skip
    return one, checkpoint


def test_two_epochs_and_two_more_equal_four(tmp_path, data):
    keras.utils.set_random_seed(0)
    start = model()
    weights = start.get_weights()
    whole, _ = fit(tmp_path / "whole", data, 4, one=start)
    first = model()
    first.set_weights(weights)
    fit(tmp_path / "parts", data, 2, one=first)
    resumed, checkpoint = fit(tmp_path / "parts", data, 4)
    assert checkpoint.epoch == 4
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    # Adam's moments and step count went on, too
    for a, b in zip(whole.optimizer.variables, resumed.optimizer.variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9)


def test_only_the_newest_checkpoint_is_kept(tmp_path, data):
    fit(tmp_path, data, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-0003", "history.csv"]
    files = {p.name for p in (tmp_path / "checkpoint-0003").iterdir()}
    assert files == {"state.weights.h5", "best.keras", "state.json"}


def test_an_incomplete_checkpoint_is_ignored(tmp_path, data):
    fit(tmp_path, data, 2)
    half = tmp_path / ".partial-abc" / "checkpoint-0003"
    half.mkdir(parents=True)
    (half / "state.weights.h5").write_bytes(b"half")
    assert Checkpoint(tmp_path, "loss", "min", model).restore(model()) == 2


def test_best_is_the_best_epochs_model(tmp_path):
    checkpoint = Checkpoint(tmp_path, "score", "max", None)
    one = model()
    checkpoint.set_model(one)
    checkpoint.export = lambda: one
    for epoch, score in enumerate([0.2, 0.9, 0.9, 0.5]):
        one.set_weights([np.full(w.shape, epoch, np.float32) for w in one.get_weights()])
        checkpoint.on_epoch_end(epoch, {"score": score})
    kept = keras.saving.load_model(tmp_path / "checkpoint-0004/best.keras", compile=False)
    assert checkpoint.best["epoch"] == 2  # the first of the equal ones
    assert np.unique(kept.get_weights()[0]) == [1]


def test_counters_of_other_callbacks_are_restored(tmp_path, data):
    stopping = keras.callbacks.EarlyStopping("loss", patience=3, mode="max")  # never improves
    fit(tmp_path, data, 3, [stopping])
    assert stopping.wait == 2
    again = keras.callbacks.EarlyStopping("loss", patience=3, mode="max")
    _, checkpoint = fit(tmp_path, data, 20, [again])
    assert checkpoint.epoch == 4  # the third epoch without improvement, not the sixth
    state = json.loads((tmp_path / "checkpoint-0004/state.json").read_text())
    assert state["counters"][0]["wait"] == 3


def test_a_full_disk_is_a_one_line_error_and_keeps_the_last_checkpoint(tmp_path, data, monkeypatch):
    fit(tmp_path, data, 1)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UserError, match=r"the disk is full: 1.0 MB are needed, 0.0 MB free"):
        fit(tmp_path, data, 2)
    monkeypatch.undo()
    _, checkpoint = fit(tmp_path, data, 2)
    assert checkpoint.epoch == 2

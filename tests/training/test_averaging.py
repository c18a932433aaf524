import keras
import numpy as np
import pytest

from keras_mer.data import build
from keras_mer.models import saving
from keras_mer.training import callbacks, trainer
from keras_mer.training.averaging import WeightAverage
from tests.conftest import tiny_recipe


class Recorder(keras.callbacks.Callback):
    """The weights after each batch, and those that validation used."""

    def __init__(self):
        super().__init__()
        self.after, self.tested = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.after.append(self.model.get_weights())

    def on_test_batch_end(self, batch, logs=None):
        self.tested.append(self.model.get_weights())


def fitted(decay, epochs=2):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization(),
         keras.layers.Dense(2)]
    )  # fmt: skip
    model.compile(keras.optimizers.SGD(0.1), "mse")
    start = model.get_weights()
    random = np.random.default_rng(0)
    x, y = random.normal(size=(32, 4)), random.normal(size=(32, 2))
    average, recorder = WeightAverage(model, decay), Recorder()
    model.fit(
        x, y, batch_size=8, epochs=epochs, validation_data=(x, y), verbose=0, shuffle=False,
        callbacks=[average, recorder],
    )  # fmt: skip
    return start, average, recorder, model


def test_it_is_the_weighted_mean_of_the_weights_after_each_batch():
    start, average, recorder, model = fitted(0.6)
    expected = [w.astype(np.float64) for w in start]
    for n, weights in enumerate(recorder.after):
        keep = min(0.6, (1 + n) / (10 + n))
        expected = [keep * e + (1 - keep) * w for e, w in zip(expected, weights, strict=True)]
    assert len(recorder.after) == 8
    for mean, wanted in zip(average.weights, expected, strict=True):
        np.testing.assert_allclose(mean, wanted, rtol=1e-5, atol=1e-7)
    # validation sees the average, training goes on with the weights
    for tested, mean in zip(recorder.tested[-1], average.weights, strict=True):
        np.testing.assert_array_equal(tested, mean)
    for now, last in zip(model.get_weights(), recorder.after[-1], strict=True):
        np.testing.assert_array_equal(now, last)


def test_it_is_restored_from_a_checkpoint(tmp_path):
    _, average, _, model = fitted(0.6)
    average.save(tmp_path)
    again = WeightAverage(model, 0.6)
    again.restore(tmp_path)
    assert again.batches == average.batches == 8
    for one, other in zip(again.weights, average.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_publishes_the_average_and_resumes_with_it(tmp_path, tiny_dataset, monkeypatch):
    recipe = tiny_recipe(
        tiny_dataset, epochs=2, deterministic=True, average=0.9, monitor="loss", warmup=0
    )
    keywords = build.keywords(recipe)
    manifest, _ = build.build(keywords.pop("sources"), **keywords)
    begin = callbacks.EpochLog.on_epoch_begin

    def stop_at_the_second(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.EpochLog, "on_epoch_begin", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            trainer.train(recipe, manifest, tmp_path / "run")
    _, once = read(tmp_path / "run/checkpoint-0001")
    file = trainer.train(recipe, manifest, tmp_path / "run")
    mean, batches = read(tmp_path / "run/checkpoint-0002")
    assert once == len(manifest.part("train")) // 32 and batches == 2 * once
    published = saving.load_model(file).get_weights()  # validation loss still falls
    for one, other in zip(published, mean, strict=True):
        np.testing.assert_array_equal(one, other)


def read(checkpoint):
    with np.load(checkpoint / "average.npz") as arrays:
        mean = [arrays[f"arr_{i}"] for i in range(len(arrays.files) - 1)]
        return mean, int(arrays["batches"])

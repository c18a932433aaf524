"""A moving average of the weights, which is validated and published in their place."""

from pathlib import Path

import keras
import numpy as np


class WeightAverage(keras.callbacks.Callback):
    """Exponential moving average of a model's weights (Polyak and Juditsky 1992).

    After each batch ``average = d average + (1 - d) weights``, with d = min(decay, (1 + n) / (10 +
    n)) in batch n, so that the start weights are soon forgotten. BatchNorm's statistics are
    averaged, too. Validation runs with the average; training goes on with the weights.

    Args:
        model: whose weights are averaged; it may be part of the model that is fitted.
        decay: d, from 0 to below 1; 0.998 averages over about 500 batches.
    """

    FILE = "average.npz"

    def __init__(self, model: keras.Model, decay: float):
        super().__init__()
        self.averaged, self.decay, self.batches = model, decay, 0
        self.weights: list[np.ndarray] = []

    def on_train_begin(self, logs=None):
        if not self.weights:  # start weights were loaded after the model was built
            self.weights = self.averaged.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        keep = min(self.decay, (1 + self.batches) / (10 + self.batches))
        self.batches += 1
        for mean, now in zip(self.weights, self.averaged.get_weights(), strict=True):
            mean += ((1 - keep) * (now - mean)).astype(mean.dtype)

    def on_test_begin(self, logs=None):
        self._training = self.averaged.get_weights()
        self.averaged.set_weights(self.weights)

    def on_test_end(self, logs=None):
        self.averaged.set_weights(self._training)

    def save(self, folder: Path) -> None:
        """Write the average into a checkpoint's folder."""
        np.savez(folder / self.FILE, *self.weights, batches=self.batches)

    def restore(self, folder: Path) -> None:
        """Read the average from a checkpoint's folder, if it has one."""
        if (folder / self.FILE).is_file():
            with np.load(folder / self.FILE) as arrays:
                self.weights = [arrays[f"arr_{i}"] for i in range(len(arrays.files) - 1)]
                self.batches = int(arrays["batches"])

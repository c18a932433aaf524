"""The estimator of Keras models: gradient descent, one network or an ensemble of several."""

from pathlib import Path

import keras
import numpy as np

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.data.inputs import Samples
from keras_mer.evaluation import evaluate
from keras_mer.models import saving
from keras_mer.training import checkpointed
from keras_mer.training.resident import ResidentLoop
from keras_mer.training.setup import TrainingSetup, build_model


class KerasEstimator:
    """Fits `training.ensemble_size` networks, each from its own random start; see `Estimator`.

    With a run folder, `checkpointed.fit` reads batches through tf.data and selects an epoch on the
    validation rows. Without one, `resident.ResidentLoop` fits a fixed number of epochs with the
    dataset inside the compiled step, which is what many small folds need.

    Args:
        recipe: the experiment.
        samples: the dataset.
        seed: of weights, order and augmentation.
        setup: wraps the model during training; with a run folder only.
    """

    #: Seeds of the networks of an ensemble differ by this.
    MEMBER_SEED = 100_003

    def __init__(
        self, recipe: Recipe, samples: Samples, *, seed: int, setup: TrainingSetup | None = None
    ):
        self.recipe, self.samples, self.setup = recipe, samples, setup or TrainingSetup()
        self.seeds = [seed + self.MEMBER_SEED * i for i in range(recipe.training.ensemble_size)]
        self._loop: ResidentLoop | None = None

    def fit(
        self,
        train: np.ndarray,
        validation: np.ndarray | None = None,
        folder: Path | None = None,
        *,
        watch: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Fit the rows `train`; see `Estimator.fit`.

        Args:
            train, validation, folder: as for `Estimator.fit`.
            watch: rows that are predicted every `protocol.test_set_selection` epochs.

        Returns:
            The probabilities of the rows `watch`, float32 (rows, classes), one array a look.
        """
        if folder is not None:
            self._fit_checkpointed(train, validation, folder)
            return []
        if self._loop is None:
            self._loop = ResidentLoop(self.recipe, self.samples, self.seeds)
        self._weights, looks = [], []
        for member in range(len(self.seeds)):
            looks.append(self._loop.fit(member, train, watch=watch))
            self._weights.append(self._loop.model.get_weights())
        return [np.mean(each, axis=0) for each in zip(*looks, strict=True)]

    def _fit_checkpointed(self, train, validation, folder: Path) -> None:
        single = len(self.seeds) == 1
        files = [
            checkpointed.fit(
                self.recipe, self.samples, train, validation,
                folder if single else folder / f"member-{i + 1}",
                seed=seed, setup=self.setup,
            )
            for i, seed in enumerate(self.seeds)
        ]  # fmt: skip
        keras.config.set_dtype_policy("float32")
        self._model = models.ensemble([saving.load_model(file) for file in files])
        self._loop = None

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (rows, classes): the mean over the networks."""
        if self._loop is None:
            return evaluate.predict(self._model, self.samples.inputs[rows])
        found = []
        for weights in self._weights:
            if len(self._weights) > 1:
                self._loop.model.set_weights(weights)
            found.append(self._loop.predict(rows))
        return np.mean(found, axis=0)

    def to_keras(self) -> keras.Model:
        """The fitted model: raw pixels -> probabilities, float32."""
        if self._loop is None:
            return self._model
        keras.config.set_dtype_policy("float32")
        made = []
        for weights in self._weights:
            model = build_model(self.recipe, self.samples.classes)
            model.set_weights(weights)
            made.append(models.with_probabilities(model))
        return models.ensemble(made)

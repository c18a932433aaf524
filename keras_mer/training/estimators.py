"""Estimators: what is fitted on some rows of a dataset and predicts others.

`make train` fits one estimator on the training rows and selects on the validation rows; `make loso`
fits the same estimators fold after fold.
"""

from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.data.inputs import Samples
from keras_mer.training.closed_form import KernelRidge, LinearRidge, LinearSVM
from keras_mer.training.keras_estimator import KerasEstimator
from keras_mer.training.setup import TrainingSetup

#: Estimators with a closed form, by the name of the model that they fit.
CLOSED_FORM = {"flow_kernel": KernelRidge, "flow_linear": LinearRidge, "svm": LinearSVM}


class Estimator(Protocol):
    """The interface of every estimator.

    An estimator is made for one recipe, one dataset and one seed, and may be fitted repeatedly;
    every fit starts anew.
    """

    def fit(
        self,
        train: np.ndarray,
        validation: np.ndarray | None = None,
        folder: Path | None = None,
    ) -> None:
        """Fit the rows `train`.

        Args:
            train: row numbers, int64 (count,).
            validation: rows on which the best epoch is selected; without them, training lasts
                `training.epochs` epochs and keeps the last one.
            folder: of the run, for checkpoints and curves; a fit with validation rows needs one.
        """

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (rows, classes)."""

    def to_keras(self) -> keras.Model:
        """The fitted model in float32: raw pixels -> probabilities."""


def make(
    recipe: Recipe, samples: Samples, *, seed: int, setup: TrainingSetup | None = None
) -> Estimator:
    """The estimator of a recipe's model.

    Args:
        recipe: the experiment.
        samples: the dataset whose rows are fitted and predicted.
        seed: of weights, order and augmentation.
        setup: wraps the model during training, e.g. for distillation.
    """
    closed_form = CLOSED_FORM.get(recipe.model.get("name", models.DEFAULT))
    if closed_form is not None:
        return closed_form(recipe, samples, seed=seed)
    return KerasEstimator(recipe, samples, seed=seed, setup=setup)

"""One fold and one seed: choose settings on inner folds, fit, predict the fold."""

import json
import threading
import time
from dataclasses import dataclass

import joblib
import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.cross_validation import folds
from keras_mer.cross_validation.folds import Fold
from keras_mer.data.inputs import Samples
from keras_mer.data.manifest import Manifest
from keras_mer.evaluation import metrics
from keras_mer.training import estimators, trainer
from keras_mer.training.estimators import Estimator

_estimators: dict = {}
_lock = threading.Lock()  # a Dask worker may have threads; Keras's random seed is the process's


@dataclass(frozen=True, eq=False)
class Job:
    """What a worker needs to fit one fold with one seed, in whichever process it runs.

    Attributes:
        recipe: the experiment.
        manifest: the samples, for their subjects.
        samples: inputs and targets, in the manifest's order.
        fold: rows to fit and rows to predict.
        seed: one of `protocol.seeds`.
    """

    recipe: Recipe
    manifest: Manifest
    samples: Samples
    fold: Fold
    seed: int


def run(job: Job) -> dict:
    """Fit one fold with one seed and predict the rows that were left out.

    Returns:
        JSON-ready: fold, seed, rows (of the manifest), prediction, probabilities, seconds; chosen
        and tried (the inner scores) with a search space; `test_set_selection` (prediction and
        probabilities of the best epoch on the test fold) where the recipe asks for it.
    """
    with _lock:
        return _run(job)


def _run(job: Job) -> dict:
    start = time.time()
    recipe, result = job.recipe, {"fold": job.fold.name, "seed": job.seed}
    if recipe.training.search_space:
        recipe, result["chosen"], result["tried"] = choose(job)
    estimator = _estimator(recipe, job.samples, job.seed)
    if recipe.protocol.test_set_selection:
        looks = estimator.fit(job.fold.train, watch=job.fold.test)
        truth = job.samples.labels[job.fold.test]
        right = [(p.argmax(1) == truth).sum() for p in looks]
        result["test_set_selection"] = _listed(looks[int(np.argmax(right))])
    else:
        estimator.fit(job.fold.train)
    result |= {"rows": job.fold.test.tolist(), **_listed(estimator.predict(job.fold.test))}
    return result | {"seconds": round(time.time() - start, 2)}


def choose(job: Job) -> tuple[Recipe, dict, list[float]]:
    """Choose among `training.search_space` on folds by subject inside the fold's training rows.

    Returns:
        The recipe with the values of the highest pooled UF1, these values, and every score.
    """
    inner = folds.by_subject(job.manifest, job.fold.train, job.recipe.protocol.search_folds)
    truth = job.samples.labels[np.concatenate([f.test for f in inner])]
    found, tried = trainer.candidates(job.recipe), []
    for values in found:
        estimator = _estimator(trainer.with_values(job.recipe, values), job.samples, job.seed)
        predicted = []
        for fold in inner:
            estimator.fit(fold.train)
            predicted.append(estimator.predict(fold.test).argmax(1))
        matrix = metrics.confusion_matrix(
            truth, np.concatenate(predicted), len(job.samples.classes)
        )
        tried.append(round(float(metrics.macro_f1(matrix)), 4))
    best = found[int(np.argmax(tried))]
    return trainer.with_values(job.recipe, best), best, tried


def _listed(probabilities: np.ndarray) -> dict:
    return {
        "prediction": probabilities.argmax(1).tolist(),
        "probabilities": [[round(float(p), 5) for p in row] for row in probabilities],
    }


def _estimator(recipe: Recipe, samples: Samples, seed: int) -> Estimator:
    """An estimator, or that of an earlier job with the same settings: tracing takes seconds."""
    values = recipe.to_dict() | {"protocol": recipe.protocol.test_set_selection}
    key = (json.dumps(values, default=str), seed, joblib.hash((samples.inputs, samples.targets)))
    if key not in _estimators:
        if len(_estimators) >= 16:
            _estimators.clear()
        # of two seeds with one network each, none is the other's
        _estimators[key] = estimators.make(recipe, samples, seed=1000 * seed)
    return _estimators[key]

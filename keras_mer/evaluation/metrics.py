"""Classification metrics, computed from confusion matrices; numpy only.

`METRICS` is the registry that every report reads: evaluation, cross-validation, comparisons and
experiments over several seeds. A metric added there appears in all of their tables and JSON files.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A metric and how reports show it.

    Attributes:
        name: key in metrics.json.
        title: column heading in tables.
        compute: function of confusion matrices, float64 (..., classes, classes), a row per true
            class; it keeps the leading dimensions, so that bootstrap resamples are one call.
        per_class: whether `compute` returns a value per class, (..., classes), or one, (...).
    """

    name: str
    title: str
    compute: Callable[[np.ndarray], np.ndarray]
    per_class: bool = False


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of samples on the diagonal, (...)."""
    with np.errstate(invalid="ignore"):
        return _hits(confusion).sum(-1) / confusion.sum((-2, -1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """TP / predicted per class, (..., classes); NaN for a class that is never predicted."""
    with np.errstate(invalid="ignore"):
        return _hits(confusion) / confusion.sum(-2)


def recall(confusion: np.ndarray) -> np.ndarray:
    """TP / samples per class, (..., classes); NaN for a class without samples."""
    with np.errstate(invalid="ignore"):
        return _hits(confusion) / confusion.sum(-1)


def f1(confusion: np.ndarray) -> np.ndarray:
    """2TP / (2TP + FP + FN) per class, (..., classes); NaN without samples and predictions."""
    with np.errstate(invalid="ignore"):
        return 2 * _hits(confusion) / (confusion.sum(-1) + confusion.sum(-2))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that have one, (...).

    On predictions pooled over all folds this is UF1 of MEGC 2019 (See et al. 2019).
    """
    return _mean(f1(confusion))


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall: mean recall over the classes that have samples, (...)."""
    return _mean(recall(confusion))


def _hits(confusion: np.ndarray) -> np.ndarray:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(-1) / np.maximum(known.sum(-1), 1)


#: Name -> metric, in the order of the columns of tables.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", accuracy),
        Metric("macro_f1", "macro F1", macro_f1),
        Metric("uar", "UAR", uar),
        Metric("precision", "precision", precision, per_class=True),
        Metric("recall", "recall", recall, per_class=True),
        Metric("f1", "F1", f1, per_class=True),
    )
}


def registered(*, per_class: bool) -> list[Metric]:
    """The metrics of the registry that have a value per class, or those that have one value."""
    return [metric for metric in METRICS.values() if metric.per_class == per_class]


def scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Every registered metric of confusion matrices.

    Args:
        confusion: counts, (..., classes, classes), a row per true class.

    Returns:
        Name -> float64 (...), or (..., classes) for a metric per class.
    """
    confusion = np.asarray(confusion, float)
    return {name: metric.compute(confusion) for name, metric in METRICS.items()}


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Counts, int64 (classes, classes): a row per true class, a column per predicted class.

    Args:
        truth, prediction: class indices, (samples,).
        classes: number of classes.
    """
    cells = np.asarray(truth) * classes + np.asarray(prediction)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017): mean |confidence - accuracy| over equal bins.

    Args:
        probabilities: (samples, classes).
        truth: class indices, (samples,).
        bins: number of bins of equal width over the highest probability.
    """
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == truth
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(which, confidence - correct, minlength=bins)
    return float(np.abs(gap).sum() / len(truth))

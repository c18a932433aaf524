"""Scores of a classifier, and how sure they are; numpy only.

Everything is counted from the confusion matrix of pooled predictions, so that a bootstrap can
redraw the matrix instead of the samples.
"""

import warnings
from dataclasses import dataclass

import numpy as np


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Counts, int64 (classes, classes): a row a true class, a column a predicted one.

    Args:
        truth, prediction: class indices, (samples,).
        classes: how many there are.
    """
    cells = np.asarray(truth) * classes + np.asarray(prediction)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Scores:
    """Scores of one confusion matrix, or of a stack of them (leading dimensions kept).

    A class that is neither there nor predicted has no precision, recall or F1 (nan), and the
    means leave it out.

    Attributes:
        accuracy: share of samples on the diagonal, shape (...).
        macro_f1: mean over classes of F1 (UF1 where predictions of all folds are pooled), (...).
        uar: unweighted average recall, mean over classes of recall, (...).
        precision, recall, f1: by class, (..., classes).
    """

    accuracy: np.ndarray
    macro_f1: np.ndarray
    uar: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def scores(confusion: np.ndarray) -> Scores:
    """Scores of confusion matrices, shape (..., classes, classes), a row a true class.

    F1 of a class is 2TP / (2TP + FP + FN), its recall TP / samples, as MEGC 2019 defines UF1 and
    UAR (See et al. 2019).
    """
    confusion = np.asarray(confusion, float)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    actual, predicted = confusion.sum(-1), confusion.sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / predicted, hits / actual
        f1 = 2 * hits / (actual + predicted)
        accuracy = hits.sum(-1) / confusion.sum((-2, -1))
    return Scores(accuracy, _mean(f1), _mean(recall), precision, recall, f1)


def _mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(-1) / np.maximum(known.sum(-1), 1)


def bootstrap(
    truth: np.ndarray,
    prediction: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    repeats: int = 2000,
    seed: int = 0,
) -> np.ndarray:
    """Confusion matrices of resampled data, int64 (repeats, classes, classes).

    Args:
        truth, prediction: class indices, (samples,).
        classes: how many there are.
        groups: who each sample shows, (samples,), any type: whole groups are then drawn, because
            one person's samples are not independent (the cluster bootstrap). None draws samples.
        repeats: matrices to draw.
        seed: of the draw.
    """
    cells = np.asarray(truth) * classes + np.asarray(prediction)
    drawn = _redraw(cells, classes**2, groups, repeats, seed)
    return drawn.reshape(repeats, classes, classes)


def _redraw(
    cells: np.ndarray, count: int, groups: np.ndarray | None, repeats: int, seed: int
) -> np.ndarray:
    """How often each cell comes up in resampled data, int64 (repeats, count)."""
    random = np.random.default_rng(seed)
    if groups is None:
        counts = np.bincount(cells, minlength=count)
        # Drawing n samples with replacement is one multinomial draw over the cells.
        return random.multinomial(counts.sum(), counts / counts.sum(), repeats)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    by_group = np.zeros((len(names), count), np.int64)
    np.add.at(by_group, (index, cells), 1)
    weights = random.multinomial(len(names), np.full(len(names), 1 / len(names)), repeats)
    return weights @ by_group


def paired_bootstrap(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    repeats: int = 2000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Confusion matrices of two models on the same resampled data, each as `bootstrap` gives them.

    Both see every redrawn sample, so that what makes the samples hard cancels in the difference.

    Args:
        truth: class indices, (samples,).
        first, second: what each model says, (samples,).
        classes, groups, repeats, seed: as for `bootstrap`.
    """
    # One cell for each (truth, first, second): either model's matrix is a sum over the other.
    cells = (np.asarray(truth) * classes + np.asarray(first)) * classes + np.asarray(second)
    drawn = _redraw(cells, classes**3, groups, repeats, seed)
    drawn = drawn.reshape(repeats, classes, classes, classes)
    return drawn.sum(3), drawn.sum(2)


def two_sided_p(differences: np.ndarray) -> float:
    """How often a bootstrapped difference lies on the other side of 0, twice: a p-value."""
    share = min(np.mean(differences <= 0), np.mean(differences >= 0))
    # Never 0: that many repeats cannot show less than one in them.
    return float(min(1.0, 2 * max(share, 1 / len(differences))))


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap values, along the first axis; nan are left out.

    Where all are nan, as the F1 of a class that nothing shows and nobody says, so is the interval.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017): mean |confidence - accuracy| over equal bins.

    Args:
        probabilities: (samples, classes).
        truth: class indices, (samples,).
        bins: bins of equal width over the highest probability.
    """
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == truth
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(which, confidence - correct, minlength=bins)
    return float(np.abs(gap).sum() / len(truth))

"""Bootstrap resampling of predictions, and percentile intervals of every registered metric.

Samples are drawn with replacement, or whole groups: samples of one subject are not independent,
so where subjects are known they are drawn as a whole (the cluster bootstrap). Resamples are
confusion matrices, so that a metric is computed once for all of them.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from keras_mer.evaluation import metrics

REPEATS = 2000


@dataclass(frozen=True, eq=False)
class Estimate:
    """Metrics of predictions, and the same metrics on each bootstrap resample.

    Attributes:
        values: metric name -> float64 (), or (classes,) for a metric per class.
        draws: metric name -> float64 (repeats,), or (repeats, classes).
    """

    values: dict[str, np.ndarray]
    draws: dict[str, np.ndarray]

    def __sub__(self, other: "Estimate") -> "Estimate":
        """The difference of two estimates whose draws are of the same resampled data."""
        return Estimate(
            {name: self.values[name] - other.values[name] for name in self.values},
            {name: self.draws[name] - other.draws[name] for name in self.draws},
        )

    def intervals(self, names: Iterable[str] | None = None) -> dict[str, list]:
        """Metric name -> [value, low, high] at 95 %, or a list of these per class; JSON-ready.

        Numbers are rounded to 4 digits; None stands for a metric that is not defined.

        Args:
            names: the metrics to return; by default all.
        """
        out = {}
        for name in self.values if names is None else names:
            value = np.stack([self.values[name], *interval(self.draws[name])], axis=-1)
            out[name] = np.where(np.isnan(value), None, value.round(4)).tolist()
        return out


def estimate(
    truth: np.ndarray,
    prediction: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Estimate:
    """Metrics of one model's predictions.

    Args:
        truth, prediction: class indices, (samples,).
        classes: number of classes.
        groups: group of each sample, e.g. its subject, (samples,), any type; whole groups are
            drawn. None draws samples.
        repeats: number of resamples.
        seed: of the resampling.
    """
    matrices = resample(truth, prediction, classes, groups=groups, repeats=repeats, seed=seed)
    return _of_resamples(truth, prediction, classes, matrices)


def estimate_pair(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> tuple[Estimate, Estimate]:
    """Metrics of two models on the same resamples, so that their difference is paired.

    Args:
        truth: class indices, (samples,).
        first, second: predictions of each model, (samples,).
        classes, groups, repeats, seed: as for `estimate`.
    """
    pair = resample_pair(truth, first, second, classes, groups=groups, repeats=repeats, seed=seed)
    one, two = (
        _of_resamples(truth, prediction, classes, matrices)
        for prediction, matrices in zip((first, second), pair, strict=True)
    )
    return one, two


def _of_resamples(
    truth: np.ndarray, prediction: np.ndarray, classes: int, matrices: np.ndarray
) -> Estimate:
    values = metrics.scores(metrics.confusion_matrix(truth, prediction, classes))
    return Estimate(values, metrics.scores(matrices))


def estimate_seeds(
    truth: np.ndarray,
    runs: Sequence[np.ndarray],
    classes: int,
    *,
    groups: np.ndarray | None = None,
    against: Sequence[np.ndarray] | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Estimate:
    """Metrics as the mean over training seeds; both the samples and the seeds are resampled.

    Args:
        truth: class indices, (samples,).
        runs: predictions of each seed's run, (samples,) each. A resample of the data is the same
            for all of them.
        against: runs of another model, one per seed; the estimate is then the difference, `runs`
            minus these.
        classes, groups, repeats, seed: as for `estimate`.
    """
    counts = _sample_counts(len(truth), groups, repeats, seed).astype(np.float32)
    chosen = np.random.default_rng(seed + 1).integers(0, len(runs), (repeats, len(runs)))
    found = _mean_over_seeds(truth, runs, classes, counts, chosen)
    if against is None:
        return found
    return found - _mean_over_seeds(truth, against, classes, counts, chosen % len(against))


def _mean_over_seeds(
    truth: np.ndarray,
    runs: Sequence[np.ndarray],
    classes: int,
    counts: np.ndarray,
    chosen: np.ndarray,
) -> Estimate:
    values, draws = [], []
    for run in runs:
        cells = np.eye(classes**2, dtype=np.float32)[truth * classes + run]
        values.append(metrics.scores(cells.sum(0).reshape(classes, classes)))
        draws.append(metrics.scores((counts @ cells).reshape(-1, classes, classes)))
    repeat = np.arange(len(counts))[:, None]
    return Estimate(
        {name: np.mean([v[name] for v in values], axis=0) for name in values[0]},
        {
            name: np.stack([d[name] for d in draws], axis=1)[repeat, chosen].mean(1)
            for name in draws[0]
        },
    )


def mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates whose draws are of the same resampled data."""
    return Estimate(
        {
            name: np.mean([e.values[name] for e in estimates], axis=0)
            for name in estimates[0].values
        },
        {name: np.mean([e.draws[name] for e in estimates], axis=0) for name in estimates[0].draws},
    )


def resample(
    truth: np.ndarray,
    prediction: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> np.ndarray:
    """Confusion matrices of resampled data, int64 (repeats, classes, classes); see `estimate`."""
    cells = np.asarray(truth) * classes + np.asarray(prediction)
    counts = _cell_counts(cells, classes**2, groups, repeats, seed)
    return counts.reshape(repeats, classes, classes)


def resample_pair(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Confusion matrices of two models on the same resampled data; see `estimate_pair`."""
    # One cell for each (truth, first, second): either model's matrix is a sum over the other.
    cells = (np.asarray(truth) * classes + np.asarray(first)) * classes + np.asarray(second)
    counts = _cell_counts(cells, classes**3, groups, repeats, seed)
    counts = counts.reshape(repeats, classes, classes, classes)
    return counts.sum(3), counts.sum(2)


def _cell_counts(
    cells: np.ndarray, count: int, groups: np.ndarray | None, repeats: int, seed: int
) -> np.ndarray:
    """How often each cell occurs in each resample, int64 (repeats, count)."""
    if groups is None:
        # Drawing n samples with replacement is one multinomial draw over the cells.
        counts = np.bincount(cells, minlength=count)
        random = np.random.default_rng(seed)
        return random.multinomial(counts.sum(), counts / counts.sum(), repeats)
    weights, index = _group_counts(groups, repeats, seed)
    by_group = np.zeros((weights.shape[1], count), np.int64)
    np.add.at(by_group, (index, cells), 1)
    return weights @ by_group


def _sample_counts(samples: int, groups: np.ndarray | None, repeats: int, seed: int) -> np.ndarray:
    """How often each sample occurs in each resample, int64 (repeats, samples)."""
    if groups is None:
        return _cell_counts(np.arange(samples), samples, None, repeats, seed)
    weights, index = _group_counts(groups, repeats, seed)
    return weights[:, index]


def _group_counts(groups: np.ndarray, repeats: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each group is drawn, int64 (repeats, groups), and each sample's group index."""
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    random = np.random.default_rng(seed)
    weights = random.multinomial(len(names), np.full(len(names), 1 / len(names)), repeats)
    return weights, index


def interval(draws: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval of bootstrap draws along the first axis; NaN draws are ignored.

    Where all draws are NaN, e.g. the F1 of a class without samples and predictions, so are both
    ends.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def two_sided_p(differences: np.ndarray) -> float:
    """Two-sided bootstrap p-value of no difference: twice the smaller share of draws beyond 0."""
    share = min(np.mean(differences <= 0), np.mean(differences >= 0))
    # Never 0: this many draws cannot show a smaller share than one of them.
    return float(min(1.0, 2 * max(share, 1 / len(differences))))

"""What features are worth: nearest neighbours, a linear probe, and few labels to learn from."""

import keras
import numpy as np

from keras_mer.evaluation import metrics


def embed(body: keras.Model, images: np.ndarray, batch: int = 256) -> np.ndarray:
    """Features of length one, float32 (samples, features), of uint8 (samples, h, w, c)."""
    out = []
    for start in range(0, len(images), batch):
        x = np.asarray(images[start : start + batch], np.float32)
        out.append(np.asarray(body.predict_on_batch(x), np.float32))
    found = np.concatenate(out)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def neighbours(known: np.ndarray, asked: np.ndarray, k: int) -> np.ndarray:
    """The rows of `known` most like each of `asked`, most alike first: int64 (asked, k).

    Both are features of length one; likeness is the cosine.
    """
    out = []
    for start in range(0, len(asked), 1024):
        likeness = asked[start : start + 1024] @ known.T
        best = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(likeness, best, 1), axis=1, kind="stable")
        out.append(np.take_along_axis(best, order, 1))
    return np.concatenate(out)


def nearest(
    known: np.ndarray,
    labels: np.ndarray,
    asked: np.ndarray,
    classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> np.ndarray:
    """Votes of the k nearest neighbours, float64 (asked, classes), each row adding up to 1.

    A neighbour weighs exp(cosine / temperature) (Wu et al. 2018, as DINO's evaluation has it).

    Args:
        known, asked: features of length one.
        labels: class indices of `known`.
        classes: how many there are.
    """
    k = min(k, len(known))
    rows = neighbours(known, asked, k)
    likeness = np.einsum("af,akf->ak", asked, known[rows])
    weights = np.exp((likeness - likeness.max(1, keepdims=True)) / temperature)
    votes = np.zeros((len(asked), classes))
    np.add.at(votes, (np.arange(len(asked))[:, None], labels[rows]), weights)
    return votes / votes.sum(1, keepdims=True)


def linear(
    known: np.ndarray, labels: np.ndarray, asked: np.ndarray, classes: int, seed: int = 0
) -> np.ndarray:
    """Probabilities, float64 (asked, classes), of a linear classifier on frozen features.

    Logistic regression on standardised features. Its strength of regularisation is chosen on a
    fifth of `known`, never on what is asked.
    """
    from sklearn.linear_model import LogisticRegression

    mean, spread = known.mean(0), known.std(0) + 1e-6
    known, asked = (known - mean) / spread, (asked - mean) / spread

    def fit(rows, c):
        return LogisticRegression(C=c, max_iter=300).fit(known[rows], labels[rows])

    shuffled = np.random.default_rng(seed).permutation(len(known))
    held, rest = np.split(shuffled, [max(1, len(known) // 5)])
    c = 0.01
    if len(np.unique(labels[rest])) == len(np.unique(labels)):
        tried = {c: fit(rest, c).score(known[held], labels[held]) for c in (0.001, 0.01, 0.1, 1.0)}
        c = max(tried, key=tried.get)
    model = fit(np.arange(len(known)), c)
    out = np.zeros((len(asked), classes))
    out[:, model.classes_] = model.predict_proba(asked)
    return out


def rank(features: np.ndarray) -> float:
    """How many directions features use: the exponential of their singular values' entropy.

    RankMe (Garrido et al. 2023), of centred features, so that 1 means that all lie on a line.
    """
    values = np.linalg.svd(features - features.mean(0), compute_uv=False)
    share = values / max(values.sum(), 1e-12)
    return float(np.exp(-(share * np.log(share + 1e-12)).sum()))


def principal(features: np.ndarray, count: int) -> np.ndarray:
    """The first principal components, (samples, count)."""
    centred = features - features.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:count].T


def pooled(
    truth: np.ndarray,
    runs: list[np.ndarray],
    classes: int,
    groups: np.ndarray | None = None,
    against: list[np.ndarray] | None = None,
    repeats: int = 2000,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Accuracy, macro F1 and UAR as the mean over seeds, each as [value, low, high] at 95 %.

    The interval redraws the samples (or whole subjects), the same for every run, and the seeds.

    Args:
        truth: class indices, (samples,).
        runs: class indices that each seed's run predicts, (samples,) each.
        groups: who each sample shows, see `metrics.bootstrap`.
        against: other runs, one a seed: the scores are then differences, `runs` less these.
    """
    weights = _weights(len(truth), groups, repeats, seed)
    random = np.random.default_rng(seed + 1)
    chosen = random.integers(0, len(runs), (repeats, len(runs)))
    found = [_of_seeds(truth, runs, classes, weights, chosen)]
    if against is not None:
        found.append(_of_seeds(truth, against, classes, weights, chosen % len(against)))
    out = {}
    for name in ("accuracy", "macro_f1", "uar"):
        point, drawn = found[0][name]
        if against is not None:
            point, drawn = point - found[1][name][0], drawn - found[1][name][1]
        out[name] = [round(float(v), 4) for v in (point, *metrics.interval(drawn))]
    return out


def _weights(count: int, groups: np.ndarray | None, repeats: int, seed: int) -> np.ndarray:
    """How often each sample is redrawn, float32 (repeats, samples)."""
    random = np.random.default_rng(seed)
    if groups is None:
        return random.multinomial(count, np.full(count, 1 / count), repeats).astype(np.float32)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), repeats)
    return drawn[:, index].astype(np.float32)


def _of_seeds(truth, runs, classes: int, weights: np.ndarray, chosen: np.ndarray) -> dict:
    """Name of a score -> its mean over the seeds, and that of each redrawing, (repeats,)."""
    points, drawn = [], []
    for run in runs:
        cells = np.eye(classes**2, dtype=np.float32)[truth * classes + run]
        points.append(metrics.scores(cells.sum(0).reshape(classes, classes)))
        drawn.append(metrics.scores((weights @ cells).reshape(-1, classes, classes)))
    out = {}
    for name in ("accuracy", "macro_f1", "uar"):
        spread = np.stack([getattr(d, name) for d in drawn], axis=1)
        mean = np.take_along_axis(spread, chosen, axis=1).mean(1)
        out[name] = float(np.mean([getattr(p, name) for p in points])), mean
    return out

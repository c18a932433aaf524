"""What features are worth: nearest neighbours, a linear probe, and few labels to learn from."""

import dataclasses
from collections import defaultdict

import keras
import numpy as np

from keras_mer import metrics
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError

#: The note of a train row whose label is not used.
UNUSED_NOTE = "label not used"


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


def order(manifest: Manifest, seed: int) -> np.ndarray:
    """The rows in an order of which any beginning is a fair small sample: int64 (samples,).

    By class: every beginning holds the classes in their shares, and each at least once. Where
    every row names its subject, subjects come one after the other, each stratified within, so
    that few labels are labels of few people.
    """
    random = np.random.default_rng(seed)
    groups: dict[str, list[int]] = defaultdict(list)
    by_subject = all(s.subject for s in manifest)
    for row, sample in enumerate(manifest):
        groups[sample.subject if by_subject else ""].append(row)
    names = sorted(groups)
    out = [
        _stratified(manifest.samples, groups[names[i]], random)
        for i in random.permutation(len(names))
    ]
    return np.concatenate(out)


def _stratified(samples: tuple[Sample, ...], rows: list[int], random) -> np.ndarray:
    by_class: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_class[samples[row].label].append(row)
    places = []
    for name in sorted(by_class):
        own = random.permutation(by_class[name])
        # The first of every class at the start, the others at equal distances.
        place = np.where(np.arange(len(own)) == 0, 0, (np.arange(len(own)) + random.uniform()))
        places += [(p / len(own), random.uniform(), row) for p, row in zip(place, own, strict=True)]
    return np.array([row for _, _, row in sorted(places)], np.int64)


def few_labels(manifest: Manifest, fraction: float, seed: int) -> Manifest:
    """The manifest with a share of its train rows, the others dropped with a note.

    With one seed, smaller shares are parts of larger ones (see `order`); a few rows more are taken
    where a class would be missing.

    Raises:
        UserError: for a share that is none.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"labels: expected a share above 0 and up to 1, got {fraction:g}")
    if fraction == 1:
        return manifest
    train = [i for i, s in enumerate(manifest) if s.split == "train"]
    part = manifest.replace(manifest.samples[i] for i in train)
    rows = order(part, seed)
    count = max(1, round(fraction * len(rows)))
    labels = np.array([s.label for s in part])[rows]
    missing = set(labels) - set(labels[:count])
    if missing:
        count = max(int(np.argmax(labels == name)) + 1 for name in missing)
    kept = {train[i] for i in rows[:count]}
    return manifest.replace(
        dataclasses.replace(s, split="dropped", note=UNUSED_NOTE)
        if s.split == "train" and i not in kept
        else s
        for i, s in enumerate(manifest)
    )


def hold_out(manifest: Manifest, share: float, seed: int = 0) -> Manifest:
    """A manifest without a test part gets one: its validation; train gives a share for that.

    So that epochs are chosen on images that nothing is measured on. By subject where every row
    names one. A manifest with a test part, or a share of 0, stays as it is.
    """
    if not share or manifest.counts("split")["test"]:
        return manifest
    chosen = few_labels(manifest, share, seed)
    taken = {i for i, s in enumerate(chosen) if s.split == "train"}

    def place(row: int, sample: Sample) -> Sample:
        if sample.split == "validation":
            return dataclasses.replace(sample, split="test")
        return dataclasses.replace(sample, split="validation") if row in taken else sample

    return manifest.replace(place(i, s) for i, s in enumerate(manifest))


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

"""Frozen features: extraction, k-nearest-neighbor classification, effective rank, projection."""

import keras
import numpy as np


def embed(backbone: keras.Model, images: np.ndarray, batch: int = 256) -> np.ndarray:
    """L2-normalized features, float32 (samples, features), of uint8 images (samples, h, w, c)."""
    out = []
    for start in range(0, len(images), batch):
        x = np.asarray(images[start : start + batch], np.float32)
        out.append(np.asarray(backbone.predict_on_batch(x), np.float32))
    found = np.concatenate(out)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def neighbors(train: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Rows of `train` with the highest cosine similarity to each query: int64 (queries, k).

    Args:
        train, queries: L2-normalized features, (rows, features).
        k: number of neighbors, the most similar first.
    """
    out = []
    for start in range(0, len(queries), 1024):
        similarity = queries[start : start + 1024] @ train.T
        best = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(similarity, best, 1), axis=1, kind="stable")
        out.append(np.take_along_axis(best, order, 1))
    return np.concatenate(out)


def classify(
    train: np.ndarray,
    labels: np.ndarray,
    queries: np.ndarray,
    classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> np.ndarray:
    """Weighted k-NN votes, float64 (queries, classes), each row adding up to 1.

    A neighbor has the weight exp(cosine / temperature) (Wu et al. 2018), as in the evaluation of
    DINO (Caron et al. 2021).

    Args:
        train, queries: L2-normalized features, (rows, features).
        labels: class indices of `train`, (rows,).
        classes: number of classes.
        k: number of neighbors, at most the rows of `train`.
        temperature: of the weights.
    """
    k = min(k, len(train))
    rows = neighbors(train, queries, k)
    similarity = np.einsum("qf,qkf->qk", queries, train[rows])
    weights = np.exp((similarity - similarity.max(1, keepdims=True)) / temperature)
    votes = np.zeros((len(queries), classes))
    np.add.at(votes, (np.arange(len(queries))[:, None], labels[rows]), weights)
    return votes / votes.sum(1, keepdims=True)


def rank(features: np.ndarray) -> float:
    """Effective rank: the exponential of the entropy of the singular values.

    RankMe (Garrido et al. 2023), but of centered features: features on a line have rank 1.

    Args:
        features: (samples, features).
    """
    values = np.linalg.svd(features - features.mean(0), compute_uv=False)
    share = values / max(values.sum(), 1e-12)
    return float(np.exp(-(share * np.log(share + 1e-12)).sum()))


def principal_components(features: np.ndarray, count: int) -> np.ndarray:
    """Features projected on their first principal components, (samples, count)."""
    centered = features - features.mean(0)
    _, _, directions = np.linalg.svd(centered, full_matrices=False)
    return centered @ directions[:count].T

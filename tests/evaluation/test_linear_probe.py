"""The linear probe, and the k-NN classifier on the same features."""

import numpy as np
import pytest

from keras_mer.evaluation import knn, linear_probe


def clusters(std=0.3, count=60):
    random = np.random.default_rng(0)
    centers = np.eye(3, 8)
    labels = np.arange(count) % 3
    x = centers[labels] + std * random.normal(size=(count, 8))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("f"), labels


@pytest.mark.parametrize("probe", [knn, linear_probe])
def test_classes_are_found_in_features_and_not_in_shuffled_labels(probe):
    x, labels = clusters()
    votes = probe.classify(x[:40], labels[:40], x[40:], 3)
    np.testing.assert_allclose(votes.sum(1), 1, rtol=1e-6)
    assert (votes.argmax(1) == labels[40:]).mean() > 0.8
    shuffled = np.random.default_rng(1).permutation(labels)
    chance = (probe.classify(x[:40], shuffled[:40], x[40:], 3).argmax(1) == shuffled[40:]).mean()
    assert chance < 0.75


def test_one_label_per_class_is_enough_to_fit():
    x, labels = clusters()
    assert linear_probe.classify(x[:3], labels[:3], x, 3).shape == (60, 3)
    assert knn.classify(x[:3], labels[:3], x, 3).argmax(1).max() < 3

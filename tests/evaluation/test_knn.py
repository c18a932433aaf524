import numpy as np
import pytest

from keras_mer.evaluation import knn


def test_neighbors_vote_by_their_similarity():
    known = np.array([[1, 0], [0.8, 0.6], [0, 1]], "f")
    votes = knn.classify(known, np.array([0, 1, 1]), np.array([[1, 0]], "f"), 2, k=2)
    a, b = np.exp(1 / 0.07), np.exp(0.8 / 0.07)
    np.testing.assert_allclose(votes, [[a / (a + b), b / (a + b)]], rtol=1e-4)
    np.testing.assert_array_equal(knn.neighbors(known, known[:1], 3), [[0, 1, 2]])


def test_rank_counts_directions():
    random = np.random.default_rng(0)
    line = random.normal(size=(500, 1)) * np.ones((1, 10)) + 3
    assert knn.rank(line) == pytest.approx(1, abs=0.01)
    assert knn.rank(random.normal(size=(500, 10))) == pytest.approx(10, abs=0.3)
    plane = random.normal(size=(500, 2)) @ random.normal(size=(2, 10))
    projected = knn.principal_components(plane, 2)
    assert projected.var(0).sum() == pytest.approx(plane.var(0).sum())

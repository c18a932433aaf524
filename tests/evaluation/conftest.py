"""Predictions that the tests of metrics and of intervals share."""

import numpy as np
import pytest


@pytest.fixture
def answers():
    random = np.random.default_rng(3)
    truth = random.choice(5, 400, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    noise = random.integers(0, 5, 400)
    return truth, np.where(random.random(400) < 0.6, truth, noise)

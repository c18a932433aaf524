import numpy as np
import pytest

from keras_mer.evaluation import disturbances


@pytest.fixture
def faces():
    random = np.random.default_rng(0)
    return random.integers(60, 200, (30, 48, 48, 1)).astype(np.uint8)


@pytest.mark.parametrize("name", disturbances.DISTURBANCES)
def test_every_disturbance_changes_every_image_and_keeps_its_shape(faces, name):
    out = disturbances.apply(name, faces)
    assert out.dtype == np.uint8 and out.shape == faces.shape
    assert (out != faces).any((1, 2, 3)).all()
    np.testing.assert_array_equal(out, disturbances.apply(name, faces))


def test_the_table_subtracts_accuracies(faces):
    truth = np.arange(30) % 2

    def darkness(images):
        """Right on images as they are; says class 0 on every image that is darker."""
        dark = images.mean((1, 2, 3)) < 120
        said = np.where(dark, 0, truth)
        return np.eye(2)[said]

    found = disturbances.table(darkness, faces, truth, darkness(faces))
    assert found["accuracy"] == 1
    costs = {
        name: 50.0 if disturbances.apply(name, faces).mean() < 120 else 0.0
        for name in disturbances.DISTURBANCES
    }
    assert found["cost"] == costs
    assert costs["gamma 1.6"] == costs["light from 0.4 to 1"] == 50
    assert found["worst"] == 50 and found["mean"] == pytest.approx(
        np.mean(list(costs.values())), abs=0.01
    )

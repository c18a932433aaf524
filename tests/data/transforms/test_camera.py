import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_mer.config.recipe import Augment
from keras_mer.data import pipeline
from keras_mer.data.inputs import Samples
from keras_mer.data.transforms import camera


@pytest.fixture(scope="module")
def photo():
    """A smooth random texture with an edge: float32 (48, 48, 1), 40..220."""
    random = np.random.default_rng(0)
    coarse = random.uniform(40, 160, (6, 6)).astype(np.float32)
    image = cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC).clip(40, 160)
    image[:, 24:] += 60
    return image[..., np.newaxis]


def test_noise_has_the_given_deviation_and_no_mean(photo):
    difference = camera.noise(photo, 12, np.random.default_rng(1)) - photo
    assert abs(difference.std() - 12) < 1 and abs(difference.mean()) < 1


def test_blur_spreads_a_point_as_a_gaussian():
    point = np.zeros((21, 21, 1), np.float32)
    point[10, 10] = 100
    y, x = np.mgrid[-10:11, -10:11]
    expected = np.exp(-(x**2 + y**2) / 2)
    expected *= 100 / expected.sum()
    np.testing.assert_allclose(camera.blur(point, 1)[..., 0], expected, atol=0.05)


def test_rescale_keeps_what_the_smaller_size_can_hold(photo):
    blocks = np.repeat(np.repeat(photo[::4, ::4], 4, 0), 4, 1)
    means = camera.rescale(blocks, 12)[..., 0].reshape(12, 4, 12, 4).mean((1, 3))
    np.testing.assert_allclose(means[1:-1, 1:-1], blocks[::4, ::4, 0][1:-1, 1:-1], atol=25)
    assert camera.rescale(photo, 24).std() < photo.std()


def test_jpeg_of_lower_quality_is_further_away(photo):
    errors = [np.abs(camera.jpeg(photo, q) - photo).mean() for q in (95, 50, 10)]
    assert errors[0] < errors[1] < errors[2] and errors[0] < 1.5


def test_formulas(photo):
    np.testing.assert_allclose(camera.contrast(photo, 0.3), 128 + 0.3 * (photo - 128), rtol=1e-5)
    np.testing.assert_allclose(camera.gamma(photo, 1.6), 255 * (photo / 255) ** 1.6, rtol=1e-5)
    light = camera.ramp(np.ones_like(photo), 0.4)[..., 0]
    np.testing.assert_allclose(light[7], np.linspace(0.4, 1, 48), atol=1e-5)
    upright = camera.ramp(np.ones_like(photo), 0.4, np.pi / 2)[..., 0]
    np.testing.assert_allclose(upright, light.T, atol=1e-5)


def test_equalize_spreads_the_histogram(photo):
    dull = camera.contrast(photo, 0.2)
    assert np.ptp(dull) < 60 and np.ptp(camera.equalize(dull)) == 255


@pytest.mark.parametrize("channels", [1, 3])
def test_disturb_changes_the_given_share_of_a_batch(photo, channels):
    batch = np.repeat(np.repeat(photo[np.newaxis], 200, 0), channels, -1).round()
    before = batch.copy()
    out = camera.disturb(batch, 0.4, np.random.default_rng(0))
    assert out.dtype == np.float32 and out.shape == batch.shape
    assert out.min() >= 0 and out.max() <= 255 and (out == out.round()).all()
    changed = (out != batch).any((1, 2, 3))
    assert 50 < changed.sum() < 110
    assert len(np.unique(out[changed], axis=0)) > 0.8 * changed.sum()  # each in its own way
    np.testing.assert_array_equal(batch, before)
    again = camera.disturb(batch, 0.4, np.random.default_rng(0))
    np.testing.assert_array_equal(out, again)
    assert (camera.disturb(batch, 0, np.random.default_rng(0)) == batch).all()


def test_the_training_pipeline_disturbs_its_batches(photo):
    inputs = np.repeat(photo[np.newaxis], 20, 0).round().astype(np.uint8)
    targets = np.eye(2, dtype=np.float32)[np.arange(20) % 2]
    samples = Samples(inputs, targets, targets.argmax(1), ("a", "b"))
    for share, changed in ((0.0, 0), (1.0, 20)):
        augment = Augment(flip=False, shift=0, rotate=0, zoom=0, camera=share)
        data = pipeline.training_batches(
            samples, np.arange(20), 20, kind="image", augment=augment, deterministic=True
        )
        x, _ = next(iter(data))
        assert x.dtype == tf.float32 and x.shape == (20, 48, 48, 1)
        assert (x.numpy() != inputs[0]).any((1, 2, 3)).sum() == changed

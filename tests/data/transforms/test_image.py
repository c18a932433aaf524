import keras
import numpy as np
import pytest

from keras_mer.config.recipe import Augment
from keras_mer.data.transforms import image as image_transforms

OFF = Augment(flip=False, shift=0, rotate=0, zoom=0)


@pytest.fixture
def image():
    """A bright square, off center, on gray."""
    picture = np.full((1, 40, 40, 1), 50, np.float32)
    picture[:, 10:16, 8:14] = 200
    return picture


def centre(image):
    weight = image[..., 0] - 50
    y, x = np.mgrid[:40, :40]
    return (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()


def moved(image, times=60, **settings):
    layer = image_transforms.RandomAffine(
        **{"flip": False, "shift": 0, "rotate": 0, "zoom": 0} | settings, seed=0
    )
    batch = np.repeat(image, times, axis=0)
    return keras.ops.convert_to_numpy(layer(batch, training=True))


def test_no_augmentation_changes_nothing(image):
    assert image_transforms.image_layers(OFF) == [] and image_transforms.mixing_layers(OFF) == []
    np.testing.assert_allclose(moved(image), np.repeat(image, 60, axis=0), atol=1e-3)


def test_outside_training_nothing_is_changed(image):
    layer = image_transforms.RandomAffine()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(image, training=False)), image)


def test_flip_mirrors_about_half(image):
    out = moved(image, flip=True)
    mirrored = [np.allclose(o, image[0, :, ::-1], atol=1e-2) for o in out]
    same = [np.allclose(o, image[0], atol=1e-2) for o in out]
    assert all(a or b for a, b in zip(mirrored, same, strict=True))
    assert 15 < sum(mirrored) < 45


def test_shift_moves_each_image_by_its_own_amount_within_the_limit(image):
    x, y = np.array([centre(o) for o in moved(image, shift=0.1)]).T
    for found, start in ((x, 10.5), (y, 12.5)):
        assert np.abs(found - start).max() <= 4.1  # 0.1 of 40 pixels
        assert np.abs(found - start).max() > 3
        assert len(np.unique(found.round(2))) > 30


def test_rotation_turns_about_the_middle_by_at_most_the_angle(image):
    middle = 19.5
    out = np.array([centre(o) for o in moved(image, rotate=20)]) - middle
    start = np.array([10.5, 12.5]) - middle
    angles = np.degrees(np.arctan2(out[:, 1], out[:, 0]) - np.arctan2(start[1], start[0]))
    np.testing.assert_allclose(np.hypot(*out.T), np.hypot(*start), rtol=0.05)
    assert 15 < np.abs(angles).max() <= 20.5 and angles.min() < 0 < angles.max()


def test_zoom_scales_about_the_middle(image):
    out = np.array([centre(o) for o in moved(image, zoom=0.2)]) - 19.5
    scale = np.hypot(*out.T) / np.hypot(9, 7)
    assert 0.78 < scale.min() < 0.88 and 1.12 < scale.max() < 1.22


def test_a_seed_repeats_and_the_configuration_round_trips(image):
    np.testing.assert_array_equal(moved(image, shift=0.1), moved(image, shift=0.1))
    layer = image_transforms.RandomAffine(True, 0.1, 5, 0.2, 7)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()


def test_values_stay_pixels():
    config = Augment(brightness=0.3, contrast=0.5, erase=1.0)
    x = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 1)).astype(np.float32)
    for layer in image_transforms.image_layers(config):
        x = layer(x, training=True)
    x = keras.ops.convert_to_numpy(x)
    assert x.min() >= 0 and x.max() <= 255 and x.shape == (8, 32, 32, 1)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_mixes_labels_as_it_mixes_images(kind):
    (layer,) = image_transforms.mixing_layers(Augment(**{kind: 1.0}), seed=1)
    # each image is flat and its value is its class: shares of values must be shares of labels,
    # but for cutmix's rectangle, which is rounded to whole pixels
    images = np.arange(8, dtype=np.float32)[:, None, None, None] * np.ones((1, 64, 64, 1), "f")
    labels = np.eye(8, dtype=np.float32)
    out = layer({"images": images, "labels": labels}, training=True)
    labels = keras.ops.convert_to_numpy(out["labels"])
    means = keras.ops.convert_to_numpy(out["images"]).mean((1, 2, 3))
    np.testing.assert_allclose(labels.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(labels @ np.arange(8), means, atol=0.01 if kind == "mixup" else 0.15)
    assert (labels.max(1) < 0.99).sum() > 2

"""Multi-crop: number, size and position of the crops."""

import keras
import numpy as np
import pytest

from keras_mer.data.transforms import multicrop
from keras_mer.errors import UserError

PLAIN = multicrop.ViewAugmentation(flip=False, brightness=0, contrast=0, blur=0, solarize=0)


@pytest.fixture(scope="module")
def crop_places():
    """Crops of an image whose pixels are their own coordinates."""
    rows, columns = np.mgrid[0:40, 0:40].astype(np.float32)
    image = np.stack([rows, columns, 0 * rows], axis=-1)
    keras.utils.set_random_seed(0)
    views = multicrop.MultiCrop(40, 16, 3, (0.5, 1.0), (0.05, 0.14), PLAIN)
    import tensorflow as tf

    return {k: v.numpy() for k, v in views(tf.constant(np.stack([image] * 400))).items()}


def test_two_global_and_n_local_crops(crop_places):
    assert crop_places["global"].shape == (400, 2, 40, 40, 3)
    assert crop_places["local"].shape == (400, 3, 16, 16, 3)


@pytest.mark.parametrize(("kind", "scale"), [("global", (0.5, 1.0)), ("local", (0.05, 0.14))])
def test_crops_have_the_requested_areas_and_shapes(crop_places, kind, scale):
    views = crop_places[kind].reshape(-1, *crop_places[kind].shape[2:])
    high = (views[:, -1, 0, 0] - views[:, 0, 0, 0]) / 39
    wide = (views[:, 0, -1, 1] - views[:, 0, 0, 1]) / 39
    area = high * wide
    assert scale[0] * 0.95 < area.min() and area.max() < scale[1] * 1.05
    assert area.max() - area.min() > 0.7 * (scale[1] - scale[0])
    assert (wide / high).min() > 0.74 and (wide / high).max() < 1.35
    # area and shape are drawn apart: the layer's own seed would give both the same number
    if kind == "local":
        assert abs(np.corrcoef(area, wide / high)[0, 1]) < 0.2
    assert views[:, 0, 0, 0].min() < 2 and views[:, -1, -1, 1].max() > 37


def test_every_crop_has_its_own_window(crop_places):
    corners = crop_places["global"][:, :, 0, 0, :2].reshape(-1, 2)
    assert len(np.unique(corners.round(3), axis=0)) > 700


def test_a_clip_gives_all_its_views_from_one_frame():
    clips = (
        np.zeros((6, 5, 20, 20, 1), np.uint8)
        + 40 * np.arange(5, dtype=np.uint8)[:, None, None, None]
    )
    views = multicrop.MultiCrop(20, 10, 2, augmentation=PLAIN)
    seen = set()
    for number, batch in enumerate(multicrop.view_batches(clips, 6, views)):
        for large, small in zip(batch["global"].numpy(), batch["local"].numpy(), strict=True):
            levels = {round(float(v)) for view in (large, small) for v in np.unique(view.round(3))}
            assert len(levels) == 1
            seen |= levels
        if number == 5:
            break
    assert seen == {0, 40, 80, 120, 160}


def test_crops_do_not_reveal_the_brightness_of_the_image():
    random = np.random.default_rng(0)
    faces = random.uniform(-1, 1, (200, 6, 6, 1)).repeat(4, axis=1).repeat(4, axis=2)
    faces[:100] = 50 + 40 * faces[:100]  # dark and pale
    faces[100:] = 180 + 60 * faces[100:]
    augmentation = multicrop.ViewAugmentation(brightness=0.1, contrast=0.2, blur=0, solarize=0)
    views = multicrop.MultiCrop(24, 12, 0, (0.5, 1.0), augmentation=augmentation)
    batches = multicrop.view_batches(faces.astype(np.uint8), 200, views)
    (large,) = (batch["global"].numpy() for batch in batches.take(1))
    mean, std = large.mean((2, 3, 4)), large.std((2, 3, 4))
    assert 100 < mean.min() < 110 and 146 < mean.max() < 156
    assert 49 < std.min() < 54 and 70 < std.max() < 78
    assert abs(np.corrcoef(mean[:, 0], mean[:, 1])[0, 1]) < 0.2


def test_batches_are_full_endless_and_in_pixels():
    images = np.random.default_rng(0).integers(0, 256, (10, 24, 24, 1), np.uint8)
    batches = multicrop.view_batches(images, 4, multicrop.MultiCrop(24, 12, 2), seed=3)
    for batch in batches.take(6):
        assert batch["global"].shape == (4, 2, 24, 24, 1) and batch["local"].shape[1] == 2
        for view in batch.values():
            assert float(view.numpy().min()) >= 0 and float(view.numpy().max()) <= 255
    (one,) = multicrop.view_batches(images, 4, multicrop.MultiCrop(24, 12, 0)).take(1)
    assert set(one) == {"global"}


def test_invalid_areas_are_errors():
    with pytest.raises(UserError, match="local_scale: expected the smallest and the largest area"):
        multicrop.MultiCrop(24, 12, 2, local_scale=(0.3, 0.1))

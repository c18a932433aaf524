import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from keras_mer.config.recipe import Augment
from keras_mer.data import pipeline
from keras_mer.data.inputs import Samples

OFF = Augment(flip=False, shift=0, rotate=0, zoom=0)


def samples(images, targets):
    return Samples(images, targets, targets.argmax(1), tuple("abc"))


def training_batches(images, targets, batch, **options):
    rows = np.arange(len(images))
    return pipeline.training_batches(samples(images, targets), rows, batch, kind="image", **options)


@pytest.fixture
def data():
    """Ten images with all pixels equal to the row number, classes 0 0 0 0 0 0 1 1 1 2."""
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    return images, np.eye(3, dtype=np.float32)[[0] * 6 + [1] * 3 + [2]]


def test_batches_contain_all_samples_in_order(data):
    images, targets = data
    x, y = zip(
        *pipeline.batches(samples(images, targets), np.arange(10), 4).as_numpy_iterator(),
        strict=True,
    )
    assert [len(b) for b in x] == [4, 4, 2] and x[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(x), images)
    np.testing.assert_array_equal(np.concatenate(y), targets)


def epoch(data, steps=2, **options):
    batches = training_batches(*data, 5, augment=OFF, **options)
    return [b for _, b in zip(range(steps), batches.as_numpy_iterator(), strict=False)]


def test_training_batches_show_every_image_once_an_epoch_in_a_new_order(data):
    rows = np.concatenate([x[:, 0, 0, 0] for x, _ in epoch(data, steps=4)]).astype(int)
    first, second = rows[:10], rows[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)


def test_labels_stay_with_their_images(data):
    for x, y in epoch(data):
        np.testing.assert_array_equal(y, data[1][x[:, 0, 0, 0].astype(int)])


def test_a_seed_repeats_the_order(data):
    first, again, other = (epoch(data, seed=s, deterministic=True) for s in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    assert any((a[0] != b[0]).any() for a, b in zip(first, other, strict=True))


def test_class_weights_are_scikit_learns_and_follow_mixed_labels(data):
    images, targets = data
    weights = pipeline.balanced_class_weights(targets)
    truth = targets.argmax(1)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=truth)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    batches = training_batches(
        images, targets, 5, augment=Augment(flip=False, shift=0, rotate=0, zoom=0, mixup=1.0),
        class_weights=weights,
    )  # fmt: skip
    _, y, w = next(iter(batches.as_numpy_iterator()))
    np.testing.assert_allclose(w, y @ weights, rtol=1e-5)


def test_a_batch_gets_either_mixup_or_cutmix(data):
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.full((1, 8, 8, 1), 20, "u1")
    config = Augment(flip=False, shift=0, rotate=0, zoom=0, mixup=1.0, cutmix=1.0)
    batches = training_batches(images, data[1], 10, augment=config, seed=4)
    # mixup leaves an image flat, cutmix leaves its pixels multiples of 20
    kinds = set()
    for x, _ in batches.take(12).as_numpy_iterator():
        flat = np.allclose(x, x[:, :1, :1], atol=1e-3)
        whole = np.allclose(x % 20, 0)
        assert flat or whole
        kinds.add(flat)
    assert kinds == {True, False}


def test_balanced_sampling_draws_every_class_as_often_and_every_sample():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    images = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    order = random.permutation(100)

    def drawn(seed):
        batches = training_batches(
            images[order], np.eye(3, dtype=np.float32)[labels[order]], 50, augment=OFF,
            balanced=True, seed=seed, deterministic=True,
        ).take(18)  # fmt: skip
        x, y = zip(*((x.numpy(), y.numpy()) for x, y in batches), strict=True)
        return np.concatenate(x)[:, 0, 0, 0].astype(int), np.concatenate(y).argmax(1)

    values, seen = drawn(0)
    assert (labels[values] == seen).all()
    assert np.abs(np.bincount(seen) - 300).max() < 60
    assert len(np.unique(values)) == 100  # the frequent class goes round, too
    np.testing.assert_array_equal(values, drawn(0)[0])
    assert (values != drawn(1)[0]).any()

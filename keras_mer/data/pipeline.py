"""Arrays -> tf.data batches; the only data file that imports TensorFlow."""

import numpy as np
import tensorflow as tf

from keras_mer.config.recipe import Augment
from keras_mer.data.transforms import image as augmentation


def batches(
    images: np.ndarray,
    targets: np.ndarray,
    batch: int,
    *,
    class_weights: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Batches in order, for validation and prediction.

    Args:
        images: uint8 (samples, height, width, channels); a memory map will do.
        targets: float32 (samples, classes).
        batch: samples a batch; the last one may be smaller.
        class_weights: float32 (classes,), or None.

    Returns:
        A dataset of (float32 images 0..255, targets), and sample weights where there are weights.
    """
    data = _gather(tf.data.Dataset.range(len(images)).batch(batch), images, targets)
    return _weigh(data, class_weights).prefetch(2)


def training_batches(
    images: np.ndarray,
    targets: np.ndarray,
    batch: int,
    *,
    augment: Augment,
    class_weights: np.ndarray | None = None,
    balanced: bool = False,
    beside: np.ndarray | None = None,
    seed: int = 0,
    deterministic: bool = False,
) -> tf.data.Dataset:
    """Endless batches, shuffled anew every epoch and augmented; arguments as for `batches`.

    Every batch is full: an epoch's last, incomplete one is left out, other samples each time.
    `balanced` draws every class as often, each in an order of its own: rare ones come back sooner.
    With `beside`, an array with a row a sample, the images become {"pixels": images, "teachers":
    its rows}; what was computed of the images as they are does not go with changed ones.
    With `deterministic`, batches are made one after the other, so that a seed repeats exactly.
    """
    batch = min(batch, len(images))
    if balanced:
        order = _balanced_order(targets.argmax(1), seed)
    else:
        order = tf.data.Dataset.range(len(images)).shuffle(len(images), seed).repeat()
    index = order.batch(batch, drop_remainder=True)
    image_layers = augmentation.image_layers(augment, seed)
    mixing_layers = augmentation.mixing_layers(augment, seed)
    if beside is not None:
        if image_layers or mixing_layers:
            raise ValueError("beside: augmented images differ from those it was computed of")
        return _weigh(_gather(index, images, targets, beside), class_weights).prefetch(4)
    data = _gather(index, images, targets)

    def change(x, y):
        for layer in image_layers:
            x = layer(x, training=True)
        if not mixing_layers:
            return x, y
        pick = tf.random.uniform([], maxval=len(mixing_layers), dtype=tf.int32)
        mixed = [layer({"images": x, "labels": y}, training=True) for layer in mixing_layers]
        for index, one in enumerate(mixed):
            x = tf.where(pick == index, one["images"], x)
            y = tf.where(pick == index, one["labels"], y)
        return x, y

    data = data.map(change, num_parallel_calls=None if deterministic else 2)
    return _weigh(data, class_weights).prefetch(4)


def _balanced_order(labels: np.ndarray, seed: int) -> tf.data.Dataset:
    rows = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    classes = [
        tf.data.Dataset.from_tensor_slices(r.astype(np.int64)).shuffle(len(r), seed + i).repeat()
        for i, r in enumerate(rows)
    ]
    return tf.data.Dataset.sample_from_datasets(classes, seed=seed)


def _gather(
    indices: tf.data.Dataset,
    images: np.ndarray,
    targets: np.ndarray,
    beside: np.ndarray | None = None,
) -> tf.data.Dataset:
    shape, targets = images.shape[1:], tf.constant(targets, tf.float32)
    if beside is not None:
        beside = tf.constant(beside, tf.float32)

    def read(index):
        # Through numpy, so that a memory map larger than the memory stays on the disk.
        x = tf.numpy_function(lambda i: images[i], [index], tf.uint8)
        x.set_shape([None, *shape])
        x = tf.cast(x, tf.float32)
        if beside is not None:
            x = {"pixels": x, "teachers": tf.gather(beside, index)}
        return x, tf.gather(targets, index)

    return indices.map(read)


def _weigh(data: tf.data.Dataset, class_weights: np.ndarray | None) -> tf.data.Dataset:
    if class_weights is None:
        return data
    weights = tf.constant(class_weights, tf.float32)
    return data.map(lambda x, y: (x, y, tf.linalg.matvec(y, weights)))


def balanced_class_weights(targets: np.ndarray) -> np.ndarray:
    """Weights that give every class the same total: samples / (classes x samples of the class).

    Args:
        targets: float32 (samples, classes).

    Returns:
        float32 (classes,), as scikit-learn's ``class_weight="balanced"`` for one-hot targets.
    """
    counts = targets.sum(axis=0)
    return (counts.sum() / (len(counts) * np.maximum(counts, 1e-6))).astype(np.float32)

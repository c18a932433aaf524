"""tf.data pipelines of image batches for training and prediction."""

import numpy as np
import tensorflow as tf

from keras_mer.config.recipe import Augment
from keras_mer.data import transforms
from keras_mer.data.inputs import Samples
from keras_mer.data.transforms import camera
from keras_mer.data.transforms.image import mixing_layers


def batches(samples: Samples, rows: np.ndarray, batch: int) -> tf.data.Dataset:
    """Batches in the order of `rows`, for validation.

    Args:
        samples: the dataset.
        rows: row numbers of the samples to read, (count,).
        batch: samples per batch; the last batch may be smaller.

    Returns:
        A dataset of (inputs, targets): float32 (batch, ...) 0..255, float32 (batch, classes).
    """
    return _gather(tf.data.Dataset.range(len(rows)).batch(batch), samples, rows).prefetch(2)


def training_batches(
    samples: Samples,
    rows: np.ndarray,
    batch: int,
    *,
    kind: str,
    augment: Augment,
    class_weights: np.ndarray | None = None,
    balanced: bool = False,
    teacher_logits: np.ndarray | None = None,
    seed: int = 0,
    deterministic: bool = False,
) -> tf.data.Dataset:
    """Endless shuffled batches with augmentation.

    Every batch is full; the incomplete batch at the end of an epoch is left out.

    Args:
        samples, rows, batch: as for `batches`.
        kind: of the inputs, a key of `keras_mer.kinds.KINDS`.
        augment: the recipe's section.
        class_weights: float32 (classes,); adds a sample weight to each element.
        balanced: draw all classes equally often; each class is shuffled by itself.
        teacher_logits: float32 (count, teachers, classes), a row for each of `rows`; the inputs
            then become {"pixels": inputs, "teachers": their logits}. Not possible with
            augmentation.
        seed: of the order and the augmentation.
        deterministic: make batches sequentially, so that a seed gives the same batches again.
    """
    batch = min(batch, len(rows))
    if balanced:
        order = _balanced_order(samples.labels[rows], seed)
    else:
        order = tf.data.Dataset.range(len(rows)).shuffle(len(rows), seed).repeat()
    index = order.batch(batch, drop_remainder=True)
    random_layers = transforms.random_layers(augment, kind, seed)
    mixing = mixing_layers(augment, seed)
    random = np.random.default_rng(seed)
    data = _gather(index, samples, rows, teacher_logits)
    if teacher_logits is not None:
        if random_layers or augment.camera or mixing:
            raise ValueError("teacher_logits were computed without augmentation; disable it")
        return _weigh(data, class_weights).prefetch(4)

    def change(x, y):
        for layer in random_layers:
            x = layer(x, training=True)
        if augment.camera:
            shape = x.shape
            x = tf.numpy_function(
                lambda images: camera.disturb(images, augment.camera, random), [x], tf.float32
            )
            x.set_shape(shape)
        if not mixing:
            return x, y
        pick = tf.random.uniform([], maxval=len(mixing), dtype=tf.int32)
        mixed = [layer({"images": x, "labels": y}, training=True) for layer in mixing]
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
    samples: Samples,
    rows: np.ndarray,
    teacher_logits: np.ndarray | None = None,
) -> tf.data.Dataset:
    inputs, shape = samples.inputs, samples.inputs.shape[1:]
    targets = tf.constant(samples.targets[rows], tf.float32)
    if teacher_logits is not None:
        teacher_logits = tf.constant(teacher_logits, tf.float32)

    def read(index):
        # Indexed with numpy, so that a memory map is not loaded into memory.
        x = tf.numpy_function(lambda i: inputs[rows[i]], [index], tf.uint8)
        x.set_shape([None, *shape])
        x = tf.cast(x, tf.float32)
        if teacher_logits is not None:
            x = {"pixels": x, "teachers": tf.gather(teacher_logits, index)}
        return x, tf.gather(targets, index)

    return indices.map(read)


def _weigh(data: tf.data.Dataset, class_weights: np.ndarray | None) -> tf.data.Dataset:
    if class_weights is None:
        return data
    weights = tf.constant(class_weights, tf.float32)
    return data.map(lambda x, y: (x, y, tf.linalg.matvec(y, weights)))


def balanced_class_weights(targets: np.ndarray) -> np.ndarray:
    """Class weights inversely proportional to frequency: samples / (classes x class samples).

    Args:
        targets: float32 (samples, classes).

    Returns:
        float32 (classes,), as scikit-learn's ``class_weight="balanced"`` for one-hot targets.
    """
    counts = targets.sum(axis=0)
    return (counts.sum() / (len(counts) * np.maximum(counts, 1e-6))).astype(np.float32)

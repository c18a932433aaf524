"""Run by the tests in a process of its own: one step on two logical CPUs, and one on one.

    python two_replicas.py dino | distillation

Prints the largest difference of any variable, and the largest step that a variable took.
"""

import sys
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from keras_mer.models import dino
from keras_mer.models.distillation import Distillation
from keras_mer.models.features import features
from keras_mer.training import optimizers, schedules

SIZE, CLASSES, BATCH, STEPS = 16, 3, 8, 3
random = np.random.default_rng(0)


def network(size=SIZE, width=6):
    """Without BatchNorm, whose statistics are each replica's own."""
    inputs = keras.Input((size, size, 1))
    x = keras.layers.Rescaling(1 / 64, -2)(inputs)
    x = keras.layers.Conv2D(width, 3, activation="tanh")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="logits")(x))


def pixels(*shape):
    return random.integers(0, 256, shape).astype("float32")


def dino_model():
    constant = [partial(schedules.linear, steps=10, start=a, end=b)
                for a, b in ((0.5, 0.4), (0.1, 0.2), (0.9, 1.0), (0.04, 0.07))]  # fmt: skip
    backbone = features(network())
    head = dino.projection_head(backbone.output_shape[-1], 12, 8, 4)
    model = dino.DINO(backbone, head, dino.Schedules(*constant), local_size=8)
    model.compile(optimizers.make_optimizer("sgd", momentum=0.9, clip=0.05), jit_compile=False)
    return model


def distillation_model():
    model = Distillation(network(), [network(24, 9), network(SIZE, 5)], hard=0.3, temperature=3.0)
    model.compile(keras.optimizers.SGD(0.5, 0.9), metrics=["accuracy"], jit_compile=False)
    return model


def data(kind):
    count = BATCH * STEPS
    if kind == "dino":
        return ({"global": pixels(count, 2, SIZE, SIZE, 1), "local": pixels(count, 3, 8, 8, 1)},)
    labels = np.eye(CLASSES, dtype="float32")[random.integers(0, CLASSES, count)]
    return pixels(count, 24, 24, 1), labels, random.uniform(0.2, 2, count).astype("float32")


def main(kind):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration(), tf.config.LogicalDeviceConfiguration()],
    )
    make = {"dino": dino_model, "distillation": distillation_model}[kind]
    samples = data(kind)
    start, ends = None, []
    for devices in (["CPU:0", "CPU:1"], ["CPU:0"]):
        keras.utils.set_random_seed(0)
        with tf.distribute.MirroredStrategy(devices).scope():
            model = make()
        assert model.distribute_strategy.num_replicas_in_sync == len(devices)
        start = [v.numpy() for v in model.weights]
        # a batch is the whole one, which the strategy shares out
        dataset = tf.data.Dataset.from_tensor_slices(samples).batch(BATCH)
        model.fit(dataset, verbose=0, shuffle=False)
        ends.append([v.numpy() for v in model.weights])
    difference = max(np.abs(a - b).max() for a, b in zip(*ends, strict=True))
    moved = min(np.abs(a - b).max() for a, b in zip(start, ends[1], strict=True) if a.ndim)
    print(f"{difference:.3g} {moved:.3g}")


if __name__ == "__main__":
    main(sys.argv[1])

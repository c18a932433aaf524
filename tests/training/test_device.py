"""Fused batch normalization is batch normalization."""

import keras
import numpy as np
import tensorflow as tf

from keras_mer import models
from keras_mer.models import fused_batch_norm


def test_fused_batch_normalization_learns_exactly_like_keras_own():
    keras.utils.set_random_seed(0)
    plain = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.BatchNormalization()])
    fused = fused_batch_norm.with_fused_batch_norm(plain)
    assert type(fused.layers[-1]) is fused_batch_norm.FusedBatchNormalization
    random = np.random.default_rng(0)
    for _ in range(3):
        x = tf.constant(random.normal(3, 5, (8, 6, 6, 3)), tf.float32)
        target = tf.constant(random.normal(size=(8, 6, 6, 3)), tf.float32)
        found = []
        for model in (plain, fused):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = model(x, training=True)
                loss = tf.reduce_sum(y * target)
            wanted = [x, *(v.value for v in model.trainable_variables)]
            found.append([y, *tape.gradient(loss, wanted), *model.get_weights()])
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    x = random.normal(3, 5, (4, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(plain(x), fused(x), rtol=1e-4, atol=1e-4)


def test_a_copy_with_fused_layers_takes_and_gives_the_same_weights():
    for name in ("ststnet", "flow", "cnn"):
        model = models.build(name, classes=3, size=24)
        copy = fused_batch_norm.with_fused_batch_norm(model)
        again = models.build(name, classes=3, size=24)
        again.set_weights(copy.get_weights())
        x = np.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:]))
        np.testing.assert_allclose(again(x), model(x), rtol=1e-5, atol=1e-5)

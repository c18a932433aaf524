"""Layers shared by several models."""

import keras
from keras import layers, ops

# Pixel mean and standard deviation of FER2013's training images, used for all datasets.
PIXEL_MEAN, PIXEL_STD = 129.5, 65.0


def pixels(size: int, channels: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """An input of raw pixels, (size, size, channels), and the same standardized."""
    inputs = keras.Input((size, size, channels), name="pixels")
    scaled = layers.Rescaling(1 / PIXEL_STD, -PIXEL_MEAN / PIXEL_STD, name="standardise")(inputs)
    return inputs, scaled


def logits(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """The last dense layer, in float32 under every precision policy."""
    return layers.Dense(classes, dtype="float32", name="logits")(x)


def flip(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """`keras.ops.flip` along an axis of known length that also converts correctly to int8 TFLite.

    The int8 converter gives the output of TFLite's flip operator its own scale, but the operator
    copies the bytes unchanged, so every following value is wrong. A gather keeps the scale.
    """
    return ops.take(x, list(range(x.shape[axis]))[::-1], axis=axis)

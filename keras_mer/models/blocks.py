"""The pieces that several models share."""

import keras
from keras import layers, ops

# Pixel statistics of FER2013's training images; other faces are close enough.
PIXEL_MEAN, PIXEL_STD = 129.5, 65.0


def pixels(size: int, channels: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """A raw-pixel input (size, size, channels), and the same standardised."""
    inputs = keras.Input((size, size, channels), name="pixels")
    scaled = layers.Rescaling(1 / PIXEL_STD, -PIXEL_MEAN / PIXEL_STD, name="standardise")(inputs)
    return inputs, scaled


def logits(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """The last dense layer, in float32 whatever the precision policy."""
    return layers.Dense(classes, dtype="float32", name="logits")(x)


def flip(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """`keras.ops.flip` along an axis of known length, right in 8 bits, too.

    The operator that TFLite has for it gets a scale of its own by the int8 converter but moves the
    bytes as they are: all that follows is then off. Looking the places up keeps the scale.
    """
    return ops.take(x, list(range(x.shape[axis]))[::-1], axis=axis)

"""The baseline CNN: three convolutions and two dense layers."""

import keras
from keras import layers

from keras_mer.models import blocks


def lenet(
    classes: int,
    size: int = 48,
    channels: int = 1,
    filters: tuple[int, ...] = (32, 64, 128),
    units: int = 512,
    dropout: float = 0.5,
) -> keras.Model:
    """A LeNet-like CNN (LeCun et al. 1998, with ReLU, max pooling and dropout).

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: 1 (gray) or 3 (RGB).
        filters: filters of each 3x3 convolution; each is followed by a 2x2 max pooling.
        units: width of the hidden dense layer.
        dropout: rate before both dense layers (half of it after each pooling).

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits.
    """
    inputs, x = blocks.pixels(size, channels)
    for width in filters:
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(dropout / 2)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(units, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, blocks.logits(x, classes), name="lenet")

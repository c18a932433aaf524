"""A small residual CNN for faces of 48 to 64 pixels."""

import keras
from keras import layers

from keras_mer.errors import UserError
from keras_mer.models import blocks


def cnn(
    classes: int,
    size: int = 48,
    channels: int = 1,
    stem: int = 32,
    filters: tuple[int, ...] = (64, 128, 256),
    depth: int = 1,
    dropout: float = 0.3,
    pool: str = "places",
) -> keras.Model:
    """A residual CNN (He et al. 2016) with position-dependent pooling of the last feature map.

    A convolution at full resolution, then stages of `depth` residual blocks of two 3x3
    convolutions, each stage followed by 2x2 max pooling. Faces are centered, so positions in the
    feature map correspond to parts of the face: a global depthwise convolution with a weight per
    position and channel (MobileFaceNets, Chen et al. 2018) replaces global average pooling.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels; at least ``2 ** (1 + len(filters))``.
        channels: 1 (gray) or 3 (RGB).
        stem: filters of the first convolution.
        filters: filters of each stage.
        depth: residual blocks per stage.
        dropout: rate before the logits; spatial dropout after each stage has a third of it.
        pool: "places" (the global depthwise convolution) or "average" (global average pooling,
            whose weights do not depend on the input size, as small crops in DINO need).

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits. The defaults give
        1.2 million parameters and 100 million multiply-adds.

    Raises:
        UserError: for an unknown `pool`.
    """
    inputs, x = blocks.pixels(size, channels)
    x = layers.Activation("relu")(_conv(x, stem))
    x = layers.MaxPooling2D()(x)
    for width in filters:
        for _ in range(depth):
            x = _residual(x, width)
        x = layers.MaxPooling2D()(x)
        x = layers.SpatialDropout2D(dropout / 3)(x)
    if pool == "average":
        x = layers.GlobalAveragePooling2D()(x)
    elif pool == "places":
        x = layers.DepthwiseConv2D(x.shape[1], use_bias=False, name="places")(x)
        x = _normalize(x)
        x = layers.Flatten()(x)
    else:
        raise UserError(f"pool: expected places or average, got '{pool}'")
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, blocks.logits(x, classes), name="cnn")


def _residual(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    shortcut = x
    if x.shape[-1] != width:
        shortcut = layers.Conv2D(width, 1, use_bias=False)(x)
    x = layers.Activation("relu")(_conv(x, width))
    x = layers.Add()([shortcut, _conv(x, width)])
    return layers.Activation("relu")(x)


def _conv(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
    return _normalize(x)


def _normalize(x: keras.KerasTensor) -> keras.KerasTensor:
    # Keras's default of 0.99 averages over hundreds of steps, more than a run on few labels has.
    return layers.BatchNormalization(momentum=0.9)(x)

"""A small residual network for faces of 48 to 64 pixels."""

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
    """A residual CNN (He et al. 2016) whose last layer still knows where on the face it looks.

    A convolution at full size, then stages of `depth` residual blocks of two 3x3 convolutions;
    the side halves after each. Faces are centred, so a place means something: instead of
    averaging it away, the last feature map is weighed place by place with a global depthwise
    convolution (MobileFaceNets, Chen et al. 2018).

    Args:
        classes: number of outputs.
        size: side of the square input, pixels; at least ``2 ** (1 + len(filters))``.
        channels: 1 (grey) or 3 (RGB).
        stem: filters of the first convolution.
        filters: filters of each stage.
        depth: residual blocks a stage.
        dropout: rate before the logits (a third of it on whole feature maps after each stage).
        pool: "places" as above, or "average", whose weights fit inputs of any size: small crops
            then cost less in learning without labels.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits. With the defaults,
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
        x = _normalise(x)
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
    return _normalise(x)


def _normalise(x: keras.KerasTensor) -> keras.KerasTensor:
    # Keras's momentum of 0.99 lags hundreds of steps behind, more than few labels take to learn.
    return layers.BatchNormalization(momentum=0.9)(x)

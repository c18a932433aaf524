"""The model for flow images of micro-expressions."""

import keras
from keras import layers, ops

from keras_mer.models import blocks


def flow(
    classes: int,
    size: int = 28,
    channels: int = 3,
    filters: tuple[int, ...] = (16, 32),
    kernel: int = 5,
    dropout: float = 0.5,
    mirror: bool = True,
) -> keras.Model:
    """A small CNN on per-clip standardised flow.

    A flow image is min-max stretched, so a single strong pixel moves the zero level and the scale
    of all others. Each channel of each clip is therefore standardised over its own pixels (which
    needs no other clip, and no label).

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: of the input; the published ones are horizontal flow, vertical flow and strain.
        filters: of each convolution; each halves the side.
        kernel: side of the first one.
        dropout: rate before the logits (a third of it on whole feature maps after the first).
        mirror: look at the mirrored face, too (its horizontal flow turned around), with the same
            weights, and take the mean: a mirrored expression is the same expression.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits.
    """
    inputs = keras.Input((size, size, channels), name="pixels")
    # epsilon in squared pixels: a blank channel stays blank
    x = layers.LayerNormalization(
        axis=(1, 2), epsilon=1.0, center=False, scale=False, name="standardise"
    )(inputs)
    body = _body(x.shape[1:], classes, filters, kernel, dropout)
    if not mirror:
        return keras.Model(inputs, body(x), name="flow")
    u, others = ops.flip(x[..., :1], axis=2), ops.flip(x[..., 1:], axis=2)
    both = ops.stack([x, ops.concatenate([-u, others], axis=-1)], axis=1)
    # one batch of both, so that batch normalisation sees one distribution
    scores = body(ops.reshape(both, (-1, size, size, channels)))
    scores = ops.mean(ops.reshape(scores, (-1, 2, classes)), axis=1)
    return keras.Model(inputs, scores, name="flow")


def _body(shape: tuple, classes: int, filters: tuple, kernel: int, dropout: float) -> keras.Model:
    inputs = x = keras.Input(shape, name="standardised")
    for i, width in enumerate(filters):
        x = layers.Conv2D(width, kernel if i == 0 else 3, strides=2, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        if i == 0:
            x = layers.SpatialDropout2D(dropout / 3)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, blocks.logits(x, classes), name="body")

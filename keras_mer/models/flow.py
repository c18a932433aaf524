"""The models for flow images of micro-expressions: a small CNN, and a kernel machine."""

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
    x = _standardised(inputs)
    body = _body(x.shape[1:], classes, filters, kernel, dropout)
    return keras.Model(inputs, _both_ways(body, x) if mirror else body(x), name="flow")


def flow_kernel(
    classes: int,
    size: int = 28,
    channels: int = 3,
    anchors: int = 256,
    reach: float = 0.5,
    smooth: int = 2,
    mirror: bool = True,
    ridge: float = 0.1,
) -> keras.Model:
    """A kernel machine on per-clip standardised flow: how like is it to each of `anchors` clips?

    The flow is standardised as in `flow`, smoothed, halved and brought to length one; against
    each anchor stands exp(-reach |x - anchor|^2), and the scores are a linear map of these. As a
    network it is two dense layers. `training.closed_form.KernelRidge` computes their weights, the
    anchors being the clips to learn; a gradient can go on from there.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: of the input; the published ones are horizontal flow, vertical flow and strain.
        anchors: how many clips it is held against.
        reach: of an anchor: the larger, the nearer a clip must be.
        smooth: how many times every pixel is replaced by the mean of the 3x3 around it.
        mirror: look at the mirrored face, too, and take the mean.
        ridge: strength of the regularization; used when it is fitted.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits.
    """
    inputs = keras.Input((size, size, channels), name="pixels")
    x = _standardised(inputs)
    body_in = z = keras.Input(x.shape[1:], name="standardised")
    for _ in range(smooth):
        z = layers.AveragePooling2D(3, strides=1, padding="same")(z)
    z = layers.AveragePooling2D(2)(z)
    z = layers.Flatten()(z)
    z = layers.UnitNormalization(name="features")(z)
    # of two vectors of length one: exp(-reach |x - a|^2) = exp(2 reach x.a - 2 reach)
    z = layers.Dense(
        anchors,
        activation="exponential",
        kernel_initializer=keras.initializers.VarianceScaling(4 * reach**2, "fan_in"),
        bias_initializer=keras.initializers.Constant(-2 * reach),
        name="anchors",
    )(z)
    body = keras.Model(body_in, blocks.logits(z, classes), name="body")
    return keras.Model(inputs, _both_ways(body, x) if mirror else body(x), name="flow_kernel")


def _standardised(inputs: keras.KerasTensor) -> keras.KerasTensor:
    # epsilon in squared pixels: a blank channel stays blank
    return layers.LayerNormalization(
        axis=(1, 2), epsilon=1.0, center=False, scale=False, name="standardise"
    )(inputs)


def _both_ways(body: keras.Model, x: keras.KerasTensor) -> keras.KerasTensor:
    """The mean score of standardised flow and of the mirrored face's."""
    u, others = blocks.flip(x[..., :1], axis=2), blocks.flip(x[..., 1:], axis=2)
    both = ops.stack([x, ops.concatenate([-u, others], axis=-1)], axis=1)
    # one batch of both, so that batch normalisation sees one distribution
    scores = body(ops.reshape(both, (-1, *x.shape[1:])))
    return ops.mean(ops.reshape(scores, (-1, 2, scores.shape[-1])), axis=1)


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

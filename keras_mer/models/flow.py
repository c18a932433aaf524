"""Models for optical-flow images of micro-expressions: a CNN, a kernel and a linear model."""

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
    """A small CNN on per-clip standardized flow.

    Flow images are min-max normalized, so a single extreme pixel shifts the zero level and the
    scale of all others. Each channel of each clip is therefore standardized over its own pixels,
    which uses no other clip and no label.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: of the input: horizontal flow, vertical flow and optical strain.
        filters: filters of each convolution; each has stride 2.
        kernel: side of the first convolution's kernel.
        dropout: rate before the logits; spatial dropout after the first convolution has a third.
        mirror: average the logits of the flow and of its left-right mirror image, whose horizontal
            component is negated.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits.
    """
    body_in = keras.Input((size, size, channels), name="standardised")
    z = _convolutions(body_in, filters, kernel, dropout)
    return _on_pixels("flow", body_in, blocks.logits(z, classes), mirror)


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
    """A Gaussian (RBF) kernel model on per-clip standardized flow.

    The flow is standardized as in `flow`, smoothed, downsampled by 2 and scaled to unit length.
    The logits are a linear combination of the kernels exp(-reach |x - anchor|^2): two dense
    layers. `keras_mer.training.closed_form.KernelRidge` computes their weights in closed form,
    with the training clips as anchors.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: of the input: horizontal flow, vertical flow and optical strain.
        anchors: number of anchors (training clips).
        reach: the kernel's coefficient (gamma); the larger, the narrower the kernel.
        smooth: how many times a 3x3 mean filter is applied.
        mirror: average the logits of the flow and of its left-right mirror image.
        ridge: strength of the regularization; used when the model is fitted.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits.
    """
    body_in = keras.Input((size, size, channels), name="standardised")
    z = _features(body_in, smooth)
    # for unit vectors, exp(-reach |x - a|^2) = exp(2 reach x.a - 2 reach)
    z = layers.Dense(
        anchors,
        activation="exponential",
        kernel_initializer=keras.initializers.VarianceScaling(4 * reach**2, "fan_in"),
        bias_initializer=keras.initializers.Constant(-2 * reach),
        name="anchors",
    )(z)
    return _on_pixels("flow_kernel", body_in, blocks.logits(z, classes), mirror)


def flow_linear(
    classes: int,
    size: int = 28,
    channels: int = 3,
    smooth: int = 2,
    mirror: bool = True,
    ridge: float = 1.0,
) -> keras.Model:
    """A linear model on the features of `flow_kernel`: standardized, smoothed, of unit length.

    `keras_mer.training.closed_form.LinearRidge` computes the weights in closed form. Unlike the
    kernel model it does not contain the training clips: it has a weight per feature and class.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: of the input: horizontal flow, vertical flow and optical strain.
        smooth: how many times a 3x3 mean filter is applied.
        mirror: average the logits of the flow and of its left-right mirror image.
        ridge: strength of the regularization; used when the model is fitted.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits.
    """
    body_in = keras.Input((size, size, channels), name="standardised")
    z = _features(body_in, smooth)
    return _on_pixels("flow_linear", body_in, blocks.logits(z, classes), mirror)


def _on_pixels(
    name: str, body_in: keras.KerasTensor, logits: keras.KerasTensor, mirror: bool
) -> keras.Model:
    """A model of raw pixels around a body of standardized flow, from `body_in` to `logits`."""
    body = keras.Model(body_in, logits, name="body")
    inputs = keras.Input(body_in.shape[1:], name="pixels")
    x = _standardize(inputs)
    return keras.Model(inputs, _average_with_mirror(body, x) if mirror else body(x), name=name)


def _features(z: keras.KerasTensor, smooth: int) -> keras.KerasTensor:
    """Standardized flow, smoothed and downsampled by 2: (batch, features) of unit length."""
    for _ in range(smooth):
        z = layers.AveragePooling2D(3, strides=1, padding="same")(z)
    z = layers.AveragePooling2D(2)(z)
    z = layers.Flatten()(z)
    return layers.UnitNormalization(name="features")(z)


def _standardize(inputs: keras.KerasTensor) -> keras.KerasTensor:
    # epsilon in squared pixels: a blank channel stays blank
    return layers.LayerNormalization(
        axis=(1, 2), epsilon=1.0, center=False, scale=False, name="standardise"
    )(inputs)


def _average_with_mirror(body: keras.Model, x: keras.KerasTensor) -> keras.KerasTensor:
    """The mean logits of standardized flow and of its mirror image."""
    u, others = blocks.flip(x[..., :1], axis=2), blocks.flip(x[..., 1:], axis=2)
    both = ops.stack([x, ops.concatenate([-u, others], axis=-1)], axis=1)
    # both in one batch, so that batch normalization uses the statistics of both
    scores = body(ops.reshape(both, (-1, *x.shape[1:])))
    return ops.mean(ops.reshape(scores, (-1, 2, scores.shape[-1])), axis=1)


def _convolutions(
    x: keras.KerasTensor, filters: tuple, kernel: int, dropout: float
) -> keras.KerasTensor:
    for i, width in enumerate(filters):
        x = layers.Conv2D(width, kernel if i == 0 else 3, strides=2, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        if i == 0:
            x = layers.SpatialDropout2D(dropout / 3)(x)
    x = layers.Flatten()(x)
    return layers.Dropout(dropout)(x)

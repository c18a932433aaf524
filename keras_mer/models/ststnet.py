"""STSTNet, a shallow three-stream CNN for flow images."""

import keras
from keras import layers

from keras_mer.models import blocks


def ststnet(
    classes: int,
    size: int = 28,
    channels: int = 3,
    streams: tuple[int, ...] = (3, 5, 8),
    dropout: float = 0.5,
) -> keras.Model:
    """STSTNet (Liong et al. 2019, arXiv 1902.03634) with the published number of parameters.

    Three streams of one 3x3 convolution each (3, 5 and 8 filters), ReLU, batch normalization, 3x3
    max pooling and dropout; their maps are concatenated, then 2x2 average pooling, 400 features
    and one dense layer. All streams read the same image and do not mix channels after the
    convolution, so they are computed as one convolution of 16 filters, in a third of the time.

    As in the authors' code, pixels are not rescaled; the authors train with Adam at 5e-5.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: of the input: horizontal flow, vertical flow and optical strain.
        streams: filters of each stream.
        dropout: rate after the max pooling.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits. The defaults give
        1,683 trainable parameters for three classes.
    """
    inputs = keras.Input((size, size, channels), name="pixels")
    # PyTorch's default, uniform(-1/sqrt(fan in), 1/sqrt(fan in)), as in the published code
    start = {
        "kernel_initializer": keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
    }
    x = layers.Conv2D(sum(streams), 3, padding="same", activation="relu", name="streams", **start)(
        inputs
    )
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    x = layers.MaxPooling2D(3, 3, padding="same")(x)
    x = layers.Dropout(dropout)(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, blocks.logits(x, classes), name="ststnet")

"""The published shallow triple stream network for flow images."""

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
    """STSTNet (Liong et al. 2019, arXiv 1902.03634), parameter for parameter.

    Three streams of one 3x3 convolution each (3, 5 and 8 filters), ReLU, batch normalisation, 3x3
    max pooling and dropout; their maps side by side, 2x2 average pooling, 400 features, one dense
    layer. The streams read the same image, and nothing in them mixes channels after the
    convolution: side by side they are one convolution of 16 filters, which is how they are
    computed here, in a third of the time.

    As in the authors' code, raw pixels go in as they are, and Adam at 5e-5 is meant to learn it.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: of the input; the published ones are horizontal flow, vertical flow and strain.
        streams: filters of each stream.
        dropout: rate behind the max pooling.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits. With the defaults
        and three classes, 1,683 trainable parameters.
    """
    inputs = keras.Input((size, size, channels), name="pixels")
    # PyTorch's uniform(-1/sqrt(fan in), 1/sqrt(fan in)), from which the published model starts
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

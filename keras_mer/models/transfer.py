"""A network of keras.applications under a new head, fed with the same raw faces as every model."""

import inspect
import sys

import keras
import numpy as np
from keras import layers, ops

from keras_mer.errors import UserError, nearest
from keras_mer.models import blocks

# ImageNet's statistics, RGB, of pixels 0..1.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_POOLING = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}


def transfer(
    classes: int,
    size: int = 48,
    channels: int = 1,
    backbone: str = "MobileNetV3Small",
    resolution: int = 96,
    options: dict | None = None,
    pooling: str = "avg",
    head: tuple[int, ...] = (),
    dropout: float = 0.3,
) -> keras.Model:
    """A backbone of keras.applications by name, with everything it expects inside the graph.

    The face is enlarged to `resolution`, becomes three channels and goes through the backbone's
    own preprocessing, so that one file takes the same raw face as the small networks. The weights
    are random: `keras_mer.training.pretrained` loads ImageNet's, a file's or an earlier run's.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: 1 (grey) or 3 (RGB).
        backbone: ``"EfficientNetB0"``, ``"MobileNetV2"``, any name in `backbones()`.
        resolution: side at which the backbone looks, pixels; most go down to 32.
        options: the backbone's own arguments, e.g. ``{"alpha": 0.75}``.
        pooling: of its last feature map: ``"avg"``, ``"max"``, or ``"both"`` side by side.
        head: widths of dense ReLU layers before the logits.
        dropout: rate before each dense layer.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits.

    Raises:
        UserError: for a backbone, an option or a resolution that does not exist.
    """
    if pooling not in (*_POOLING, "both"):
        raise UserError(f"pooling: expected avg, max or both, got '{pooling}'")
    body = make(backbone, resolution, None, options)
    # By the name that keras_mer.models.layer_freezing and keras_mer.evaluation.gradcam look for.
    body.name = "backbone"
    inputs = keras.Input((size, size, channels), name="pixels")
    # Enlarged before the channels multiply, and in float32: half precision blurs pixels.
    x = inputs
    if resolution != size:
        x = layers.Resizing(resolution, resolution, dtype="float32", name="resize")(x)
    x = body(_preprocessed(x, backbone))
    kinds = _POOLING.values() if pooling == "both" else [_POOLING[pooling]]
    pooled = [kind()(x) for kind in kinds]
    x = layers.Concatenate(name="pooled")(pooled) if len(pooled) > 1 else pooled[0]
    for width in head:
        x = layers.Dropout(dropout)(x)
        x = layers.Dense(width, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, blocks.logits(x, classes), name="transfer")


def backbones() -> list[str]:
    """The names of keras.applications' networks."""
    return sorted(
        name
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value) and "include_top" in inspect.signature(value).parameters
    )


def make(name: str, resolution: int, weights: str | None, options: dict | None) -> keras.Model:
    """A network of keras.applications without its classifier: RGB of side `resolution` -> map.

    Args:
        name: one of `backbones()`.
        resolution: side of its square input, pixels.
        weights: as keras.applications takes them: None (random), "imagenet", or an .h5 file.
        options: further arguments.

    Raises:
        UserError: for an unknown name, an unknown option, or a resolution it cannot work at.
    """
    known = backbones()
    if name not in known:
        raise UserError(
            f"unknown backbone '{name}'{nearest(name, known)}; known: {', '.join(known)}"
        )
    function = getattr(keras.applications, name)
    allowed = set(inspect.signature(function).parameters) - {
        "include_top", "weights", "input_tensor", "input_shape", "pooling", "classes", "name",
        "classifier_activation", "include_preprocessing",
    }  # fmt: skip
    for key in options or {}:
        if key not in allowed:
            raise UserError(
                f"backbone '{name}' has no option '{key}'{nearest(key, allowed)}; known: "
                f"{', '.join(sorted(allowed)) or 'none'}"
            )
    shape = (resolution, resolution, 3)
    try:
        return function(include_top=False, weights=weights, input_shape=shape, **(options or {}))
    except ValueError as error:
        if weights is not None:
            raise  # the file's fault: keras_mer.training.pretrained says it better
        reason = str(error).splitlines()[0]
        raise UserError(f"backbone '{name}' at {resolution} pixels: {reason}") from None


def _preprocessed(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Pixels 0..255, grey or RGB, as the backbone was trained on them: three channels."""
    module = sys.modules[getattr(keras.applications, name).__module__]
    # Every preprocess_input is affine, some swap red and blue: what it does to black and to the
    # three pure colours is all there is to know.
    probe = np.zeros((1, 1, 4, 3), np.float32)
    probe[0, 0, 1:] = 255 * np.eye(3, dtype=np.float32)
    seen = module.preprocess_input(probe.copy())[0, 0]
    matrix, offset = (seen[1:] - seen[0]) / 255, seen[0]
    if module.__name__.endswith(".efficientnet"):
        # Its own normalisation is a layer with *weights*, which a random network has not, and
        # ImageNet's network divides once more behind it. Left as the identity by
        # keras_mer.training.pretrained, with ImageNet's statistics here, both see the same.
        matrix = np.diag(1 / np.array(_STD, np.float32))
        offset = -255 * np.array(_MEAN, np.float32) / np.array(_STD, np.float32)
    if x.shape[-1] == 1:
        matrix = matrix.sum(0, keepdims=True)
    # One convolution of a pixel, which TFLite's int8 converter gets right. Three copies of a
    # grey pixel, then scaled up, it gives the scale of what comes out, and the input with them.
    return ops.add(ops.conv(x, matrix[None, None], padding="valid"), offset)

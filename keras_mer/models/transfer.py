"""A keras.applications backbone with a new classification head."""

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
    """A keras.applications backbone with its preprocessing inside the graph.

    The face is resized to `resolution`, converted to three channels and preprocessed as the
    backbone expects, so that the model takes the same raw pixels as the other models. The weights
    are random: `keras_mer.training.pretrained` loads those of ImageNet, a file or a run.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: 1 (gray) or 3 (RGB).
        backbone: any name in `backbones()`, such as ``"EfficientNetB0"`` or ``"MobileNetV2"``.
        resolution: side of the backbone's input, pixels; most accept 32 or more.
        options: the backbone's own arguments, e.g. ``{"alpha": 0.75}``.
        pooling: of its last feature map: ``"avg"``, ``"max"``, or ``"both"`` concatenated.
        head: widths of dense ReLU layers before the logits.
        dropout: rate before each dense layer.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) logits.

    Raises:
        UserError: for an unknown backbone or option, or an unsupported resolution.
    """
    if pooling not in (*_POOLING, "both"):
        raise UserError(f"pooling: expected avg, max or both, got '{pooling}'")
    body = make(backbone, resolution, None, options)
    # keras_mer.models.layer_freezing finds the backbone by this name.
    body.name = "backbone"
    inputs = keras.Input((size, size, channels), name="pixels")
    # Resized before the channels are repeated, and in float32: float16 rounds pixel values.
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
    """The names of the networks in keras.applications."""
    return sorted(
        name
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value) and "include_top" in inspect.signature(value).parameters
    )


def make(name: str, resolution: int, weights: str | None, options: dict | None) -> keras.Model:
    """A keras.applications network without its classifier: RGB image -> feature map.

    Args:
        name: one of `backbones()`.
        resolution: side of its square input, pixels.
        weights: as keras.applications takes them: None (random), "imagenet", or an .h5 file.
        options: further arguments.

    Raises:
        UserError: for an unknown name or option, or an unsupported resolution.
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
            raise  # about the file: keras_mer.training.pretrained names it in its own error
        reason = str(error).splitlines()[0]
        raise UserError(f"backbone '{name}' at {resolution} pixels: {reason}") from None


def _preprocessed(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Pixels 0..255, gray or RGB, preprocessed for the backbone: three channels."""
    module = sys.modules[getattr(keras.applications, name).__module__]
    # Every preprocess_input is affine per pixel (some swap red and blue), so its values for black
    # and for the three primary colors determine it.
    probe = np.zeros((1, 1, 4, 3), np.float32)
    probe[0, 0, 1:] = 255 * np.eye(3, dtype=np.float32)
    seen = module.preprocess_input(probe.copy())[0, 0]
    matrix, offset = (seen[1:] - seen[0]) / 255, seen[0]
    if module.__name__.endswith(".efficientnet"):
        # EfficientNet normalizes with a layer whose *weights* hold the statistics: the identity in
        # a network with random weights. keras_mer.training.pretrained keeps it the identity, and
        # ImageNet's statistics are applied here in both cases.
        matrix = np.diag(1 / np.array(_STD, np.float32))
        offset = -255 * np.array(_MEAN, np.float32) / np.array(_STD, np.float32)
    if x.shape[-1] == 1:
        matrix = matrix.sum(0, keepdims=True)
    # A 1x1 convolution, because TFLite's int8 converter assigns the wrong scale to a gray input
    # that is repeated three times and then rescaled.
    return ops.add(ops.conv(x, matrix[None, None], padding="valid"), offset)

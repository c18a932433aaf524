"""What one prediction costs, read from the graph of a Keras model."""

import math

import keras


def multiply_adds(model: keras.Model) -> int:
    """Multiplications with a weight that one sample needs: convolutions, dense, recurrent layers.

    What has no weights (pooling, activations, resizing) is left out, as papers do, and so are
    normalisations, which fold into the convolutions before them when a model is exported.

    Args:
        model: functional; a model nested in one that reads clips counts once a frame.
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
    if not kernels or isinstance(layer, _FREE):
        return 0
    if isinstance(layer, keras.layers.SeparableConv2D):
        # The first of its two steps already works at the output's size.
        return _places(layer.output) * sum(math.prod(w.shape) for w in kernels)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return _places(layer.input) * math.prod(kernels[0].shape)
    return _places(layer.output) * sum(math.prod(w.shape) for w in kernels)


_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_FREE = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)


def _places(tensor: keras.KerasTensor) -> int:
    """How often a kernel is laid on: the positions of a map, the steps of a sequence."""
    return math.prod(side or 1 for side in tensor.shape[1:-1])


def _recurrent(outer: keras.layers.Layer, parts: list) -> int:
    steps = outer.input.shape[1] or 1
    return steps * sum(
        math.prod(w.shape) for part in parts for w in part.weights if "kernel" in w.name
    )

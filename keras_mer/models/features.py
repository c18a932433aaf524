"""Submodels that share layers: features, logits, and the same model at another input size."""

import keras

from keras_mer.errors import UserError


def features(model: keras.Model) -> keras.Model:
    """The part of a model before its last layer with weights; layers are shared.

    Works for models with and without a final softmax.

    Returns:
        (batch, height, width, channels) -> (batch, features).

    Raises:
        UserError: when the last layer's input is not a vector.
    """
    layer = _last_weighted(model)
    out = layer.input
    if len(out.shape) != 2 or out.shape[-1] is None:
        raise UserError(
            f"model '{model.name}': expected a vector of features before its layer "
            f"'{layer.name}', got shape {tuple(out.shape)}"
        )
    return keras.Model(model.input, out, name=f"{model.name}_features")


def logits(model: keras.Model) -> keras.Model:
    """The model without its final softmax; layers are shared: pixels -> (batch, classes) logits.

    The output of an ensemble is a mean of probabilities: its logits are their logarithms, whose
    softmax is that mean.
    """
    layer = _last_weighted(model)
    if isinstance(layer, keras.Model):
        out = keras.ops.log(keras.ops.maximum(model.output, 1e-12))
        return keras.Model(model.input, out, name=model.name)
    return keras.Model(model.input, layer.output, name=model.name)


def _last_weighted(model: keras.Model) -> keras.Layer:
    return next(layer for layer in reversed(model.layers) if layer.weights)


def at_size(model: keras.Model, size: int) -> keras.Model:
    """A model with the same layers and weights for square inputs of another size, in pixels.

    Raises:
        UserError: for a model whose weights or outputs depend on the input's size.
    """
    if model.input_shape[1:3] == (size, size):
        return model
    inputs = keras.Input((size, size, model.input_shape[-1]))
    try:
        made = keras.models.clone_model(
            model, input_tensors=inputs, clone_function=lambda layer: layer
        )
    except ValueError:
        made = None
    if made is None or made.output_shape != model.output_shape:
        raise UserError(
            f"model '{model.name}' has weights for inputs of {model.input_shape[1]} pixels alone; "
            f"crops of {size} pixels need a network with global average pooling (a cnn with "
            f"pool: average); or set their size to {model.input_shape[1]} pixels"
        )
    return made

"""Registry of Keras models: each entry is a function that builds a functional model.

Every model takes raw pixels, 0 to 255, and returns float32 logits; `with_probabilities` adds the
softmax that saved and exported models end with.
"""

import inspect
from collections.abc import Callable

import keras

from keras_mer.errors import UserError, nearest
from keras_mer.models.cnn import cnn
from keras_mer.models.cnn_bilstm import cnn_bilstm
from keras_mer.models.flow import flow, flow_kernel
from keras_mer.models.lenet import lenet
from keras_mer.models.ststnet import ststnet
from keras_mer.models.transfer import transfer

MODELS: dict[str, Callable[..., keras.Model]] = {
    "cnn": cnn,
    "cnn_bilstm": cnn_bilstm,
    "flow": flow,
    "flow_kernel": flow_kernel,
    "lenet": lenet,
    "ststnet": ststnet,
    "transfer": transfer,
}
#: The kind of input of every model that does not take photographs.
_KINDS = {"cnn_bilstm": "clip", "flow": "flow", "flow_kernel": "flow", "ststnet": "flow"}


def names() -> list[str]:
    """The names of the registered models, sorted."""
    return sorted(MODELS)


def kind(name: str) -> str:
    """The kind of input of a registered model: "image", "flow" (u, v, strain) or "clip"."""
    return _KINDS.get(name, "image")


def defaults(name: str) -> dict:
    """The arguments of a registered model with their default values.

    Raises:
        UserError: for an unknown model.
    """
    parameters = inspect.signature(_function(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "classes"}


def build(name: str, *, classes: int, **config) -> keras.Model:
    """Build a registered model.

    Args:
        name: a key of `MODELS`.
        classes: number of outputs.
        **config: the model function's own arguments.

    Returns:
        A functional model: (batch, size, size, channels), 0 to 255 -> (batch, classes) logits;
        a model of kind "clip" takes (batch, frames, size, size, channels).

    Raises:
        UserError: for an unknown model or argument.
    """
    known = defaults(name)
    for key in config:
        if key not in known:
            raise UserError(
                f"model '{name}' has no argument '{key}'{nearest(key, known)}; "
                f"known: {', '.join(known)}"
            )
    return MODELS[name](classes=classes, **config)


def _function(name: str) -> Callable[..., keras.Model]:
    if name not in MODELS:
        raise UserError(
            f"unknown model '{name}'{nearest(name, MODELS)}; known: {', '.join(MODELS)}"
        )
    return MODELS[name]


def with_probabilities(model: keras.Model) -> keras.Model:
    """The same model with a float32 softmax after its logits; weights are shared."""
    outputs = keras.layers.Softmax(dtype="float32", name="probabilities")(model.output)
    return keras.Model(model.input, outputs, name=model.name)


def ensemble(members: list[keras.Model]) -> keras.Model:
    """One model whose probabilities are the mean of the probabilities of `members`.

    Args:
        members: models with probabilities, of the same input shape and the same classes; a single
            one is returned as it is.
    """
    if len(members) == 1:
        return members[0]
    for i, member in enumerate(members):
        member.name = f"member{i + 1}"
    inputs = keras.Input(members[0].input_shape[1:], name="pixels")
    mean = keras.layers.Average(dtype="float32", name="mean")([m(inputs) for m in members])
    return keras.Model(inputs, mean, name="ensemble")

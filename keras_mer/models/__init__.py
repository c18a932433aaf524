"""Registry of Keras models: each entry is a function that builds a functional model.

Every model takes raw pixels, 0 to 255, and returns float32 logits; `with_probabilities` adds the
softmax that saved and exported models end with.
"""

import inspect
from collections.abc import Callable, Mapping

import keras

from keras_mer.errors import UserError, nearest
from keras_mer.models.cnn import cnn
from keras_mer.models.cnn_bilstm import cnn_bilstm
from keras_mer.models.flow import flow, flow_kernel, flow_linear
from keras_mer.models.lenet import lenet
from keras_mer.models.linear_svm import linear_svm
from keras_mer.models.ststnet import ststnet
from keras_mer.models.transfer import transfer

#: The model of a recipe that names none.
DEFAULT = "cnn"

MODELS: dict[str, Callable[..., keras.Model]] = {
    "cnn": cnn,
    "cnn_bilstm": cnn_bilstm,
    "flow": flow,
    "flow_kernel": flow_kernel,
    "flow_linear": flow_linear,
    "lenet": lenet,
    "svm": linear_svm,
    "ststnet": ststnet,
    "transfer": transfer,
}
#: The kind of input of each model that does not read photographs.
_KINDS = {
    "cnn_bilstm": "clip",
    "flow": "flow",
    "flow_kernel": "flow",
    "flow_linear": "flow",
    "ststnet": "flow",
    "svm": "flow",
}


def names() -> list[str]:
    """The names of the registered models, sorted."""
    return sorted(MODELS)


def kind(model: str | Mapping) -> str:
    """The kind of input of a model, a key of `keras_mer.kinds.KINDS`.

    Args:
        model: a registered name, or a recipe's `model`.
    """
    name = model if isinstance(model, str) else model.get("name", DEFAULT)
    return _KINDS.get(name, "image")


def input_shape(config: Mapping) -> tuple[int, ...]:
    """The shape of one input sample of a recipe's `model`.

    Returns:
        (size, size, channels), after the number of frames for a model of kind "clip".
    """
    name = config.get("name", DEFAULT)
    values = defaults(name) | dict(config)
    image = (values["size"], values["size"], values["channels"])
    return (values["frames"], *image) if kind(config) == "clip" else image


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
    check_arguments(name, config)
    return MODELS[name](classes=classes, **config)


def check_arguments(name: str, config: Mapping) -> None:
    """Raise a `UserError` for arguments that the registered model `name` does not have.

    The arguments of an encoder are checked, too.
    """
    known = defaults(name)
    for key in config:
        if key not in known:
            raise UserError(
                f"model '{name}' has no argument '{key}'{nearest(key, known)}; "
                f"known: {', '.join(known)}"
            )
    encoder = config.get("encoder")
    if isinstance(encoder, Mapping):
        inner = {key: value for key, value in encoder.items() if key != "name"}
        for key in ("size", "channels"):
            if key in inner:
                raise UserError(f"encoder: {key} is that of the frames: set model.{key}")
        check_arguments(encoder.get("name", DEFAULT), inner)


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

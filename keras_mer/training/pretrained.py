"""Loading of pretrained weights into a model's body; failing to load is always an error."""

import contextlib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras

from keras_mer.errors import UserError
from keras_mer.models import layer_freezing
from keras_mer.models.transfer import make

_SITE = "https://storage.googleapis.com/tensorflow/keras-applications/"
_TIMEOUT = 15  # seconds without a response until a download fails


def load(model: keras.Model, weights: str, config: Mapping, *, head: bool = False) -> str:
    """Load pretrained weights into the body of a newly built model.

    Args:
        model: any registered model, built from `config`.
        weights: ``"imagenet"`` (keras.applications' file, from its cache or downloaded); an .h5
            file in keras.applications' format; a .keras file of this project or of
            keras.applications; or the folder of a run. The architecture must be that of `config`.
        config: the recipe's `model` section.
        head: also load the layers after the body, from a model with the same classes.

    Returns:
        A line for the log that states what was loaded.

    Raises:
        UserError: if the weights are not available or do not fit the model.
    """
    is_application = config.get("name") == "transfer"
    if weights == "imagenet" or Path(weights).suffix == ".h5":
        if not is_application:
            raise UserError(
                f"transfer.weights: {weights} is for the model 'transfer'; the model "
                f"'{model.name}' takes the folder of a run or a .keras file"
            )
        if head:
            raise UserError(f"transfer.head: {weights} has no head for these classes")
        source = _application(weights, config)
    else:
        source = _saved(weights)
    count = _copy(layer_freezing.body(source), layer_freezing.body(model), f"{weights}")
    if head:
        _copy(_head(source), _head(model), f"{weights}, its head")
    return f"{count:,} weights of the body from {weights}"


def _application(weights: str, config: Mapping) -> keras.Model:
    """The keras.applications model with these weights; it resolves file names and formats."""
    name = config.get("backbone", "MobileNetV3Small")
    resolution, options = config.get("resolution", 96), config.get("options")
    if weights == "imagenet":
        with _downloading(name):
            return make(name, resolution, weights, options)
    if not Path(weights).is_file():
        raise UserError(f"transfer.weights: no file {weights}")
    try:
        return make(name, resolution, weights, options)
    except UserError:
        raise
    except (ValueError, OSError, KeyError) as error:  # raised by h5py and Keras
        raise UserError(
            f"{weights}: not the weights of {name} without its classifier ({_line(error)}); "
            "keras.applications' file of that kind ends in _notop.h5 or _no_top.h5"
        ) from None


@contextlib.contextmanager
def _downloading(name: str) -> Iterator[None]:
    """Turn a failed download into an error that names the file's URL and where to put it."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # Keras's get_file raises a bare Exception, urllib the socket's error.
        if type(error) is not Exception and not isinstance(error, ValueError | OSError):
            raise
        found = re.search(r"https?://\S+?\.h5", str(error))
        cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
        if found:
            how = f"fetch {found.group()} where there is a network and put it into {cache}/"
        elif isinstance(error, ValueError) and "corrupted" not in str(error):
            raise UserError(f"no ImageNet weights for {name}: {_line(error)}") from None
        else:
            how = f"fetch its _notop file from {_SITE} and put it into {cache}/"
        raise UserError(
            f"no ImageNet weights for {name}: not in the cache, and the download failed; {how}, "
            "or name the file: transfer.weights=PATH (random weights: none)"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def _saved(weights: str) -> keras.Model:
    from keras_mer.models.saving import load_model

    path = Path(weights)
    if not path.exists():
        raise UserError(
            f"transfer.weights: no run or file {weights}; expected imagenet, none, the folder of "
            "a run that has finished, or an .h5 or .keras file"
        )
    return load_model(path)


def _head(model: keras.Model) -> list[keras.layers.Layer]:
    inside = {id(layer) for layer in layer_freezing.body(model)}
    return [layer for layer in layer_freezing.leaves(model) if id(layer) not in inside]


def _copy(source: list, target: list, where: str) -> int:
    """Copy weights layer by layer, in order: generated layer names differ between sessions."""
    source, target = (list(filter(_has_weights, layers)) for layers in (source, target))
    extra = source[len(target) :]
    if any(not isinstance(layer, keras.layers.Dense) for layer in extra):  # a classifier is ignored
        raise _mismatch(where, f"it has {len(source)} layers with weights, the model {len(target)}")
    for number, mine in enumerate(target):
        if number >= len(source):
            raise _mismatch(where, f"it has no layer for the model's '{mine.name}'")
        given = source[number].get_weights()
        shapes = [[tuple(w.shape) for w in layer] for layer in (given, mine.weights)]
        if shapes[0] != shapes[1]:
            raise _mismatch(
                where,
                f"its layer '{source[number].name}' holds {shapes[0]}, the model's "
                f"'{mine.name}' {shapes[1]}",
            )
    for layer, mine in zip(source, target, strict=False):
        mine.set_weights(layer.get_weights())
    return sum(int(layer.count_params()) for layer in target)


def _has_weights(layer: keras.layers.Layer) -> bool:
    # Normalization holds pixel statistics; models.transfer applies its own.
    return bool(layer.weights) and not isinstance(layer, keras.layers.Normalization)


def _mismatch(where: str, reason: str) -> UserError:
    return UserError(f"transfer.weights: {where} is of another architecture: {reason}")


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]

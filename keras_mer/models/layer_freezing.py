"""Freezing of layers by block, and control of BatchNorm's moving statistics."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator

import keras

from keras_mer.errors import UserError

# The block in layer names of keras.applications: block6a_expand_conv,
# conv5_block3_1_conv, block_13_project, expanded_conv_4_depthwise, conv_pw_13,
# convnext_tiny_stage_3_block_2_depthwise_conv.
_BLOCK = re.compile(r"(.*?block_?\d+[a-z]?)(?:_|$)|(expanded_conv(?:_\d+)?)_[a-z]|conv_[dp]w_(\d+)")
_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
)


def leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model in order; nested models are replaced by their layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def nested(model: keras.Model) -> keras.Model | None:
    """The nested model named "backbone", or None."""
    return next((x for x in model.layers if x.name == "backbone"), None)


def body(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers shared between tasks: the backbone's, or all before the logits."""
    inside = nested(model)
    if inside is not None:
        return list(leaves(inside))
    return [x for x in leaves(model) if x.name not in ("logits", "probabilities")]


def blocks(model: keras.Model) -> list[list[keras.layers.Layer]]:
    """The body's layers with weights, grouped into blocks, from input to output.

    In keras.applications the layer names state the block (``block6a``, ``conv5_block3``); in other
    models a block is a layer with the normalization layer after it.
    """
    made: list[list[keras.layers.Layer]] = []
    last = None
    for layer in body(model):
        if not layer.weights:
            continue
        found = _BLOCK.match(layer.name)
        block = next((group for group in found.groups() if group), None) if found else None
        same = block == last if block else isinstance(layer, _NORMALIZATIONS)
        if made and same:
            made[-1].append(layer)
        else:
            made.append([layer])
            last = block
    return made


def freeze(model: keras.Model, unfreeze: int | str, batch_norm: bool = True) -> int:
    """Make only the head and the top blocks of the body trainable; compile the model afterwards.

    Args:
        model: any registered model.
        unfreeze: number of blocks to train, from the output, or ``"all"``.
        batch_norm: whether the BatchNorm layers of these blocks train and update their moving
            statistics; otherwise they run in inference mode, as those of frozen blocks do.

    Returns:
        The number of blocks in the body.

    Raises:
        UserError: for more blocks than the body has.
    """
    found = blocks(model)
    count = len(found) if unfreeze == "all" else unfreeze
    if not isinstance(count, int) or not 0 <= count <= len(found):
        raise UserError(
            f"transfer.unfreeze: expected all or a number up to {len(found)} (the blocks of "
            f"{model.name}), got {unfreeze}"
        )
    trained = {id(layer) for block in found[len(found) - count :] for layer in block}
    for layer in body(model):
        frozen = not batch_norm and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = id(layer) in trained and not frozen
    return len(found)


@contextlib.contextmanager
def batch_norm_momentum(layers: Iterable[keras.layers.Layer], value: float) -> Iterator[None]:
    """Context manager that sets the momentum of BatchNorm's moving statistics.

    Args:
        layers: any layers; only BatchNorm layers are changed.
        value: momentum of calls (and traces) inside the context: 0 replaces the moving statistics
            with those of the batch, 1 keeps them.
    """
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = value
    try:
        yield
    finally:
        for layer, own in zip(norms, kept, strict=True):
            layer.momentum = own


def recalibrate_batch_norm(layers: Iterable[keras.layers.Layer], run: Callable[[], object]) -> None:
    """Set BatchNorm's moving statistics to those of one batch.

    They start at mean 0 and variance 1, with which an untrained network in inference mode gives
    nearly the same output for every image.

    Args:
        layers: any layers; only BatchNorm layers are changed.
        run: a function that calls the layers on the batch in training mode.
    """
    with batch_norm_momentum(layers, 0.0):
        run()

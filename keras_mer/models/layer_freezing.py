"""Which layers of a model learn, and what BatchNorm takes for the mean of all."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator

import keras

from keras_mer.errors import UserError

# What keras.applications' layer names say of the block they stand in: block6a_expand_conv,
# conv5_block3_1_conv, block_13_project, expanded_conv_4_depthwise, conv_pw_13,
# convnext_tiny_stage_3_block_2_depthwise_conv.
_BLOCK = re.compile(r"(.*?block_?\d+[a-z]?)(?:_|$)|(expanded_conv(?:_\d+)?)_[a-z]|conv_[dp]w_(\d+)")
_NORMALISATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
)


def leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model in order, with those of nested models in the place of these."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def nested(model: keras.Model) -> keras.Model | None:
    """The nested model called backbone, or None."""
    return next((x for x in model.layers if x.name == "backbone"), None)


def body(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that a new task keeps: the backbone's, or all before the logits."""
    inside = nested(model)
    if inside is not None:
        return list(leaves(inside))
    return [x for x in leaves(model) if x.name not in ("logits", "probabilities")]


def blocks(model: keras.Model) -> list[list[keras.layers.Layer]]:
    """The body's layers that have weights, in blocks from the input up.

    A block is what the names of keras.applications say (``block6a``, ``conv5_block3``); elsewhere
    a layer with the normalisation behind it.
    """
    made: list[list[keras.layers.Layer]] = []
    last = None
    for layer in body(model):
        if not layer.weights:
            continue
        found = _BLOCK.match(layer.name)
        block = next((group for group in found.groups() if group), None) if found else None
        same = block == last if block else isinstance(layer, _NORMALISATIONS)
        if made and same:
            made[-1].append(layer)
        else:
            made.append([layer])
            last = block
    return made


def freeze(model: keras.Model, unfreeze: int | str, batch_norm: bool = True) -> int:
    """Let the head and the top blocks of the body learn, and nothing else; compile afterwards.

    Args:
        model: any registered model.
        unfreeze: ``"all"``, or how many blocks from the top.
        batch_norm: whether the BatchNorm of these blocks learns and follows the batches'
            statistics, too; otherwise it runs as in inference, as frozen blocks always do.

    Returns:
        How many blocks the body has.

    Raises:
        UserError: for a number of blocks that the body does not have.
    """
    found = blocks(model)
    count = len(found) if unfreeze == "all" else unfreeze
    if not isinstance(count, int) or not 0 <= count <= len(found):
        raise UserError(
            f"transfer.unfreeze: expected all or a number up to {len(found)} (the blocks of "
            f"{model.name}), got {unfreeze}"
        )
    learning = {id(layer) for block in found[len(found) - count :] for layer in block}
    for layer in body(model):
        still = not batch_norm and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = id(layer) in learning and not still
    return len(found)


@contextlib.contextmanager
def momentum(layers: Iterable[keras.layers.Layer], value: float) -> Iterator[None]:
    """Another momentum for BatchNorm's moving statistics: 0 takes the next batch's, 1 keeps them.

    Args:
        layers: those that may be BatchNorm.
        value: the momentum of what is called, or traced, inside.
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


def settle(layers: Iterable[keras.layers.Layer], run: Callable[[], object]) -> None:
    """Set BatchNorm's moving statistics to those of one batch, as if many like it had gone by.

    They start as 0 and 1: in inference mode, a new network says nearly the same of every image.

    Args:
        layers: those that may be BatchNorm.
        run: takes the batch through them, in training mode.
    """
    with momentum(layers, 0.0):
        run()

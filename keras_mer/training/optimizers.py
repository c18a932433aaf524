"""The optimizer factory: weight decay without biases and normalization, gradient clipping."""

import keras
from keras import ops

from keras_mer.training import device

_CLASSES = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
}
#: Variables without weight decay: biases, and scale and offset of normalization layers.
_NO_DECAY = ["bias", "gamma", "beta"]


def make_optimizer(
    name: str,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.0,
    *,
    weight_decay: float | None = None,
    momentum: float = 0.9,
    nesterov: bool = False,
    clip: float = 0.0,
) -> keras.optimizers.Optimizer:
    """An optimizer by name.

    Args:
        name: "sgd", "adam" or "adamw".
        learning_rate: a number or a Keras schedule; the default is for training steps that assign
            the learning rate themselves, as `keras_mer.models.dino.DINO` does.
        weight_decay: decoupled weight decay of all variables but biases and normalization; 0 for
            none. None makes it a variable with the value 0 for training steps that assign it: a
            number would be a constant of the traced step.
        momentum, nesterov: of SGD only.
        clip: largest norm of each variable's gradient, 0 for no clipping. The gradient is clipped
            after the sum over replicas. Keras's own `clipnorm` clips on every replica before the
            sum, so that its steps depend on the number of replicas.
    """
    decay = weight_decay
    if weight_decay is None:
        decay = keras.Variable(0.0, trainable=False, name="weight_decay")
    elif not weight_decay and name != "adamw":  # AdamW takes 0, and None is an error
        decay = None
    options = {"learning_rate": learning_rate, "weight_decay": decay}
    if name == "sgd":
        options |= {"momentum": momentum, "nesterov": nesterov}
    optimizer = _with_clipping(_CLASSES[name], clip)(**options)
    if decay is not None:
        optimizer.exclude_from_weight_decay(var_names=_NO_DECAY)
    return optimizer


def _with_clipping(base: type, clip: float) -> type:
    if not clip:
        return base

    class Clipping(base):
        def apply(self, grads, trainable_variables=None):
            sums, replicas = device.all_reduce_sum(grads)
            grads = [None if g is None else _clip(g, clip) / replicas for g in sums]
            return super().apply(grads, trainable_variables)

    return Clipping


def _clip(gradient, limit: float):
    norm = ops.sqrt(ops.sum(ops.square(gradient)))
    return gradient * (limit / ops.maximum(norm, limit))

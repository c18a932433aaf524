"""Optimisers whose rate and weight decay may change at every step, and that clip what is summed."""

import keras
from keras import ops

from keras_mer.config.recipe import Training
from keras_mer.training import device


def scheduled(kind: str, *, momentum: float = 0.9, clip: float = 0.0) -> keras.optimizers.Optimizer:
    """An optimiser whose learning rate and weight decay are variables, 0 until they are assigned.

    Weight decay given as a number is baked into a traced step. Norms and biases do not decay.

    Args:
        kind: "sgd" or "adamw".
        momentum: of sgd.
        clip: largest norm of each variable's gradient; 0 does not clip. Keras's own `clipnorm`
            clips on every replica before the sum, which makes the step depend on how many there
            are; this one clips the sum.
    """
    decay = keras.Variable(0.0, trainable=False, name="weight_decay")
    common = {"learning_rate": 0.0, "weight_decay": decay}
    if kind == "sgd":
        made = _clipping(keras.optimizers.SGD, clip)(momentum=momentum, **common)
    else:
        made = _clipping(keras.optimizers.AdamW, clip)(**common)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def _clipping(base: type, clip: float) -> type:
    if not clip:
        return base

    class Clipping(base):
        def apply(self, grads, trainable_variables=None):
            whole, replicas = device.summed(grads)
            grads = [None if g is None else _clip(g, clip) / replicas for g in whole]
            return super().apply(grads, trainable_variables)

    return Clipping


def _clip(gradient, limit: float):
    norm = ops.sqrt(ops.sum(ops.square(gradient)))
    return gradient * (limit / ops.maximum(norm, limit))


def optimizer(settings: Training, steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimiser; weight decay spares biases and normalisation layers.

    Args:
        settings: rates, decay and schedule.
        steps: batches an epoch.
    """
    rate = settings.rate
    warmup = round(settings.warmup * steps)
    if settings.schedule == "cosine":
        total = max(1, settings.epochs * steps - warmup)
        rate = keras.optimizers.schedules.CosineDecay(
            settings.rate / 25 if warmup else settings.rate,
            total,
            warmup_target=settings.rate if warmup else None,
            warmup_steps=warmup,
        )
    common = {"learning_rate": rate, "weight_decay": settings.weight_decay or None}
    if settings.optimizer == "sgd":
        made = keras.optimizers.SGD(momentum=settings.momentum, nesterov=True, **common)
    else:
        kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
        made = kind[settings.optimizer](**common)
    if settings.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made

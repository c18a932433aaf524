"""Schedules: the learning rate of supervised training, and DINO's per-step quantities.

In `linear` and `cosine`, `step` is a number or a tensor that counts from 0; both are pure functions
of `keras.ops` and return a float32 scalar tensor.
"""

import math

import keras
from keras import ops

from keras_mer.config.recipe import Training


def learning_rate(
    settings: Training, steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate of supervised training, for `optimizers.make_optimizer`.

    Args:
        settings: `rate`, `schedule`, `epochs` and `warmup` are read. "cosine" starts at a 25th of
            `rate`, rises linearly during the warmup and then decays to 0 (Loshchilov and Hutter
            2017; Goyal et al. 2017). "constant" and "plateau" start at `rate`, which the callback
            of "plateau" lowers (`keras_mer.training.callbacks.monitor_callbacks`).
        steps: batches per epoch.
    """
    if settings.schedule != "cosine":
        return settings.rate
    warmup = round(settings.warmup * steps)
    return keras.optimizers.schedules.CosineDecay(
        settings.rate / 25 if warmup else settings.rate,
        max(1, settings.epochs * steps - warmup),
        warmup_target=settings.rate if warmup else None,
        warmup_steps=warmup,
    )


def linear(step, *, steps: int, start: float, end: float):
    """A linear change from `start` to `end` over `steps`, then constant at `end`."""
    done = ops.clip(ops.cast(step, "float32") / max(steps, 1), 0.0, 1.0)
    return start + (end - start) * done


def cosine(step, *, steps: int, start: float, end: float, warmup: int = 0):
    """A half-cosine change from `start` to `end` over `steps`, then constant at `end`.

    The first `warmup` steps rise linearly from 0 to `start` instead.
    """
    now = ops.cast(step, "float32")
    done = ops.clip((now - warmup) / max(steps - warmup, 1), 0.0, 1.0)
    down = end + 0.5 * (start - end) * (1 + ops.cos(math.pi * done))
    if not warmup:
        return down
    return ops.where(now < warmup, start * now / warmup, down)

"""Quantities that change from step to step, as pure functions of `keras.ops`.

`step` may be a number or a tensor and counts from 0; all return a float32 scalar tensor.
"""

import math

from keras import ops


def linear(step, *, steps: int, start: float, end: float):
    """From `start` to `end` in a straight line over `steps`, `end` from there on."""
    done = ops.clip(ops.cast(step, "float32") / max(steps, 1), 0.0, 1.0)
    return start + (end - start) * done


def cosine(step, *, steps: int, start: float, end: float, warmup: int = 0):
    """Half a cosine from `start` to `end` over `steps`, `end` from there on.

    With `warmup`, the first steps climb from 0 to `start` in a straight line instead
    (Loshchilov and Hutter 2017; Goyal et al. 2017).
    """
    now = ops.cast(step, "float32")
    done = ops.clip((now - warmup) / max(steps - warmup, 1), 0.0, 1.0)
    down = end + 0.5 * (start - end) * (1 + ops.cos(math.pi * done))
    if not warmup:
        return down
    return ops.where(now < warmup, start * now / warmup, down)

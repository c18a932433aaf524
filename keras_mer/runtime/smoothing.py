"""Probabilities that move calmly: an exponential mean over time."""

import numpy as np


class Smoother:
    """Exponential mean of a vector, weighted by time and not by frames.

    The past's weight halves every `half_life` seconds, so that the same setting means the same at
    any frame rate.

    Args:
        half_life: seconds; 0 passes every value through unchanged.
    """

    def __init__(self, half_life: float = 0.4):
        self.half_life = half_life
        self._value: np.ndarray | None = None
        self._time = 0.0

    def update(self, value: np.ndarray, time: float) -> np.ndarray:
        """Take in the value of one moment, shape (classes,), and give the mean so far.

        Args:
            value: probabilities.
            time: seconds, not before the last update's.
        """
        value = np.asarray(value, np.float64)
        if self._value is None or self.half_life <= 0:
            self._value = value
        else:
            # Without the floor, a second value at the same instant would have no weight.
            passed = max(time - self._time, 1e-3)
            keep = 0.5 ** (passed / self.half_life)
            self._value = keep * self._value + (1 - keep) * value
        self._time = time
        return self._value

"""Temporal smoothing of probabilities: an exponential moving average."""

import numpy as np


class Smoother:
    """Exponential moving average of a vector, weighted by time and not by frames.

    The weight of past values halves every `half_life` seconds, independent of the frame rate.

    Args:
        half_life: seconds; 0 disables smoothing.
    """

    def __init__(self, half_life: float = 0.4):
        self.half_life = half_life
        self._value: np.ndarray | None = None
        self._time = 0.0

    def update(self, value: np.ndarray, time: float) -> np.ndarray:
        """Add a value, shape (classes,), and return the average so far.

        Args:
            value: probabilities.
            time: seconds, not less than in the last update.
        """
        value = np.asarray(value, np.float64)
        if self._value is None or self.half_life <= 0:
            self._value = value
        else:
            # Without the lower bound, a second value with the same time would have no weight.
            passed = max(time - self._time, 1e-3)
            keep = 0.5 ** (passed / self.half_life)
            self._value = keep * self._value + (1 - keep) * value
        self._time = time
        return self._value

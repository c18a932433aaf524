"""Temperature scaling: probabilities that state how often the model is right."""

from pathlib import Path

import keras
import numpy as np
from scipy.optimize import minimize_scalar

from keras_mer.data.inputs import Samples
from keras_mer.evaluation import evaluate
from keras_mer.files import replacing
from keras_mer.models import saving

#: Temperatures that are considered.
_BOUNDS = (0.2, 5.0)


def temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature T for which softmax(logits / T) has the lowest cross-entropy.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599. The predicted
    classes stay the same.

    Args:
        probabilities: softmax(logits), (samples, classes), of samples the model was not fitted on.
        truth: class indices (samples,).

    Returns:
        T, from 0.2 to 5; below 1 where the model is less sure than it could be.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12))
    rows = np.arange(len(truth))

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(1)) - scaled[rows, truth]).mean())

    found = minimize_scalar(cross_entropy, bounds=np.log(_BOUNDS), method="bounded")
    return float(np.exp(found.x))


def scale(model: keras.Model, temperature: float) -> None:
    """Divide a model's logits by a temperature, in the weights of its last dense layer."""
    layer = next(layer for layer in reversed(model.layers) if layer.weights)
    layer.set_weights([weights / temperature for weights in layer.get_weights()])


def calibrate(file: Path, samples: Samples, rows: np.ndarray) -> float:
    """Scale the model in `file`, which has probabilities, by its temperature on the rows.

    Returns:
        The temperature.
    """
    model = saving.load_model(file)
    found = temperature(evaluate.predict(model, samples.inputs[rows]), samples.labels[rows])
    scale(model, found)
    with replacing(file) as temporary:
        model.save(temporary)
    return found

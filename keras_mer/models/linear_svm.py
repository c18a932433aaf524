"""A linear support vector machine as a Keras model."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_mer")
class OneVersusOneScores(layers.Layer):
    """Scores of classes from the decision values of all pairs of classes.

    A class's score is the number of pairs that it wins. Among classes that win equally many the
    first one scores highest, as in libsvm; the sum of its decision values, squashed to less than
    a third of a tie-break, says how clear the decision was.

    Input: (batch, classes * (classes - 1) / 2), pairs in the order (0, 1), (0, 2), ..., positive
    for the first class of the pair. Output: (batch, classes).

    Args:
        classes: number of classes, at least 2.
    """

    def __init__(self, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        first, second = np.triu_indices(classes, 1)
        rows = np.arange(len(first))
        signs = np.zeros((len(first), classes), np.float32)
        signs[rows, first], signs[rows, second] = 1, -1
        self._signs = signs

    def call(self, decisions):
        signs = ops.cast(self._signs, decisions.dtype)
        won = ops.matmul(ops.sign(decisions), signs)  # pairs won less pairs lost
        votes = (won + self.classes - 1) / 2
        total = ops.matmul(decisions, signs)
        tie_break = total / (3 * (ops.abs(total) + 1)) - ops.arange(self.classes, dtype=votes.dtype)
        return votes + tie_break / (2 * self.classes)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.classes)

    def get_config(self):
        return super().get_config() | {"classes": self.classes}


def linear_svm(classes: int, size: int = 28, channels: int = 3, C: float = 1e-3) -> keras.Model:
    """A linear SVM, one against one, on the pixels.

    The weights of the layer ``decisions`` come from `keras_mer.training.closed_form.LinearSVM`,
    which folds the standardization of the pixels into them.

    Args:
        classes: number of outputs.
        size: side of the square input, pixels.
        channels: of the input.
        C: penalty of the hinge loss; used when it is fitted.

    Returns:
        (batch, size, size, channels) pixels 0..255 -> (batch, classes) scores as logits.
    """
    inputs = keras.Input((size, size, channels), name="pixels")
    x = layers.Flatten()(inputs)
    x = layers.Dense(classes * (classes - 1) // 2, dtype="float32", name="decisions")(x)
    return keras.Model(
        inputs, OneVersusOneScores(classes, dtype="float32", name="logits")(x), name="svm"
    )

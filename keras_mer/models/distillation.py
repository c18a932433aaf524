"""Distillation: a small student learns from what larger, trained teachers say of each image.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network". Keras has
`keras.distillation.Distiller`; this is here because that one (Keras 3.15) drops sample weights and
with them class weights, leaves the student's regularisation losses out, and moves the teacher's
BatchNorm statistics in `evaluate` when features are matched.
"""

from collections.abc import Sequence

import keras
from keras import ops

from keras_mer import losses
from keras_mer.errors import UserError
from keras_mer.models.features import features, logits


class Distillation(keras.Model):
    """A student in training, with its teachers; ``call`` is the student alone.

    The loss is ``hard * cross-entropy(labels) + (1 - hard) * T^2 KL(teachers || student)``, and
    with `matching`, that times the distance of the projected features. Only `compute_loss` is
    its own: the gradient step is Keras's, so loss scaling, replicas, and class and sample
    weights, which count for every term, are right without a line here. Validation sees the
    cross-entropy of the labels alone, which compares with that of any training, and no teacher.

    The teachers are no part of this model: they are neither trained nor saved with it nor counted,
    and always run in inference mode, so that nothing of them changes.

    Args:
        student: pixels -> (batch, classes) logits.
        teachers: models of the same classes, logits or probabilities, of any input size; grey and
            colour may be mixed. An ensemble's answer is the mean of its softened probabilities.
            None where every batch brings the teachers' logits along.
        hard: weight of the labels, 0 to 1.
        temperature: T.
        matching: weight of `losses.feature_matching`; takes one teacher.
        labels: the loss of the labels; cross-entropy of logits by default.

    Input: pixels 0..255, (batch, height, width, channels) or (batch, frames, height, width,
    channels), which are resized to each network's own input; or, in training, {"pixels": such a
    batch, "teachers": (batch, teachers, classes) logits computed before}. Output: (batch, classes)
    logits.

    Raises:
        UserError: for teachers of other classes, or features to match without one teacher.
    """

    def __init__(
        self,
        student: keras.Model,
        teachers: Sequence[keras.Model] | None,
        hard: float = 0.1,
        temperature: float = 4.0,
        matching: float = 0.0,
        labels: keras.losses.Loss | None = None,
        name: str = "distillation",
    ):
        super().__init__(name=name)
        self.student = student
        self.hard, self.temperature, self.matching = hard, temperature, matching
        classes = student.output_shape[-1]
        for teacher in teachers or []:
            if teacher.output_shape[-1] != classes:
                raise UserError(
                    f"teacher '{teacher.name}' has {teacher.output_shape[-1]} outputs, the student "
                    f"{classes}: they must know the same classes"
                )
        if matching and (teachers is None or len(teachers) != 1):
            raise UserError("feature matching takes exactly one teacher, and not from a cache")
        self._ask = _asker(teachers) if teachers else None
        self._labels = labels or keras.losses.CategoricalCrossentropy(from_logits=True)
        self._mean = losses.Mean()
        if matching:
            self._teacher_features = _untracked(features(teachers[0]))
            self._both = _untracked(_with_features(student))
            width = features(teachers[0]).output_shape[-1]
            self.projection = keras.layers.Dense(width, name="projection")
            self.projection.build(features(student).output_shape)
        self.built = True

    def call(self, inputs, training=False):
        pixels = inputs["pixels"] if isinstance(inputs, dict) else inputs
        pixels = fit_input(pixels, self.student.input_shape[1:])
        if self.matching and training:
            answer, found = self._both(pixels, training=True)
            return {"logits": answer, "features": self.projection(found)}
        return self.student(pixels, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of the terms; of the labels' alone outside training."""
        answer = y_pred["logits"] if isinstance(y_pred, dict) else y_pred
        hard = self._labels(y, answer, sample_weight)
        if not training:
            return hard
        given = x["teachers"] if isinstance(x, dict) else self._ask(x)
        targets = losses.soften(given, self.temperature)
        soft = losses.distillation(targets, answer, self.temperature)
        total = self.hard * hard + (1 - self.hard) * self._mean(None, soft, sample_weight)
        if self.matching:
            seen = self._teacher_features(x)
            values = losses.feature_matching(y_pred["features"], seen)
            total += self.matching * self._mean(None, values, sample_weight)
        for value in self.losses:  # the student's regularisation
            total += self._mean(None, ops.reshape(value, (1,)))
        return total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        answer = y_pred["logits"] if isinstance(y_pred, dict) else y_pred
        return super().compute_metrics(x, y, answer, sample_weight)


def fit_input(pixels, shape: tuple[int, int, int]):
    """Pixels resized to a network's (height, width, channels), grey and colour converted.

    Args:
        pixels: (batch, height, width, channels), or with frames before the height; float.
    """
    height, width, channels = shape[-3:]
    have = tuple(pixels.shape)
    if have[-3:] == (height, width, channels):
        return pixels
    flat = ops.reshape(pixels, (-1, *have[-3:]))
    if have[-1] == 3 and channels == 1:
        flat = ops.image.rgb_to_grayscale(flat)
    elif have[-1] == 1 and channels == 3:
        flat = ops.repeat(flat, 3, axis=-1)
    if have[-3:-1] != (height, width):
        flat = ops.image.resize(flat, (height, width), antialias=have[-3] > height)
    return ops.reshape(flat, (-1, *have[1:-3], height, width, channels))


def _asker(teachers: Sequence[keras.Model]):
    """A function pixels -> (batch, teachers, classes) logits, in inference mode."""
    # A function and no attribute: Keras would track the models, train and save them.
    models = [logits(teacher) for teacher in teachers]

    def ask(pixels):
        answers = [model(fit_input(pixels, model.input_shape), training=False) for model in models]
        return ops.stop_gradient(ops.stack([ops.cast(a, "float32") for a in answers], axis=1))

    return ask


def _untracked(model: keras.Model):
    def run(pixels, training=False):
        return model(fit_input(pixels, model.input_shape), training=training)

    return run


def _with_features(student: keras.Model) -> keras.Model:
    return keras.Model(student.input, [student.output, features(student).output])

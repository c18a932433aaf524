"""Knowledge distillation: a small student trained on the outputs of larger teachers.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network". It replaces
`keras.distillation.Distiller`, which (in Keras 3.15) ignores sample weights and class weights and
the student's regularization losses, and updates the teacher's BatchNorm statistics in `evaluate`
when features are matched.
"""

from collections.abc import Sequence

import keras
from keras import ops

from keras_mer import losses
from keras_mer.errors import UserError
from keras_mer.models.features import features, logits


class Distillation(keras.Model):
    """A wrapper that trains a student with teachers; ``call`` is the student alone.

    The loss is ``hard * cross-entropy(labels) + (1 - hard) * T^2 KL(teachers || student)
    + matching * feature_matching``. Only `compute_loss` is overridden: the gradient step is
    Keras's own, which handles loss scaling, replicas, and class and sample weights (they apply to
    every term). Validation computes the cross-entropy of the labels alone, without the teachers,
    so that it compares with other training runs.

    The teachers are not tracked by this model: they are not trained, saved or counted with it and
    always run in inference mode.

    Args:
        student: pixels -> (batch, classes) logits.
        teachers: models of the same classes with logits or probabilities; input size and channels
            may differ. Several teachers form an ensemble: the mean of their softened
            probabilities. None if every batch contains precomputed teacher logits.
        hard: weight of the labels, 0 to 1.
        temperature: T.
        matching: weight of `losses.feature_matching`; requires exactly one teacher.
        labels: loss of the labels; cross-entropy of logits by default.

    Input: pixels 0..255, (batch, height, width, channels) or (batch, frames, height, width,
    channels), resized to each network's own input; or, in training, {"pixels": such a batch,
    "teachers": precomputed logits, (batch, teachers, classes)}. Output: (batch, classes) logits.

    Raises:
        UserError: for teachers with another number of classes, or feature matching without exactly
            one teacher.
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
                    f"{classes}: both must have the same classes"
                )
        if matching and (teachers is None or len(teachers) != 1):
            raise UserError(
                "feature matching requires exactly one teacher and no precomputed logits"
            )
        self._teacher_logits = _logits_function(teachers) if teachers else None
        self._labels = labels or keras.losses.CategoricalCrossentropy(from_logits=True)
        self._mean = losses.Mean()
        if matching:
            self._teacher_features = _untracked(features(teachers[0]))
            self._with_features = _untracked(_with_features(student))
            width = features(teachers[0]).output_shape[-1]
            self.projection = keras.layers.Dense(width, name="projection")
            self.projection.build(features(student).output_shape)
        self.built = True

    def call(self, inputs, training=False):
        pixels = inputs["pixels"] if isinstance(inputs, dict) else inputs
        pixels = fit_input(pixels, self.student.input_shape[1:])
        if self.matching and training:
            student_logits, found = self._with_features(pixels, training=True)
            return {"logits": student_logits, "features": self.projection(found)}
        return self.student(pixels, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of all terms; outside training the loss of the labels alone."""
        student_logits = y_pred["logits"] if isinstance(y_pred, dict) else y_pred
        hard = self._labels(y, student_logits, sample_weight)
        if not training:
            return hard
        teacher_logits = x["teachers"] if isinstance(x, dict) else self._teacher_logits(x)
        targets = losses.soften(teacher_logits, self.temperature)
        soft = losses.distillation(targets, student_logits, self.temperature)
        total = self.hard * hard + (1 - self.hard) * self._mean(None, soft, sample_weight)
        if self.matching:
            values = losses.feature_matching(y_pred["features"], self._teacher_features(x))
            total += self.matching * self._mean(None, values, sample_weight)
        for value in self.losses:  # the student's regularization
            total += self._mean(None, ops.reshape(value, (1,)))
        return total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        student_logits = y_pred["logits"] if isinstance(y_pred, dict) else y_pred
        return super().compute_metrics(x, y, student_logits, sample_weight)


def fit_input(pixels, shape: tuple[int, int, int]):
    """Pixels resized and converted between gray and RGB to fit a network's input.

    Args:
        pixels: float (batch, height, width, channels) or (batch, frames, height, width, channels).
        shape: the network's input shape, ending with (height, width, channels).
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


def _logits_function(teachers: Sequence[keras.Model]):
    """A function pixels -> (batch, teachers, classes) logits, in inference mode."""
    # A closure, because Keras would track, train and save models stored in attributes.
    models = [logits(teacher) for teacher in teachers]

    def teacher_logits(pixels):
        outputs = [model(fit_input(pixels, model.input_shape), training=False) for model in models]
        return ops.stop_gradient(ops.stack([ops.cast(o, "float32") for o in outputs], axis=1))

    return teacher_logits


def _untracked(model: keras.Model):
    """A function that calls the model; in an attribute, Keras does not track it."""

    def run(pixels, training=False):
        return model(fit_input(pixels, model.input_shape), training=training)

    return run


def _with_features(student: keras.Model) -> keras.Model:
    return keras.Model(student.input, [student.output, features(student).output])

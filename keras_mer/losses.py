"""Losses that compare two networks: self-distillation without labels, and distillation.

Pure functions of `keras.ops`, one value a sample, float32; reducing over the batch (weights,
replicas) is left to `Mean`.
"""

import keras
from keras import ops


def dino(student, teacher, centre, student_temperature, teacher_temperature):
    """Cross-entropy between what a teacher and a student make of different crops of one image.

    DINO (Caron et al. 2021, eq. 1 to 3): with ``P_t = softmax((g_t - centre) / tau_t)`` of the
    teacher's global crops and ``P_s = softmax(g_s / tau_s)`` of all the student's crops, the mean
    of ``-P_t . log P_s`` over all pairs of different crops. A low ``tau_t`` sharpens, the centre
    keeps one output from winning always; each alone would collapse.

    The pairs are not looped over: summing over them is bilinear, so the product of two sums less
    the pairs of equal crops is the same number.

    Args:
        student: outputs g_s, (batch, crops, outputs), the global crops first.
        teacher: outputs g_t, (batch, global crops, outputs); no gradient flows into them.
        centre: running mean of the teacher's outputs, (outputs,).
        student_temperature, teacher_temperature: tau_s and tau_t, e.g. 0.1 and 0.04.

    Returns:
        (batch,), float32.
    """
    student, teacher = ops.cast(student, "float32"), ops.cast(teacher, "float32")
    seen = teacher.shape[1]
    pairs = seen * (student.shape[1] - 1)
    wanted = teacher_probabilities(teacher, centre, teacher_temperature)
    log = ops.log_softmax(student / student_temperature, axis=-1)
    every = ops.sum(ops.sum(wanted, axis=1) * ops.sum(log, axis=1), axis=-1)
    same = ops.sum(wanted * log[:, :seen], axis=(1, 2))
    return (same - every) / pairs


def teacher_probabilities(teacher, centre, temperature):
    """The teacher's centred and sharpened probabilities, without gradient; arguments as `dino`."""
    return ops.stop_gradient(ops.softmax((teacher - centre) / temperature, axis=-1))


def soften(logits, temperature):
    """The mean over an ensemble of softmax(logits / temperature).

    Args:
        logits: (batch, teachers, classes).
        temperature: T; above 1 it shows how a teacher ranks the wrong classes.

    Returns:
        (batch, classes), float32.
    """
    logits = ops.cast(logits, "float32")
    return ops.mean(ops.softmax(logits / temperature, axis=-1), axis=1)


def distillation(targets, logits, temperature):
    """``T^2 KL(targets || softmax(logits / T))`` (Hinton et al. 2015).

    T^2 keeps the gradient's size as T grows; a student that equals its teacher has 0.

    Args:
        targets: a teacher's softened probabilities, (batch, classes); no gradient flows into them.
        logits: the student's, (batch, classes).
        temperature: T, the one that `soften` was given.

    Returns:
        (batch,), float32.
    """
    targets = ops.stop_gradient(ops.cast(targets, "float32"))
    log = ops.log_softmax(ops.cast(logits, "float32") / temperature, axis=-1)
    known = ops.log(ops.maximum(targets, 1e-30))
    return temperature**2 * ops.sum(targets * (known - log), axis=-1)


def feature_matching(student, teacher):
    """Squared distance of two feature vectors of length one: 0 to 4.

    FitNets' regression (Romero et al. 2015) on directions only, so that the scale of the teacher's
    features, which differs from network to network, does not set the weight.

    Args:
        student: (batch, features), projected to the teacher's width.
        teacher: (batch, features); no gradient flows into it.

    Returns:
        (batch,), float32.
    """
    student = ops.normalize(ops.cast(student, "float32"), axis=-1)
    teacher = ops.stop_gradient(ops.normalize(ops.cast(teacher, "float32"), axis=-1))
    return ops.sum(ops.square(student - teacher), axis=-1)


class Mean(keras.losses.Loss):
    """The mean over the batch of values that are already a loss: `mean(None, values, weights)`.

    Keras's own reduction: sample weights count, and on several replicas each contributes its
    share of the whole batch.
    """

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_pred if y_true is None else y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        return y_pred

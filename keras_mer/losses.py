"""Losses that compare two networks: self-distillation without labels, and distillation.

Pure functions of `keras.ops`, one value a sample, float32; reducing over the batch (weights,
replicas) is left to `Mean`.
"""

import keras
from keras import ops

from keras_mer.config.recipe import Training


def dino(student, wanted, temperature):
    """Cross-entropy between what a teacher and a student make of different crops of one image.

    DINO (Caron et al. 2021, eq. 2 and 3): with ``P_s = softmax(g_s / tau_s)`` of all the student's
    crops, the mean of ``-P_t . log P_s`` over all pairs of different crops.

    The pairs are not looped over: summing over them is bilinear, so the product of two sums less
    the pairs of equal crops is the same number.

    Args:
        student: outputs g_s, (batch, crops, outputs), the global crops first.
        wanted: the teacher's probabilities P_t, (batch, global crops, outputs), `centred` or
            `sinkhorn`.
        temperature: tau_s, e.g. 0.1.

    Returns:
        (batch,), float32.
    """
    student, wanted = ops.cast(student, "float32"), ops.cast(wanted, "float32")
    seen = wanted.shape[1]
    pairs = seen * (student.shape[1] - 1)
    log = ops.log_softmax(student / temperature, axis=-1)
    every = ops.sum(ops.sum(wanted, axis=1) * ops.sum(log, axis=1), axis=-1)
    same = ops.sum(wanted * log[:, :seen], axis=(1, 2))
    return (same - every) / pairs


def centred(teacher, centre, temperature):
    """A teacher's probabilities, ``softmax((g_t - centre) / tau_t)`` (Caron et al. 2021, eq. 1).

    A low temperature sharpens, the centre keeps one output from winning always; each alone would
    collapse.

    Args:
        teacher: outputs g_t, (batch, global crops, outputs).
        centre: running mean of the teacher's outputs, (outputs,).
        temperature: tau_t, e.g. 0.04.

    Returns:
        As `teacher`, float32, without gradient.
    """
    teacher = ops.cast(teacher, "float32")
    return ops.stop_gradient(ops.softmax((teacher - centre) / temperature, axis=-1))


def sinkhorn(teacher, temperature, rounds=3):
    """A teacher's probabilities, every output wanted equally often (Sinkhorn and Knopp 1967).

    In place of a centre (SwAV, Caron et al. 2020, section 3.1; DINOv2, Oquab et al. 2023): outputs
    and crops in turn are scaled to equal shares of the batch, ending with crops. A centre lets few
    outputs win most images; this cannot.

    Args:
        teacher: outputs g_t, (batch, global crops, outputs).
        temperature: tau_t, e.g. 0.04.
        rounds: how often; 3 in both papers.

    Returns:
        As `teacher`, float32, without gradient.
    """
    log = ops.reshape(ops.cast(teacher, "float32") / temperature, (-1, teacher.shape[-1]))
    for _ in range(rounds):
        log = log - ops.logsumexp(log, axis=0, keepdims=True)
        log = log - ops.logsumexp(log, axis=1, keepdims=True)
    return ops.stop_gradient(ops.reshape(ops.exp(log), (-1, *teacher.shape[1:])))


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


def loss(settings: Training) -> keras.losses.Loss:
    """Cross-entropy of logits, or the focal loss (Lin et al. 2017) where the recipe asks for it."""
    common = {"from_logits": True, "label_smoothing": settings.label_smoothing}
    if settings.imbalance == "focal":
        # alpha 1: a smaller one would only be a lower learning rate.
        return keras.losses.CategoricalFocalCrossentropy(1.0, settings.focal_gamma, **common)
    return keras.losses.CategoricalCrossentropy(**common)

"""Losses: supervised, DINO, knowledge distillation.

The losses of DINO and distillation are pure functions of `keras.ops` that return one float32 value
per sample; `Mean` reduces over the batch, with sample weights and replicas.
"""

import keras
from keras import ops

from keras_mer.config.recipe import Training


def dino(student, targets, temperature):
    """Cross-entropy between teacher and student outputs for different crops of an image.

    DINO (Caron et al. 2021, eq. 2 and 3): the mean of ``-P_t . log P_s`` over all pairs of
    different crops, with ``P_s = softmax(g_s / tau_s)``.

    The sum over pairs is bilinear, so it is computed without a loop: the product of two sums minus
    the pairs of equal crops.

    Args:
        student: the student's outputs g_s, (batch, crops, outputs), global crops first.
        targets: the teacher's probabilities P_t, (batch, global crops, outputs), from `centered`
            or `sinkhorn`.
        temperature: tau_s, e.g. 0.1.

    Returns:
        (batch,), float32.
    """
    student, targets = ops.cast(student, "float32"), ops.cast(targets, "float32")
    global_crops = targets.shape[1]
    pairs = global_crops * (student.shape[1] - 1)
    log = ops.log_softmax(student / temperature, axis=-1)
    every = ops.sum(ops.sum(targets, axis=1) * ops.sum(log, axis=1), axis=-1)
    same = ops.sum(targets * log[:, :global_crops], axis=(1, 2))
    return (same - every) / pairs


def centered(teacher, center, temperature):
    """Centered teacher probabilities, ``softmax((g_t - center) / tau_t)`` (DINO, eq. 1).

    A low temperature sharpens the distribution; the center prevents one output from dominating.
    Either alone leads to collapse (Caron et al. 2021).

    Args:
        teacher: the teacher's outputs g_t, (batch, global crops, outputs).
        center: moving average of the teacher's outputs, (outputs,).
        temperature: tau_t, e.g. 0.04.

    Returns:
        As `teacher`, float32, without gradient.
    """
    teacher = ops.cast(teacher, "float32")
    return ops.stop_gradient(ops.softmax((teacher - center) / temperature, axis=-1))


def sinkhorn(teacher, temperature, rounds=3):
    """Teacher probabilities balanced by Sinkhorn-Knopp: every output has the same total.

    Replaces centering (SwAV, Caron et al. 2020, section 3.1; DINOv2, Oquab et al. 2023): the matrix
    of crops and outputs is alternately normalized over both (Sinkhorn and Knopp 1967), over the
    outputs of a crop last. With a center, few outputs can still take most images.

    Args:
        teacher: the teacher's outputs g_t, (batch, global crops, outputs).
        temperature: tau_t, e.g. 0.04.
        rounds: number of iterations; 3 in both papers.

    Returns:
        As `teacher`, float32, without gradient.
    """
    log = ops.reshape(ops.cast(teacher, "float32") / temperature, (-1, teacher.shape[-1]))
    for _ in range(rounds):
        log = log - ops.logsumexp(log, axis=0, keepdims=True)
        log = log - ops.logsumexp(log, axis=1, keepdims=True)
    return ops.stop_gradient(ops.reshape(ops.exp(log), (-1, *teacher.shape[1:])))


def soften(logits, temperature):
    """Soft targets of an ensemble: the mean of softmax(logits / temperature) over the teachers.

    Args:
        logits: the teachers' logits, (batch, teachers, classes).
        temperature: T; values above 1 give the wrong classes more weight.

    Returns:
        (batch, classes), float32.
    """
    logits = ops.cast(logits, "float32")
    return ops.mean(ops.softmax(logits / temperature, axis=-1), axis=1)


def distillation(targets, logits, temperature):
    """The distillation loss ``T^2 KL(targets || softmax(logits / T))`` (Hinton et al. 2015).

    The factor T^2 keeps the magnitude of the gradient independent of T.

    Args:
        targets: soft targets, (batch, classes); no gradient flows into them.
        logits: the student's logits, (batch, classes).
        temperature: T, the same as for `soften`.

    Returns:
        (batch,), float32.
    """
    targets = ops.stop_gradient(ops.cast(targets, "float32"))
    log = ops.log_softmax(ops.cast(logits, "float32") / temperature, axis=-1)
    known = ops.log(ops.maximum(targets, 1e-30))
    return temperature**2 * ops.sum(targets * (known - log), axis=-1)


def feature_matching(student, teacher):
    """Squared distance of L2-normalized feature vectors, 0 to 4.

    FitNets' regression (Romero et al. 2015) on normalized features, so that the loss does not
    depend on the scale of the teacher's features.

    Args:
        student: the student's features, (batch, features), projected to the teacher's width.
        teacher: the teacher's features, (batch, features); no gradient flows into them.

    Returns:
        (batch,), float32.
    """
    student = ops.normalize(ops.cast(student, "float32"), axis=-1)
    teacher = ops.stop_gradient(ops.normalize(ops.cast(teacher, "float32"), axis=-1))
    return ops.sum(ops.square(student - teacher), axis=-1)


class Mean(keras.losses.Loss):
    """Keras's reduction of per-sample loss values: `mean(None, values, sample_weights)`.

    On several replicas each contributes its share of the global batch.
    """

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_pred if y_true is None else y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        return y_pred


def supervised_loss(settings: Training) -> keras.losses.Loss:
    """Cross-entropy of logits, or focal loss (Lin et al. 2017) for ``imbalance: focal``.

    The focal loss down-weights samples that are already classified with high probability.

    Args:
        settings: `label_smoothing`, `imbalance` and `focal_gamma` are read.
    """
    common = {"from_logits": True, "label_smoothing": settings.label_smoothing}
    if settings.imbalance == "focal":
        # Alpha is 1: the same factor for all classes only scales the learning rate.
        return keras.losses.CategoricalFocalCrossentropy(1.0, settings.focal_gamma, **common)
    return keras.losses.CategoricalCrossentropy(**common)

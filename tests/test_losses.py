"""Every loss against an independent numpy implementation of the paper's formula."""

import keras
import numpy as np
import pytest

from keras_mer import losses


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def cross_by_hand(student, wanted, temperature):
    """Caron et al. 2021, eq. 3: the value of each sample and the gradient for the student."""
    batch, views, _ = student.shape
    globals_ = wanted.shape[1]
    value, slope = np.zeros(batch), np.zeros_like(student)
    pairs = 0
    for t in range(globals_):
        for s in range(views):
            if s == t:
                continue
            pairs += 1
            got = softmax(student[:, s] / temperature)
            value += -(wanted[:, t] * np.log(got)).sum(-1)
            slope[:, s] += (got - wanted[:, t]) / temperature
    return value / pairs, slope / pairs


def dino_by_hand(student, teacher, center, student_temperature, teacher_temperature):
    """DINO's loss with a centered and sharpened teacher (eq. 1)."""
    wanted = softmax((teacher - center) / teacher_temperature)
    return cross_by_hand(student, wanted, student_temperature)


def numeric(function, x, weights, step=1e-4):
    """The gradient of sum(weights * function(x)) by central differences, in float64."""
    out = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        out[index] = ((function(up) - function(down)) * weights).sum() / (2 * step)
    return out


def gradient(function, x):
    """Keras's value, (batch,), and the gradient of its sum."""
    import tensorflow as tf

    x = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
        total = tf.reduce_sum(value)
    return value.numpy(), tape.gradient(total, x).numpy()


@pytest.mark.parametrize("local", [0, 1, 6])
@pytest.mark.parametrize("temperatures", [(0.1, 0.04), (0.1, 0.07), (1.0, 1.0)])
def test_dino_is_the_papers_sum_over_pairs(local, temperatures):
    random = np.random.default_rng(local)
    student = random.uniform(-1, 1, (5, 2 + local, 12))
    teacher = random.uniform(-1, 1, (5, 2, 12))
    center = random.uniform(-0.5, 0.5, 12)
    value, slope = dino_by_hand(student, teacher, center, *temperatures)
    wanted = losses.centered(teacher, center.astype("f"), temperatures[1])
    got, got_slope = gradient(lambda s: losses.dino(s, wanted, temperatures[0]), student)
    np.testing.assert_allclose(got, value, rtol=1e-5)
    np.testing.assert_allclose(got_slope, slope, rtol=1e-4, atol=1e-5)
    # and the gradient by hand is the one of the value by hand
    by_differences = numeric(
        lambda s: dino_by_hand(s, teacher[:1], center, *temperatures)[0], student[:1], 1.0
    )
    np.testing.assert_allclose(slope[:1], by_differences[:1], rtol=1e-4, atol=1e-5)


def sinkhorn_by_hand(scores, temperature, rounds):
    """Sinkhorn-Knopp as in Oquab et al. 2023, (crops, outputs)."""
    table = np.exp(scores / temperature)
    crops, outputs = table.shape
    table /= table.sum()
    for _ in range(rounds):
        for j in range(outputs):
            table[:, j] /= table[:, j].sum() * outputs
        for i in range(crops):
            table[i] /= table[i].sum() * crops
    return table * crops


@pytest.mark.parametrize("rounds", [1, 3])
def test_sinkhorn_equals_the_reference(rounds):
    teacher = np.random.default_rng(0).uniform(-1, 1, (6, 2, 5))
    got = losses.sinkhorn(teacher, 0.1, rounds)
    wanted = sinkhorn_by_hand(teacher.reshape(12, 5), 0.1, rounds).reshape(6, 2, 5)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-7)


def test_sinkhorn_balances_outputs_that_centering_does_not():
    """Two kinds of image and an outlier: the share of the batch of each output."""
    teacher = np.zeros((100, 1, 4), "f")
    teacher[:50, :, 0] = teacher[50:, :, 1] = 0.5
    teacher[0, :, 2] = 0.6
    centered = losses.centered(teacher, teacher.mean((0, 1)), 0.04)
    assert float(np.mean(centered, (0, 1))[3]) < 0.01
    balanced = losses.sinkhorn(teacher, 0.04, rounds=100)
    np.testing.assert_allclose(np.mean(balanced, (0, 1)), 0.25, atol=0.01)
    np.testing.assert_allclose(np.sum(balanced, -1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "balance", [lambda t: losses.centered(t, 0.0, 0.04), lambda t: losses.sinkhorn(t, 0.04)]
)
def test_the_teacher_gets_no_gradient(balance):
    import tensorflow as tf

    teacher = tf.constant(np.random.default_rng(0).normal(size=(3, 2, 5)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(teacher)
        value = balance(teacher)
    assert tape.gradient(value, teacher) is None


def test_center_and_temperature_of_the_teacher():
    teacher = np.array([[[0.3, 0.1, 0.0]]], "f")
    plain = losses.centered(teacher, np.zeros(3, "f"), 0.1)
    sharp = losses.centered(teacher, np.zeros(3, "f"), 0.02)
    assert sharp[0, 0, 0] > plain[0, 0, 0] > 1 / 3
    # an output that is always high is what the center takes away
    level = losses.centered(teacher, teacher[0, 0], 0.02)
    np.testing.assert_allclose(level, 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_is_hintons(temperature):
    random = np.random.default_rng(0)
    logits, teachers = random.normal(size=(6, 7)), random.normal(size=(6, 3, 7))
    targets = softmax(teachers / temperature).mean(1)
    soft = np.asarray(losses.soften(teachers.astype("f"), temperature))
    np.testing.assert_allclose(soft, targets, atol=1e-6)
    got = softmax(logits / temperature)
    value = temperature**2 * (targets * np.log(targets / got)).sum(-1)
    out, slope = gradient(lambda x: losses.distillation(soft, x, temperature), logits)
    np.testing.assert_allclose(out, value, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slope, temperature * (got - targets), atol=1e-5)
    same, flat = gradient(lambda x: losses.distillation(soft, x, 1.0), np.log(targets))
    assert np.abs(same).max() < 1e-5 and np.abs(flat).max() < 1e-5


def test_teacher_probability_zero_gives_a_finite_loss():
    out = losses.distillation(np.array([[1.0, 0.0]], "f"), np.array([[200.0, -200.0]], "f"), 1.0)
    assert np.asarray(out) == pytest.approx([0.0], abs=1e-5)


def test_feature_matching_is_two_minus_two_cosine():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(4, 9)), random.normal(size=(4, 9))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    def by_hand(x, row):
        unit = b[row] / np.linalg.norm(b[row])
        return ((x / np.linalg.norm(x) - unit) ** 2).sum()

    out, slope = gradient(lambda x: losses.feature_matching(x, b.astype("f")), a)
    np.testing.assert_allclose(out, 2 - 2 * cosine, rtol=1e-5)
    by_differences = [numeric(lambda x, i=i: by_hand(x, i), a[i], 1.0) for i in range(4)]
    np.testing.assert_allclose(slope, by_differences, atol=1e-5)
    np.testing.assert_allclose(losses.feature_matching(3 * a, 5 * a), 0, atol=1e-10)


def test_mean_applies_sample_weights():
    values, weights = np.array([1.0, 2.0, 6.0], "f"), np.array([1.0, 0.5, 0.0], "f")
    assert float(losses.Mean()(None, values)) == pytest.approx(3.0)
    assert float(losses.Mean()(None, values, weights)) == pytest.approx(2 / 3)
    assert isinstance(losses.Mean(), keras.losses.Loss)

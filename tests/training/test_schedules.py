import numpy as np
import pytest

from keras_mer.training import schedules


def test_cosine_start_and_end_values():
    values = [float(schedules.cosine(s, steps=10, start=0.9, end=1.0)) for s in range(13)]
    by_hand = [1.0 - 0.05 * (1 + np.cos(np.pi * min(s / 10, 1))) for s in range(13)]
    np.testing.assert_allclose(values, by_hand, rtol=1e-6)


def test_warmup_rises_from_zero_to_the_cosine():
    values = [float(schedules.cosine(s, steps=20, start=2.0, end=0.5, warmup=5)) for s in range(21)]
    np.testing.assert_allclose(values[:6], [0, 0.4, 0.8, 1.2, 1.6, 2.0], rtol=1e-6)
    assert values[5:] == sorted(values[5:], reverse=True)
    assert values[20] == pytest.approx(0.5)


def test_linear():
    values = [float(schedules.linear(s, steps=4, start=0.04, end=0.08)) for s in (0, 1, 4, 9)]
    np.testing.assert_allclose(values, [0.04, 0.05, 0.08, 0.08], rtol=1e-6)


def test_step_can_be_a_variable_in_a_traced_function():
    import keras
    import tensorflow as tf

    step = keras.Variable(3.0)
    traced = tf.function(lambda: schedules.cosine(step, steps=10, start=1.0, end=0.0, warmup=4))
    assert float(traced()) == pytest.approx(0.75)
    step.assign(4.0)
    assert float(traced()) == pytest.approx(1.0)  # the step was not baked in

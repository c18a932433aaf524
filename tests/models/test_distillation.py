"""Distillation's training step: the loss terms, and unchanged teachers."""

import keras
import numpy as np
import pytest

from keras_mer import losses
from keras_mer.errors import UserError
from keras_mer.models import with_probabilities
from keras_mer.models.distillation import Distillation, fit_input

CLASSES = 3


def network(size=12, channels=1, width=5, frames=None, penalty=None, random=True):
    shape = (size, size, channels) if frames is None else (frames, size, size, channels)
    x = inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 64, -2)(x)
    if frames:
        x = keras.layers.TimeDistributed(keras.layers.GlobalAveragePooling2D())(x)
        x = keras.layers.Flatten()(x)
    else:
        x = keras.layers.Conv2D(width, 3, kernel_regularizer=penalty)(x)
        x = keras.layers.BatchNormalization()(x) if random else x
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dropout(0.3)(x) if random else x
    return keras.Model(inputs, keras.layers.Dense(CLASSES, dtype="float32", name="logits")(x))


def data(count=16, shape=(12, 12, 1)):
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (count, *shape)).astype("f")
    return x, np.eye(CLASSES, dtype="f")[np.arange(count) % CLASSES]


def compiled(student, teachers, optimizer=None, **options):
    model = Distillation(student, teachers, **options)
    model.compile(optimizer or keras.optimizers.SGD(0.1), metrics=["accuracy"], jit_compile=False)
    return model


def total(model, x, y, weights=None):
    """The loss of a training step without dropout."""
    out = model(x)
    return float(model.compute_loss(x, y, out, weights, training=True))


def test_the_loss_is_the_weighted_sum_with_sample_weights_in_every_term():
    keras.utils.set_random_seed(0)
    student, teachers = network(), [network(width=9), with_probabilities(network())]
    x, y = data()
    weights = np.random.default_rng(1).uniform(0, 2, 16).astype("f")
    answer = student(x).numpy()
    first = teachers[0](x).numpy()
    second = np.log(teachers[1](x).numpy())
    soft = losses.soften(np.stack([first, second], 1), 4.0)
    kl = np.asarray(losses.distillation(soft, answer, 4.0))
    shifted = answer - answer.max(1, keepdims=True)
    hard = -(y * (shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))).sum(1)
    model = compiled(student, teachers, hard=0.3, temperature=4.0)
    for w in (None, weights):
        expected = np.mean((0.3 * hard + 0.7 * kl) * (1 if w is None else w))
        assert total(model, x, y, w) == pytest.approx(expected, rel=1e-4)


def test_class_weights_apply_to_the_distillation_term():
    keras.utils.set_random_seed(0)
    model = compiled(network(), [network()], keras.optimizers.SGD(0.0), hard=0.0)
    x, y = data(12)
    silent = model.fit(x, y, class_weight={0: 0.0, 1: 0.0, 2: 0.0}, verbose=0)
    assert silent.history["loss"][0] == 0
    loud = model.fit(x, y, class_weight={0: 1.0, 1: 1.0, 2: 1.0}, verbose=0)
    assert loud.history["loss"][0] > 0


def test_the_students_regularization_is_included():
    student = network(penalty=keras.regularizers.L2(0.5))
    x, y = data()
    model = compiled(student, [network()], hard=0.3)
    bare = compiled(network(), [network()], hard=0.3)
    for mine, given in zip(bare.student.weights, student.weights, strict=True):
        mine.assign(given)
    bare._teacher_logits = model._teacher_logits
    penalty = 0.5 * float((student.layers[2].kernel.numpy() ** 2).sum())
    assert total(model, x, y) == pytest.approx(total(bare, x, y) + penalty, rel=1e-4)


def test_teachers_are_not_trained_saved_or_counted(tmp_path):
    keras.utils.set_random_seed(0)
    teacher, student = network(width=9), network()
    before = [w.numpy().copy() for w in teacher.weights]
    start = [w.numpy().copy() for w in student.weights]
    model = compiled(student, [teacher], matching=0.5)
    x, y = data()
    for _ in range(2):
        model.fit(x, y, batch_size=8, verbose=0)
        model.evaluate(x, y, verbose=0)
    for old, now in zip(before, teacher.weights, strict=True):
        np.testing.assert_array_equal(old, now)
    assert max(np.abs(a - b).max() for a, b in zip(start, student.weights, strict=True)) > 1e-3
    assert model.count_params() == student.count_params() + 5 * 9 + 9  # and the projection
    model.save_weights(tmp_path / "w.weights.h5")
    assert (tmp_path / "w.weights.h5").stat().st_size < 60_000


def test_teachers_run_in_inference_mode():
    """With dropout and batch statistics the output would depend on the batch."""
    model = compiled(network(), [network()], hard=0.0)
    x, _ = data()
    whole, part = model._teacher_logits(x), model._teacher_logits(x[:3])
    np.testing.assert_allclose(whole[:3], part, atol=1e-5)


def test_features_are_matched_through_a_projection():
    keras.utils.set_random_seed(0)
    model = compiled(
        network(), [network(width=9)], keras.optimizers.Adam(0.02), hard=0.0, matching=5.0
    )
    x, y = data(32)
    history = model.fit(x, y, epochs=15, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert set(history) == {"accuracy", "loss"}
    assert model.predict(x, verbose=0).shape == (32, CLASSES)


def test_the_student_approximates_its_teacher_without_labels():
    keras.utils.set_random_seed(0)
    teacher, student = network(width=9, random=False), network(random=False)
    x = 255 * np.random.default_rng(0).uniform(0, 1, (64, 1, 1, 1)) * np.ones((1, 12, 12, 1), "f")
    teacher.layers[-1].kernel.assign(4 * teacher.layers[-1].kernel)
    told = teacher.predict(x, verbose=0)
    assert told.argmax(1).sum() > 20  # of more than one class
    wrong = np.eye(CLASSES, dtype="f")[np.zeros(64, int)]
    model = compiled(student, [teacher], keras.optimizers.Adam(0.03), hard=0.0, temperature=1.0)
    model.fit(x, wrong, epochs=60, batch_size=32, verbose=0)
    assert (student.predict(x, verbose=0).argmax(1) == told.argmax(1)).mean() > 0.9


def test_validation_loss_is_cross_entropy_without_teachers():
    student = network()
    x, y = data()
    model = compiled(student, None, hard=0.2)
    student.compile(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    expected = student.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected, rtol=1e-5)


def test_precomputed_teacher_logits_give_the_same_loss():
    keras.utils.set_random_seed(0)
    teacher, student = network(), network()
    x, y = data()
    asking = compiled(student, [teacher])
    told = compiled(student, None)
    given = {"pixels": x, "teachers": teacher(x).numpy()[:, None]}
    expected = total(asking, x, y)
    assert float(told.compute_loss(given, y, told(given), None, True)) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize(
    ("have", "want"),
    [((24, 24, 1), (12, 12, 1)), ((12, 12, 1), (20, 20, 3)), ((9, 9, 3), (9, 9, 1))],
)
def test_images_are_converted_to_each_networks_input(have, want):
    x = np.full((2, *have), 77.0, "f")
    out = np.asarray(fit_input(x, want))
    assert out.shape == (2, *want)
    np.testing.assert_allclose(out, 77, rtol=1e-3)
    clip = np.asarray(fit_input(np.stack([x, x], 1), (2, *want)))
    assert clip.shape == (2, 2, *want)


def test_networks_of_different_input_sizes_and_clips():
    x, y = data(8, (24, 24, 3))
    model = compiled(network(12), [network(24, 3), network(16)])
    model.fit(x, y, verbose=0)
    assert model.predict(x, verbose=0).shape == (8, CLASSES)
    x, y = data(8, (3, 16, 16, 1))
    model = compiled(network(8, frames=3), [network(16, frames=3)])
    model.fit(x, y, verbose=0)
    assert model.predict(x, verbose=0).shape == (8, CLASSES)


def test_invalid_teachers_are_errors():
    other = keras.Sequential(
        [keras.Input((12, 12, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    with pytest.raises(UserError, match="has 4 outputs, the student 3"):
        Distillation(network(), [other])
    with pytest.raises(UserError, match="feature matching requires exactly one teacher"):
        Distillation(network(), [network(), network()], matching=1.0)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_step_in_mixed_precision_is_the_float32_step(precision, float32_policy):
    teacher = network(width=9)
    x, y = data()

    def step():
        keras.utils.set_random_seed(0)
        # A rate that is large where gradients are tiny: float16 alone would lose them.
        student = network(random=False)
        model = compiled(student, [teacher], keras.optimizers.SGD(1e5), hard=0.5, temperature=2.0)
        kernel = student.layers[2].kernel
        before = kernel.numpy().copy()
        model.fit(x, y, sample_weight=np.full(16, 1e-6, "f"), batch_size=16, verbose=0)
        return model, kernel.numpy() - before

    _, wanted = step()
    keras.config.set_dtype_policy(precision)
    model, got = step()
    assert model.optimizer.name.startswith("loss_scale") == (precision == "mixed_float16")
    assert np.linalg.norm(got - wanted) < 0.1 * np.linalg.norm(wanted)

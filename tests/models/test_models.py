"""Tests of every registered model on small inputs."""

import keras
import numpy as np
import pytest

from keras_mer import models
from keras_mer.errors import UserError
from keras_mer.export import tflite
from keras_mer.models import layer_freezing
from keras_mer.runtime.interpreter import TFLiteModel
from tests.models.answers import blotches, exported, outspoken

SMALL = {
    "cnn": {"size": 24, "stem": 4, "filters": (4, 8)},
    "cnn_bilstm": {
        "frames": 3,
        "size": 24,
        "encoder": {"name": "cnn", "stem": 4, "filters": (4, 8)},
        "units": 4,
        "attention": True,
    },
    "flow": {"size": 24, "filters": (4, 8)},
    "flow_kernel": {"size": 24, "anchors": 12},
    "flow_linear": {"size": 24},
    "lenet": {"size": 24, "filters": (4, 8), "units": 8},
    "ststnet": {"size": 24},
    "svm": {"size": 24},
    "transfer": {
        "size": 24,
        "resolution": 32,
        "backbone": "MobileNetV3Small",
        "options": {"alpha": 0.35, "minimalistic": True},
    },
}
CLASSES = 3
every_model = pytest.mark.parametrize("name", models.names())
#: The SVM is fitted in closed form, and its last layer has no weights.
every_network = pytest.mark.parametrize("name", [n for n in models.names() if n != "svm"])


def small(name):
    return models.build(name, classes=CLASSES, **SMALL[name])


def pixels(model, count=4):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, *model.input_shape[1:])).astype(np.float32)


def bands(model, each):
    """3 * each images with a bright band at the top, middle or bottom, and their labels."""
    which = np.repeat(range(CLASSES), each)
    x = np.full((CLASSES * each, *model.input_shape[1:]), 30, np.float32)
    height = x.shape[-3] // CLASSES
    for i, band in enumerate(which):
        x[i, ..., band * height : (band + 1) * height, :, :] = 220
    return x, np.eye(CLASSES)[which]


@every_model
def test_gives_finite_float32_logits(name):
    model = small(name)
    out = model.predict(pixels(model), verbose=0)
    assert out.shape == (4, CLASSES) and out.dtype == np.float32
    assert np.isfinite(out).all()
    assert not np.allclose(out.sum(1), 1)  # logits: the softmax is added when saved
    assert model.name == name


@every_model
def test_every_trainable_variable_gets_a_gradient(name):
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = small(name)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        value = loss(np.eye(CLASSES)[[0, 1, 2, 0]], model(pixels(model), training=True))
    gradients = tape.gradient(value, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


@every_model
def test_accepts_rgb_and_a_config_round_trip(name):
    model = models.build(name, classes=CLASSES, channels=3, **SMALL[name])
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    x = pixels(model)
    assert x.shape[-1] == 3
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


@every_model
def test_saves_probabilities_and_loads_the_same(name, tmp_path):
    model = small(name)
    full = models.with_probabilities(model)
    full.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = pixels(model)
    out = again.predict(x, verbose=0)
    np.testing.assert_allclose(out.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(out, full.predict(x, verbose=0))
    logits = model.predict(x, verbose=0)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    expected = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-30)  # denormals may be 0


@every_network
@pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_learns_in_mixed_precision(name, policy, float32_policy):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    model = small(name)
    if name == "transfer":
        layer_freezing.freeze(model, 2)  # as a rule; to trace a step of all its layers takes long
    x, y = bands(model, 16)
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    assert model.optimizer.name.startswith("loss_scale") == (policy == "mixed_float16")
    history = model.fit(x, y, epochs=12, batch_size=16, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < 0.7 * history[0]
    assert model.output.dtype == "float32"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow) if n == "transfer" else n
        for n in models.names()
        if n != "svm"
    ],
)
def test_exports_to_every_tflite_variant_with_builtin_operators_and_parity(
    name, tmp_path, quick_int8
):
    keras.utils.set_random_seed(1)
    model = small(name)
    x = blotches(32, *model.input_shape[1:])
    found = exported(models.with_probabilities(outspoken(model, x)), x, tmp_path)
    # float16 rounds weights to 11 bits, int8 rounds weights and activations to 8
    alike = {"float32": 0.99999, "float16": 0.999, "dynamic": 0.99, "int8": 0.97}
    largest = {"float32": 5e-5, "float16": 5e-3, "dynamic": 0.1, "int8": 0.2}
    for variant, parity in found.items():
        assert parity.alike > alike[variant], found
        assert parity.largest < largest[variant], found


def test_unknown_models_and_arguments_name_the_nearest():
    with pytest.raises(UserError, match=r"unknown model 'lenett' \(did you mean 'lenet'\?\)"):
        models.build("lenett", classes=2)
    with pytest.raises(UserError, match="no argument 'filter'.*did you mean 'filters'"):
        models.build("cnn", classes=2, filter=3)


def test_ststnet_has_the_published_parameters():
    model = models.build("ststnet", classes=3)
    # 3, 5 and 8 filters of 3x3x3 with biases, a scale and a shift each, 400 features to 3 classes
    by_hand = 16 * (27 + 1) + 2 * 16 + 400 * 3 + 3
    assert sum(v.value.shape.num_elements() for v in model.trainable_variables) == by_hand == 1683


def test_one_convolution_equals_three_parallel_streams():
    from keras import layers

    model = models.build("ststnet", classes=3)
    kernel, bias = model.get_layer("streams").get_weights()
    x = pixels(model)
    features = keras.Model(model.input, model.get_layer("streams").output).predict(x, verbose=0)
    start = 0
    for filters in (3, 5, 8):
        stream = layers.Conv2D(filters, 3, padding="same", activation="relu")
        stream.build(x.shape)
        part = slice(start, start + filters)
        stream.set_weights([kernel[..., part], bias[part]])
        np.testing.assert_allclose(features[..., part], stream(x), rtol=1e-4, atol=1e-3)
        start += filters


@pytest.mark.parametrize("name", ["flow", "flow_kernel", "flow_linear"])
def test_flow_models_are_invariant_to_mirroring(name):
    from keras_mer.data.transforms.clip import mirror_flow

    model = small(name)
    x = pixels(model)
    mirrored = np.asarray(mirror_flow(x))
    np.testing.assert_allclose(
        model.predict(mirrored, verbose=0), model.predict(x, verbose=0), atol=1e-5
    )
    # and a clip's own stretch does not matter
    np.testing.assert_allclose(
        model.predict(x * 0.5 + 20, verbose=0), model.predict(x, verbose=0), atol=1e-2
    )


def test_an_ensemble_averages_probabilities(tmp_path):
    members = [models.with_probabilities(small("flow")) for _ in range(3)]
    x = pixels(members[0])
    mean = np.mean([m.predict(x, verbose=0) for m in members], axis=0)
    ensemble = models.ensemble(members)
    ensemble.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), mean, atol=1e-6)
    file = tmp_path / "model.tflite"
    file.write_bytes(tflite.convert(again, "float32", x.astype(np.uint8)))
    np.testing.assert_allclose(TFLiteModel(file).predict(x), mean, atol=1e-5)


def test_the_cnns_size_is_as_documented():
    assert models.build("cnn", classes=7).count_params() == pytest.approx(1.2e6, rel=0.02)

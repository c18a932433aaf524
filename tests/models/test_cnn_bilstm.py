"""Tests specific to the recurrent clip model."""

import keras
import numpy as np
import pytest

from keras_mer import models
from keras_mer.errors import UserError
from keras_mer.models.cnn_bilstm import unrolled

ENCODER = {"name": "lenet", "filters": (4, 8), "units": 8}


def build(**config):
    config = {"encoder": ENCODER, "units": 6} | config
    return models.build("cnn_bilstm", classes=3, frames=5, size=16, **config)


def clips(count=4, channels=1):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 5, 16, 16, channels)).astype(np.float32)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_unrolled_gives_the_same_model_in_float32(attention, policy, float32_policy):
    keras.config.set_dtype_policy(policy)
    model = build(attention=attention)
    twin = unrolled(model)
    assert twin.get_layer("time").forward_layer.unroll
    assert not model.get_layer("time").forward_layer.unroll
    for part in (twin, twin.get_layer("encoder")):
        made = [layer for layer in part.layers if isinstance(layer, keras.Layer)]
        assert {layer.dtype_policy.name for layer in made} == {"float32"}
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    difference = np.abs(model.predict(clips(), verbose=0) - twin.predict(clips(), verbose=0)).max()
    assert difference == 0 if policy == "float32" else difference < 0.05


def test_unrolled_returns_a_model_without_recurrent_layers_unchanged():
    model = models.build("lenet", classes=2, size=16, filters=(4,), units=4)
    assert unrolled(model) is model


def test_the_order_of_frames_matters_and_every_frame_counts():
    keras.utils.set_random_seed(1)
    for attention in (False, True):
        model = build(attention=attention)
        x = clips(1)
        out = model.predict(x, verbose=0)
        assert np.abs(model.predict(x[:, ::-1], verbose=0) - out).max() > 1e-6
        for frame in range(5):
            changed = x.copy()
            changed[:, frame] = 255 - changed[:, frame]
            assert np.abs(model.predict(changed, verbose=0) - out).max() > 1e-6


def test_a_trained_image_model_becomes_the_encoder(tmp_path):
    image = models.build("cnn", classes=7, size=16, stem=4, filters=(4, 8))
    models.with_probabilities(image).save(tmp_path / "model.keras")
    model = build(encoder="cnn", weights=str(tmp_path / "model.keras"), freeze=True)
    x = clips(1)
    features = keras.Model(image.input, image.get_layer("logits").input)
    encoder = model.get_layer("encoder")
    np.testing.assert_allclose(encoder.predict(x[0], verbose=0), features.predict(x[0], verbose=0),
                               rtol=1e-5)  # fmt: skip
    assert not encoder.trainable_variables and model.trainable_variables
    # what was learnt is in the model: the file is not needed again
    (tmp_path / "model.keras").unlink()
    model.save(tmp_path / "clip.keras")
    again = keras.saving.load_model(tmp_path / "clip.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_magnify_uses_differences_from_the_first_frame_only():
    model = build(magnify=4.0)
    x = clips(1) * 0.2 + 60
    brighter = model.predict(x + 40, verbose=0)
    np.testing.assert_allclose(brighter, model.predict(x, verbose=0), atol=1e-4)


def test_an_unsuitable_encoder_is_an_error(tmp_path):
    with pytest.raises(UserError, match="unknown model 'lenett'"):
        build(encoder="lenett")
    models.build("lenet", classes=2, size=24, filters=(4,), units=4).save(tmp_path / "m.keras")
    with pytest.raises(
        UserError, match=r"takes \(24, 24, 1\), the clips' frames are \(16, 16, 1\)"
    ):
        build(encoder="cnn", weights=str(tmp_path / "m.keras"))
    with pytest.raises(UserError, match="has no effect beside weights"):
        build(weights=str(tmp_path / "m.keras"))

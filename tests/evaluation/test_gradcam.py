"""Grad-CAM maps the evidence of a trained network, and not of a random one."""

import runpy
import sys

import cv2
import keras
import numpy as np
import pytest

from keras_mer import models
from keras_mer.errors import UserError
from keras_mer.evaluation import gradcam
from tests.conftest import REPOSITORY
from tests.models.test_transfer import tiny

SIDE = 32


def corners(count, seed=0):
    """Noisy images of four classes; a striped patch in a corner determines the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    images = random.integers(60, 140, (count, SIDE, SIDE, 1)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        top, left = 2 + 18 * (label // 2), 2 + 18 * (label % 2)
        image[top : top + 10 : 2, left : left + 10] += 110
    return images.clip(0, 255), labels


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = models.build("cnn", classes=4, size=SIDE, stem=8, filters=(8, 16), dropout=0.0)
    images, labels = corners(256)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"], jit_compile=False)  # fmt: skip
    found = model.fit(images, labels, epochs=6, batch_size=16, verbose=0).history
    assert found["accuracy"][-1] > 0.97
    return models.with_probabilities(model)


def by_hand(head):
    """One convolution for brightness and darkness, and a head with known weights."""
    inputs = keras.Input((SIDE, SIDE, 1))
    x = keras.layers.Rescaling(1 / 255, -0.5)(inputs)
    x = keras.layers.Conv2D(2, 1, activation="relu", name="map")(x)
    if head == "places":  # class 0 reads brightness in the left half, class 1 in the right one
        x = keras.layers.Flatten()(x)
        kernel = np.zeros((SIDE, SIDE, 2, 2), np.float32)
        kernel[:, : SIDE // 2, 0, 0] = kernel[:, SIDE // 2 :, 0, 1] = 1
    else:  # class 0 reads brightness anywhere, class 1 darkness
        x = keras.layers.GlobalAveragePooling2D()(x)
        kernel = np.eye(2, dtype=np.float32)
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))
    model.get_layer("map").set_weights([np.array([[[[1.0, -1.0]]]]), np.zeros(2)])
    model.get_layer("logits").set_weights([kernel.reshape(-1, 2), np.zeros(2)])
    return models.with_probabilities(model)


@pytest.mark.parametrize("pooled", [False, True])
def test_maps_of_a_head_with_average_pooling(pooled):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (1, SIDE, SIDE, 1)).astype(np.float32)
    for wanted, sign in ((0, 1), (1, -1)):
        (heat,), _ = gradcam.grad_cam(by_hand("average"), image, [wanted], pooled=pooled)
        seen = np.maximum(sign * (image[0, ..., 0] / 255 - 0.5), 0)
        np.testing.assert_allclose(heat, seen / seen.max(), atol=1e-5)


def test_maps_of_a_head_with_position_dependent_weights():
    images = np.full((2, SIDE, SIDE, 1), 255, np.float32)
    (left, right), _ = gradcam.grad_cam(by_hand("places"), images, [0, 1])
    half = SIDE // 2
    assert (left[:, :half] == 1).all() and not left[:, half:].any()
    assert (right[:, half:] == 1).all() and not right[:, :half].any()


def test_averaged_gradients_ignore_positions():
    """Each half is evidence for one class, the average for neither; hence not the default."""
    images = np.full((1, SIDE, SIDE, 1), 255, np.float32)
    (heat,), _ = gradcam.grad_cam(by_hand("places"), images, [0], pooled=True)
    assert np.ptp(heat) == 0


def test_maps_have_the_inputs_size_and_the_models_probabilities(trained):
    images, labels = corners(24, seed=1)
    maps, probabilities = gradcam.grad_cam(trained, images, labels)
    assert maps.shape == (24, SIDE, SIDE) and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() <= 1 + 1e-6
    expected = trained.predict(images, verbose=0)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    # where none is asked for, it is the predicted class
    predicted = gradcam.grad_cam(trained, images, expected.argmax(1))[0]
    np.testing.assert_allclose(gradcam.grad_cam(trained, images)[0], predicted, atol=1e-5)


def test_masking_high_values_reduces_the_score_more_than_low_values(trained):
    """Where a trained network finds its evidence nobody knows: a class may be told by what the
    others' corners lack. That its warm places matter more than its cold ones can be measured."""
    images, labels = corners(60, seed=1)
    maps, _ = gradcam.grad_cam(trained, images, labels)
    grey = images.mean()

    def score(x):
        p = trained.predict(x, verbose=0)
        return np.log(p[np.arange(len(x)), labels] + 1e-9)

    loss = {}
    for name, order in (("warm", -maps), ("cold", maps)):
        rank = order.reshape(len(maps), -1).argsort(1, kind="stable").argsort(1)
        out = rank.reshape(maps.shape) < 0.15 * SIDE * SIDE
        loss[name] = np.mean(score(images) - score(np.where(out[..., None], grey, images)))
    assert loss["warm"] > 3 * max(loss["cold"], 0.01)


def test_recording_leaves_the_model_unchanged(trained):
    images, _ = corners(4)
    before = trained.predict(images, verbose=0)
    layer = gradcam.feature_layer(trained)
    gradcam.grad_cam(trained, images)
    np.testing.assert_array_equal(trained.predict(images, verbose=0), before)
    assert layer.call.__name__ == "call"


def test_a_random_network_gives_other_maps(trained):
    """The sanity check of Adebayo et al. 2018, which edge detectors fail."""
    images, labels = corners(24, seed=2)
    maps = gradcam.grad_cam(trained, images, labels)[0].reshape(24, -1)
    assert np.corrcoef(maps, gradcam.grad_cam(trained, images, labels)[0].reshape(24, -1))[
        np.arange(24), 24 + np.arange(24)
    ] == pytest.approx(1)
    likeness = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        other = gradcam.grad_cam(keras.models.clone_model(trained), images, labels)[0]
        for a, b in zip(maps, other.reshape(24, -1), strict=True):
            likeness.append(np.corrcoef(a, b)[0, 1] if b.std() else 0.0)
    assert np.mean(likeness) < 0.4


def test_the_feature_map_can_be_in_a_nested_backbone():
    model = models.with_probabilities(tiny(resolution=64))
    layer = gradcam.feature_layer(model)
    assert layer in model.get_layer("backbone").layers
    assert gradcam._side(layer) >= gradcam.SIDE
    maps, _ = gradcam.grad_cam(model, np.random.default_rng(0).integers(0, 256, (2, 24, 24, 1)))
    assert maps.shape == (2, 24, 24) and np.isfinite(maps).all()
    named, _ = gradcam.grad_cam(
        model, np.zeros((1, 24, 24, 1)), [0], layer="expanded_conv_1_project"
    )
    assert named.shape == (1, 24, 24)


@pytest.mark.parametrize("name", [n for n in models.names() if models.kind(n) != "clip"])
@pytest.mark.parametrize("pooled", [False, True])
def test_every_model_of_images_and_flow_has_maps(name, pooled):
    from tests.models.test_models import small

    model = models.with_probabilities(small(name))
    x = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:]))
    maps, probabilities = gradcam.grad_cam(model, x, [0, 1], pooled=pooled)
    assert maps.shape == x.shape[:3] and np.isfinite(maps).all()
    np.testing.assert_allclose(probabilities, model.predict(x, verbose=0), atol=1e-5)


def test_a_clip_has_a_map_for_each_frame():
    encoder = {"name": "lenet", "filters": (4, 8), "units": 8}
    model = models.build("cnn_bilstm", classes=2, frames=3, size=24, units=4, encoder=encoder)
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 24, 24, 1))
    maps, probabilities = gradcam.grad_cam(models.with_probabilities(model), x)
    assert maps.shape == (2, 3, 24, 24) and probabilities.shape == (2, 2)


@pytest.mark.parametrize("name", ["ensemble", "committee"])  # the second is the name in older files
def test_the_map_of_an_ensemble_is_the_mean_of_its_members(name):
    members = [by_hand("average"), by_hand("places")]
    image = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 1)).astype(np.float32)
    each = [gradcam.grad_cam(member, image, [0, 1])[0] for member in members]
    mean = np.mean(each, axis=0)
    model = models.ensemble(members)
    model.name = name
    maps, probabilities = gradcam.grad_cam(model, image, [0, 1])
    np.testing.assert_allclose(maps, mean / mean.max((1, 2), keepdims=True), atol=1e-5)
    expected = model.predict(image, verbose=0)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    predicted = gradcam.grad_cam(model, image, expected.argmax(1))[0]
    np.testing.assert_allclose(gradcam.grad_cam(model, image)[0], predicted, atol=1e-5)


def test_a_linear_model_is_explained_by_its_input_gradient():
    model = models.build("svm", classes=2, size=4, channels=1)
    weights = np.zeros((16, 1))
    weights[5], weights[10] = 2.0, -1.0
    model.get_layer("decisions").set_weights([weights, np.zeros(1)])
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1))
    for classes in (None, [0, 1, 0]):
        maps, probabilities = gradcam.grad_cam(models.with_probabilities(model), images, classes)
        expected = np.zeros(16)
        expected[5], expected[10] = 1.0, 0.5
        np.testing.assert_allclose(maps.reshape(3, 16), np.tile(expected, (3, 1)), atol=1e-5)
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_unsuitable_layers_are_errors(trained):
    images, _ = corners(2)
    with pytest.raises(UserError, match="no layer 'conv' in cnn.*; the last feature maps are"):
        gradcam.grad_cam(trained, images, layer="conv")
    with pytest.raises(UserError, match="layer 'logits': expected an output"):
        gradcam.grad_cam(trained, images, layer="logits")
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert gradcam.feature_layer(flat) is None


def test_mean_maps_and_the_overlay(trained):
    images, labels = corners(16, seed=3)
    means, faces = gradcam.mean_maps(trained, images, labels)
    maps, _ = gradcam.grad_cam(trained, images, labels)
    for c in range(4):
        np.testing.assert_allclose(means[c], maps[labels == c].mean(0), atol=1e-5)
        np.testing.assert_allclose(faces[c], images[labels == c].mean(0), atol=1e-3)
    shown = gradcam.overlay(images[0], maps[0])
    assert shown.shape == (SIDE, SIDE, 3) and shown.dtype == np.uint8
    cold = maps[0] < 1e-6
    np.testing.assert_array_equal(shown[cold][:, 0], images[0][cold][:, 0].astype(np.uint8))


def test_contrast_shows_what_differs_between_classes():
    common = np.ones((6, 6), np.float32)
    common[2:4, 2:4] = 9  # in the middle all are warmest
    means = np.stack([common, common, 3 * common, 0 * common])
    means[0, 0, 0] += 4
    found = gradcam.contrast(means)
    assert found[0, 0, 0] == 1 and (found[1:3, 0, 0] < 0).all()
    np.testing.assert_allclose(found[1], found[2], atol=1e-6)  # whatever the scale
    assert not found[3].any()
    shown = gradcam.overlay(np.full((6, 6, 1), 128), found[0])
    assert shown[0, 0, 0] > shown[0, 0, 2] and shown[3, 3, 2] > shown[3, 3, 0]  # red, blue


def test_the_script_writes_a_grid_of_faces(trained, tmp_path, monkeypatch, capsys):
    from keras_mer.export import tflite

    images, labels = corners(40)
    images = images.astype(np.uint8)
    expected = trained.predict(images.astype(np.float32), verbose=0)
    tflite.export(
        trained,
        tmp_path / "model",
        classes=("angry", "fear", "happy", "sad"),
        calibration=images,
        images=images,
        labels=labels,
        expected=expected,
        about={"scores": {}, "training": {}},
        variants=("float32",),
    )
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"face{i}.png"), images[i])
    main = runpy.run_path(str(REPOSITORY / "scripts/explain.py"))["main"]
    command = ["explain", str(tmp_path), "--model", str(tmp_path / "model"), "--no-detect",
               "--out", str(tmp_path / "out")]  # fmt: skip
    monkeypatch.setattr(sys, "argv", command)
    main()
    assert "wrote 3 faces" in capsys.readouterr().out
    assert len(list((tmp_path / "out").glob("face?-*.png"))) == 3
    assert cv2.imread(str(tmp_path / "out/grid.png")) is not None
    monkeypatch.setattr(sys, "argv", [*command, "--class", "hapy"])
    with pytest.raises(UserError, match="did you mean 'happy'|unknown class 'hapy'"):
        main()
    monkeypatch.setattr(sys, "argv", ["explain"])
    with pytest.raises(UserError, match="expected either photographs or a run"):
        main()

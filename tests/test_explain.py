"""Grad-CAM points at what decides, and says nothing of the sort for a random network."""

import runpy
import sys

import cv2
import keras
import numpy as np
import pytest

from keras_mer import explain, models
from keras_mer.errors import UserError
from tests.conftest import REPOSITORY
from tests.models.test_transfer import tiny

SIDE = 32


def corners(count, seed=0):
    """Noisy images with a striped spot in the corner that names the class, of four."""
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


def test_maps_lie_on_the_spot_that_names_the_class(trained):
    images, labels = corners(24, seed=1)
    maps, probabilities = explain.grad_cam(trained, images, labels)
    assert maps.shape == (24, SIDE, SIDE) and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() <= 1 + 1e-6
    np.testing.assert_allclose(probabilities, trained.predict(images, verbose=0), atol=1e-5)
    half = SIDE // 2
    shares = np.zeros((24, 4))  # of each quarter, by sample
    for quarter in range(4):
        top, left = half * (quarter // 2), half * (quarter % 2)
        shares[:, quarter] = maps[:, top : top + half, left : left + half].sum((1, 2))
    shares /= shares.sum(1, keepdims=True)
    assert shares[np.arange(24), labels].mean() > 0.5
    assert (shares.argmax(1) == labels).mean() > 0.9
    # asked for the predicted class, it is the same
    np.testing.assert_allclose(explain.grad_cam(trained, images)[0], maps, atol=1e-5)


def test_listening_leaves_the_model_as_it_was(trained):
    images, _ = corners(4)
    before = trained.predict(images, verbose=0)
    layer = explain.feature_layer(trained)
    explain.grad_cam(trained, images)
    np.testing.assert_array_equal(trained.predict(images, verbose=0), before)
    assert layer.call.__name__ == "call"


def test_a_random_network_gives_other_maps(trained):
    """The sanity check of Adebayo et al. 2018: a method that shows edges would pass it not."""
    images, labels = corners(24, seed=2)
    maps = explain.grad_cam(trained, images, labels)[0].reshape(24, -1)
    assert np.corrcoef(maps, explain.grad_cam(trained, images, labels)[0].reshape(24, -1))[
        np.arange(24), 24 + np.arange(24)
    ] == pytest.approx(1)
    likeness = []
    for seed in range(3):
        other = explain.grad_cam(explain.randomised(trained, seed), images, labels)[0]
        for a, b in zip(maps, other.reshape(24, -1), strict=True):
            likeness.append(np.corrcoef(a, b)[0, 1] if b.std() else 0.0)
    assert np.mean(likeness) < 0.4


def test_the_feature_map_may_lie_in_a_nested_backbone():
    model = models.with_probabilities(tiny(resolution=64))
    layer = explain.feature_layer(model)
    assert layer in model.get_layer("backbone").layers
    assert explain._side(layer) >= explain.SIDE
    maps, _ = explain.grad_cam(model, np.random.default_rng(0).integers(0, 256, (2, 24, 24, 1)))
    assert maps.shape == (2, 24, 24) and np.isfinite(maps).all()
    named, _ = explain.grad_cam(
        model, np.zeros((1, 24, 24, 1)), [0], layer="expanded_conv_1_project"
    )
    assert named.shape == (1, 24, 24)


@pytest.mark.parametrize("name", [n for n in models.names() if models.kind(n) == "image"])
@pytest.mark.parametrize("pooled", [False, True])
def test_every_image_model_has_maps(name, pooled):
    from tests.models.test_models import small

    model = models.with_probabilities(small(name))
    x = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:]))
    maps, _ = explain.grad_cam(model, x, [0, 1], pooled=pooled)
    assert maps.shape == x.shape[:3] and np.isfinite(maps).all()


def test_a_clip_has_a_map_for_each_frame():
    encoder = {"name": "lenet", "filters": (4, 8), "units": 8}
    model = models.build("cnn_bilstm", classes=2, frames=3, size=24, units=4, encoder=encoder)
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 24, 24, 1))
    maps, probabilities = explain.grad_cam(models.with_probabilities(model), x)
    assert maps.shape == (2, 3, 24, 24) and probabilities.shape == (2, 2)


def test_layers_that_do_not_serve_are_named(trained):
    images, _ = corners(2)
    with pytest.raises(UserError, match="no layer 'conv' in cnn.*; the last feature maps are"):
        explain.grad_cam(trained, images, layer="conv")
    with pytest.raises(UserError, match="layer 'logits' gives no feature map"):
        explain.grad_cam(trained, images, layer="logits")
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(UserError, match="no feature map that Grad-CAM could show"):
        explain.feature_layer(flat)


def test_mean_maps_and_the_overlay(trained):
    images, labels = corners(16, seed=3)
    means, faces = explain.mean_maps(trained, images, labels)
    maps, _ = explain.grad_cam(trained, images, labels)
    for c in range(4):
        np.testing.assert_allclose(means[c], maps[labels == c].mean(0), atol=1e-5)
        np.testing.assert_allclose(faces[c], images[labels == c].mean(0), atol=1e-3)
    shown = explain.overlay(images[0], maps[0])
    assert shown.shape == (SIDE, SIDE, 3) and shown.dtype == np.uint8
    cold = maps[0] < 1e-6
    np.testing.assert_array_equal(shown[cold][:, 0], images[0][cold][:, 0].astype(np.uint8))


def test_the_script_writes_a_grid_of_faces(trained, tmp_path, monkeypatch, capsys):
    from keras_mer import export

    images, labels = corners(40)
    images = images.astype(np.uint8)
    expected = trained.predict(images.astype(np.float32), verbose=0)
    export.export(
        trained, tmp_path / "model", classes=("angry", "fear", "happy", "sad"), calibration=images, images=images,
        labels=labels, expected=expected, about={"scores": {}, "training": {}},
        variants=("float32",),
    )  # fmt: skip
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
    with pytest.raises(UserError, match="name photographs, or a run with --run"):
        main()

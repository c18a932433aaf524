"""Backbones of keras.applications: preprocessing, weights, export."""

import importlib
import socket

import h5py
import keras
import numpy as np
import pytest
from keras.src.utils import file_utils  # where keras.applications fetches its files

from keras_mer import models
from keras_mer.errors import UserError
from keras_mer.models.transfer import _preprocessed, backbones, make
from keras_mer.training import pretrained
from tests.models.answers import blotches, exported, outspoken

TINY = {
    "size": 24,
    "resolution": 32,
    "backbone": "MobileNetV3Small",
    "options": {"alpha": 0.35, "minimalistic": True},
}


def tiny(**config):
    return models.build("transfer", classes=3, **(TINY | config))


def faces(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def shuffled(model, seed=0):
    """Random values in every weight, to detect weights that were not copied."""
    random = np.random.default_rng(seed)

    def value(shape):
        if len(shape) < 2:
            return random.uniform(0.2, 0.5, shape)
        return random.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)  # keeps sums finite

    model.set_weights([value(w.shape) for w in model.get_weights()])
    return model


def write_like_keras_applications(path, model):
    """An HDF5 file in the format of keras.applications: a group per layer, names in attributes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.4.0"
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{w.name}:0" for w in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name, data=value)
    return path


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("MobileNetV2", "mobilenet_v2"),  # -1..1
        ("VGG16", "vgg16"),  # blue first, mean subtracted
        ("DenseNet121", "densenet"),  # mean and deviation
        ("MobileNetV3Small", "mobilenet_v3"),  # in the network itself
    ],
)
def test_preprocessing_is_the_backbones_own(name, module):
    inputs = keras.Input((5, 5, 3))
    model = keras.Model(inputs, keras.layers.Identity()(_preprocessed(inputs, name)))
    again = keras.Model.from_config(model.get_config())
    x = faces(2, 5, 5, 3)
    expected = importlib.import_module(f"keras.src.applications.{module}").preprocess_input(
        x.copy()
    )
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-4)
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, atol=1e-4)


def test_gray_becomes_three_equal_channels_at_the_backbones_resolution():
    assert tiny().get_layer("backbone").input_shape == (None, 32, 32, 3)
    inputs = keras.Input((24, 24, 1))
    x = faces(2, 24, 24, 1)
    out = keras.Model(inputs, _preprocessed(inputs, "MobileNetV3Small")).predict(x, verbose=0)
    np.testing.assert_array_equal(out, np.repeat(x, 3, axis=-1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["EfficientNetB3", "MobileNetV2", "VGG16", "DenseNet121"])
@pytest.mark.slow
def test_int8_preprocessing_equals_float(name, channels, tmp_path):
    inputs = keras.Input((8, 8, channels))
    larger = keras.layers.Resizing(16, 16)(inputs)
    seen = _preprocessed(larger, name)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(seen))
    x = blotches(16, 8, 8, channels)
    values = model.predict(x, verbose=0)
    found = exported(model, x, tmp_path)["int8"]
    assert found.alike > 0.999 and found.largest < 0.02 * np.ptp(values), found


def test_head_and_pooling_are_config():
    model = tiny(pooling="both", head=[8, 4], dropout=0.1)
    assert [d.units for d in model.layers if isinstance(d, keras.layers.Dense)] == [8, 4, 3]
    assert model.get_layer("pooled").output.shape[-1] == 2 * tiny().layers[-3].output.shape[-1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"backbone": "EfficientNetB8"}, "unknown backbone 'EfficientNetB8'.*did you mean"),
        ({"options": {"alfa": 1}}, "has no option 'alfa'.*did you mean 'alpha'"),
        ({"resolution": 16}, "backbone 'MobileNetV3Small' at 16 pixels: "),
        ({"pooling": "mean"}, "pooling: expected avg, max or both, got 'mean'"),
    ],
)
def test_unknown_names_are_errors(config, message):
    with pytest.raises(UserError, match=message):
        tiny(**config)


def test_common_backbones_are_available():
    assert {"EfficientNetB3", "EfficientNetV2B0", "MobileNetV2", "VGG16"} <= set(backbones())
    assert {"MobileNetV3Small", "MobileNetV3Large", "ResNet50V2", "ConvNeXtTiny"} <= set(
        backbones()
    )


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory):
    """A file in keras.applications' format for EfficientNetB0, and its pixels' statistics in it."""
    official = shuffled(make("EfficientNetB0", 32, None, None))
    normalization = official.get_layer(index=2)
    assert isinstance(normalization, keras.layers.Normalization)
    statistics = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 0
    normalization.set_weights([np.array(value) for value in statistics])
    folder = tmp_path_factory.mktemp("weights")
    return write_like_keras_applications(folder / "efficientnetb0_notop.h5", official)


@pytest.mark.parametrize("way", ["imagenet", "path"])
@pytest.mark.slow
def test_an_imagenet_file_gives_what_keras_applications_gives(efficientnet, way, monkeypatch):
    asked = []

    def get_file(name, origin, **_):
        asked.append((name, origin))
        return str(efficientnet)

    monkeypatch.setattr(file_utils, "get_file", get_file)
    reference = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=(32, 32, 3)
    )
    config = {"name": "transfer", "size": 32, "resolution": 32, "channels": 3,
              "backbone": "EfficientNetB0"}  # fmt: skip
    model = models.build(classes=3, **config)
    said = pretrained.load(model, str(efficientnet) if way == "path" else way, config)
    assert "weights of the body from" in said
    assert asked[-1][0] == "efficientnetb0_notop.h5"
    pooling = next(x for x in model.layers if isinstance(x, keras.layers.GlobalAveragePooling2D))
    features = keras.Model(model.input, pooling.input)
    x = faces(2, 32, 32, 3)
    expected = reference.predict(x, verbose=0)
    assert np.isfinite(expected).all() and expected.std() > 0
    np.testing.assert_allclose(features.predict(x, verbose=0), expected, rtol=1e-4)


def test_a_failed_download_is_an_error_with_the_url(tmp_path, monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    config = {"name": "transfer", "size": 24, "resolution": 32, "backbone": "MobileNetV3Small"}
    model = models.build(classes=3, **config)
    before = model.get_weights()
    with pytest.raises(UserError) as error:
        pretrained.load(model, "imagenet", config)
    text = str(error.value)
    assert "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3/" in text
    assert f"put it into {tmp_path}/models/" in text and "\n" not in text
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_unsuitable_weight_files_are_errors(efficientnet, tmp_path):
    model, config = tiny(), {"name": "transfer"} | TINY
    with pytest.raises(UserError, match="not the weights of MobileNetV3Small without its clas"):
        pretrained.load(model, str(efficientnet), config)
    with pytest.raises(UserError, match="no file .*gone.h5"):
        pretrained.load(model, str(tmp_path / "gone.h5"), config)
    with pytest.raises(UserError, match="no run or file .*; expected imagenet, none, the folder"):
        pretrained.load(model, str(tmp_path / "run"), config)
    wider = tiny(options={"alpha": 0.5, "minimalistic": True})
    wider.save(tmp_path / "wider.keras")
    with pytest.raises(UserError, match="of another architecture: its layer '.*' holds"):
        pretrained.load(model, str(tmp_path / "wider.keras"), config)
    with pytest.raises(UserError, match="imagenet is for the model 'transfer'; the model 'lenet'"):
        lenet = models.build("lenet", classes=3, size=24)
        pretrained.load(lenet, "imagenet", {"name": "lenet"})


@pytest.mark.parametrize("kind", ["ours", "keras.applications"])
def test_a_keras_file_gives_its_body_and_the_head_on_request(kind, tmp_path):
    source = shuffled(tiny() if kind == "ours" else make("MobileNetV3Small", 32, None,
                                                         TINY["options"]))  # fmt: skip
    if kind == "ours":
        source = models.with_probabilities(source)
    source.save(tmp_path / "model.keras")
    config = {"name": "transfer"} | TINY
    model = tiny()
    head = model.get_layer("logits").get_weights()
    pretrained.load(model, str(tmp_path / "model.keras"), config)
    inside = source.get_layer("backbone") if kind == "ours" else source
    for a, b in zip(inside.get_weights(), model.get_layer("backbone").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.get_layer("logits").get_weights()[0], head[0])
    if kind == "ours":
        pretrained.load(model, str(tmp_path / "model.keras"), config, head=True)
        for a, b in zip(source.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EfficientNetB0", "EfficientNetB3", "EfficientNetV2B0",
    "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "ResNet50V2", "ConvNeXtTiny",
    "DenseNet121", "VGG16"])  # fmt: skip
def test_every_backbone_exports_with_builtin_operators_and_parity(name, tmp_path):
    keras.utils.set_random_seed(0)
    x = blotches(16, 48, 48, 1)
    model = outspoken(models.build("transfer", classes=5, backbone=name, resolution=96), x)
    found = exported(models.with_probabilities(model), x, tmp_path)
    alike = {"float32": 0.999, "float16": 0.999, "dynamic": 0.97, "int8": 0.88}
    for variant, parity in found.items():
        assert parity.alike > alike[variant], found
    assert found["float32"].largest < 1e-4 and found["float16"].largest < 1e-2, found

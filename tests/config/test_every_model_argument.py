"""Every argument of every registered model changes the model, or is refused."""

import json
import re
from functools import cache

import keras
import numpy as np
import pytest

from keras_mer import models
from keras_mer.config import recipe as recipes
from keras_mer.data.inputs import Samples
from keras_mer.errors import UserError
from keras_mer.training import estimators, setup

pytestmark = pytest.mark.slow

_LENET = {"name": "lenet", "filters": [2], "units": 3}
#: Small arguments of each model, and an unusual valid value of each argument.
BASES = {
    "cnn": {"size": 16, "stem": 2, "filters": [2]},
    "cnn_bilstm": {"frames": 3, "size": 16, "units": 2, "encoder": _LENET},
    "flow": {"size": 16, "filters": [2, 3]},
    "flow_kernel": {"size": 16},
    "flow_linear": {"size": 16},
    "lenet": {"size": 16, "filters": [2], "units": 3},
    "ststnet": {"size": 16},
    "svm": {"size": 16},
    "transfer": {"size": 16, "resolution": 32, "options": {"alpha": 0.35}, "head": [3]},
}
BASES["transfer"]["backbone"] = "MobileNetV2"
VALUES = {
    "size": 24, "stem": 3, "filters": [4, 5], "depth": 2, "dropout": 0.7, "pool": "average",
    "frames": 5, "encoder": _LENET | {"units": 5}, "freeze": True, "units": 7, "attention": True,
    "magnify": 3.0, "unroll": True, "kernel": 3, "mirror": False, "anchors": 9, "reach": 2.0,
    "smooth": 0, "ridge": 3.0, "streams": [1, 2], "C": 5.0, "backbone": "MobileNet",
    "resolution": 64, "options": {"alpha": 0.5}, "pooling": "max", "head": [4],
}  # fmt: skip
CASES = [(name, argument) for name in models.names() for argument in models.defaults(name)]


def samples(shape):
    """Noise of three classes."""
    inputs = np.random.default_rng(0).integers(0, 256, (12, *shape)).astype(np.uint8)
    labels = np.arange(12) % 3
    return Samples(inputs, np.eye(3, dtype=np.float32)[labels], labels, ("a", "b", "c"))


def result(model: dict) -> tuple[str, list[np.ndarray], np.ndarray]:
    """Configuration without automatic names, weights and output of a model."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    values = {"name": "x", "data": {"sources": {"synthetic": "x"}}, "model": model}
    recipe = recipes.parse(values, "x")
    data = samples(models.input_shape(model))
    if model["name"] in estimators.CLOSED_FORM:
        estimator = estimators.make(recipe, data, seed=0)
        estimator.fit(np.arange(12))
        built = estimator.to_keras()
    else:
        built = setup.build_model(recipe, data.classes)
    layers = [(layer.name, layer.trainable) for layer in built.layers]
    config = json.dumps([built.get_config(), layers], default=str)
    output = built(data.inputs.astype("f"), training=False)
    return re.sub(r"_\d+\b|0x[0-9a-f]+", "", config), built.get_weights(), np.asarray(output)


@cache
def result_of_base(model: str):
    """The result of a base, which repeats itself."""
    before = result(json.loads(model))
    assert same(before, result(json.loads(model)))
    return before


def same(one, other) -> bool:
    """Whether two results are equal within 1e-5."""
    arrays = [[*each[1], each[2]] for each in (one, other)]
    return (
        one[0] == other[0]
        and [a.shape for a in arrays[0]] == [a.shape for a in arrays[1]]
        and all(np.allclose(a, b, rtol=0, atol=1e-5) for a, b in zip(*arrays, strict=True))
    )


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_every_argument_changes_the_model_or_is_refused(name, argument, tmp_path):
    base = {"name": name, **BASES[name]}
    value = VALUES.get(argument)
    if argument == "channels":
        value = 1 if models.defaults(name)["channels"] == 3 else 3
    if argument == "weights":
        image = models.build(**_LENET, size=16, classes=2)
        image.save(tmp_path / "image.keras")
        value, base = str(tmp_path / "image.keras"), base | {"encoder": "cnn"}
    assert value is not None, f"no unusual value of {argument}"
    before = result_of_base(json.dumps(base))
    try:
        after = result(base | {argument: value})
    except UserError as error:
        assert argument in str(error) and "\n" not in str(error)
        assert (name, argument) in {("flow_kernel", "anchors")}, str(error)
    else:
        assert not same(before, after), f"model {name}: {argument}={value} is ignored"


def test_an_encoder_beside_weights_and_its_size_are_refused():
    base = {"frames": 3, "size": 16}
    with pytest.raises(UserError, match="encoder lenet has no effect beside weights x.keras"):
        models.build("cnn_bilstm", classes=2, encoder="lenet", weights="x.keras", **base)
    with pytest.raises(UserError, match="encoder: size is that of the frames"):
        models.build("cnn_bilstm", classes=2, encoder=_LENET | {"size": 24}, **base)

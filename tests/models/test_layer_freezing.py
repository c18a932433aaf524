import keras
import numpy as np
import pytest

from keras_mer import models
from keras_mer.errors import UserError
from keras_mer.models import layer_freezing
from tests.models.test_models import SMALL
from tests.models.test_transfer import tiny


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("MobileNetV2", ["Conv1", "expanded_conv", "block_1", "block_16", "Conv_1"]),
        ("ResNet50V2", ["conv1_conv", "conv2_block1", "conv5_block3"]),
        ("VGG16", ["block1", "block5"]),
    ],
)
def test_blocks_follow_the_backbones_layer_names(name, blocks):
    body = getattr(keras.applications, name)(include_top=False, weights=None,
                                             input_shape=(32, 32, 3))  # fmt: skip
    found = [group[0].name for group in layer_freezing.blocks(body)]
    places = [next(i for i, first in enumerate(found) if first.startswith(b)) for b in blocks]
    assert places == sorted(places) and places[0] <= 1
    assert places[-1] == len(found) - 1
    assert sum(map(len, layer_freezing.blocks(body))) == sum(bool(x.weights) for x in body.layers)


def test_unfreezing_no_block_trains_only_the_head():
    model = tiny(head=[8])
    layer_freezing.freeze(model, 0, batch_norm=False)
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {"dense", "logits"} or (
        len(model.trainable_variables) == 4
    )
    assert not any("backbone" in v.path for v in model.trainable_variables)


def test_top_blocks_are_trained_and_batch_norm_only_on_request():
    model = tiny()
    count = layer_freezing.freeze(model, 2, batch_norm=False)
    assert count == len(layer_freezing.blocks(model)) > 10
    learning = [x for block in layer_freezing.blocks(model)[-2:] for x in block]
    norms = [x for x in learning if isinstance(x, keras.layers.BatchNormalization)]
    assert norms and not any(x.trainable for x in norms)
    assert all(x.trainable for x in learning if x not in norms)
    assert not any(x.trainable for block in layer_freezing.blocks(model)[:-2] for x in block)
    layer_freezing.freeze(model, 2, batch_norm=True)
    assert all(x.trainable for x in learning)
    layer_freezing.freeze(model, "all")
    assert len(model.trainable_variables) == len(tiny().trainable_variables)


@pytest.mark.parametrize("name", ["cnn", "transfer"])
def test_frozen_statistics_and_weights_do_not_change(name):
    model = models.build(name, classes=3, **SMALL[name])
    layer_freezing.freeze(model, 1, batch_norm=False)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    before = [w.copy() for w in model.get_weights()]
    learning = {v.path for v in model.trainable_variables}
    x = np.random.default_rng(0).integers(0, 256, (8, *model.input_shape[1:])).astype("float32")
    model.fit(x, np.eye(3)[np.arange(8) % 3], verbose=0)
    for variable, old in zip(model.weights, before, strict=True):
        if "seed_generator" in variable.path:
            continue
        same = np.array_equal(variable, old)
        assert same != (variable.path in learning), variable.path


def test_too_many_blocks_are_an_error():
    model = models.build("lenet", classes=3, size=24)
    for wrong in (9, -1, "some", 1.5):
        with pytest.raises(UserError, match=rf"unfreeze: .* up to 4 .*lenet.*, got {wrong}"):
            layer_freezing.freeze(model, wrong)

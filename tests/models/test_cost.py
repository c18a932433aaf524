import keras
import pytest

from keras_mer import models
from keras_mer.models import cost


@pytest.mark.parametrize(
    ("name", "millions"),
    # Sandler et al. 2018, table 4; Huang et al. 2017 by Keras's documentation
    [("MobileNetV2", 300), ("MobileNet", 569)],
)
def test_multiply_adds_equal_published_values(name, millions):
    model = getattr(keras.applications, name)(weights=None)
    assert cost.multiply_adds(model) == pytest.approx(millions * 1e6, rel=0.01)


def test_multiply_adds_of_every_kind_of_layer():
    layers = keras.layers
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, padding="same")(inputs)  # 64 x 9 x 2 x 4
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(6, 3, strides=2, padding="same")(x)  # 16 x (9 x 4 + 4 x 6)
    x = layers.DepthwiseConv2D(4)(x)  # 1 x 16 x 6
    x = layers.Conv2DTranspose(3, 2)(x)  # 1 x 4 x 3 x 6
    x = layers.Reshape((4, 3))(x)
    x = layers.Bidirectional(layers.LSTM(5))(x)  # 2 x 4 x (3 x 20 + 5 x 20)
    model = keras.Model(inputs, layers.Dense(7)(x))  # 10 x 7
    assert cost.multiply_adds(model) == 4608 + 960 + 96 + 72 + 1280 + 70


def test_a_nested_model_counts_once_per_frame():
    encoder = {"name": "lenet", "filters": (4, 8), "units": 8}
    alone = models.build("lenet", classes=2, size=24, filters=(4, 8), units=8)
    counts = [
        cost.multiply_adds(
            models.build("cnn_bilstm", classes=2, frames=n, size=24, units=4, encoder=encoder)
        )
        for n in (2, 3)
    ]
    step = 2 * 4 * (8 + 4) * 4
    assert counts[1] - counts[0] == cost.multiply_adds(alone) - 16 + step


def test_multiply_adds_of_a_backbone():
    model = models.build("transfer", classes=7, backbone="MobileNetV2", resolution=96)
    body = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3))
    assert cost.multiply_adds(model) == cost.multiply_adds(body) + 1280 * 7

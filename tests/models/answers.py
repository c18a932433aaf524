"""Random networks whose outputs depend on the input, as parity tests require."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_mer.export import tflite
from keras_mer.models import layer_freezing
from keras_mer.runtime.interpreter import TFLiteModel


def blotches(count: int, *shape: int) -> np.ndarray:
    """Images 0..255 of large random patches, float32 (count, *shape).

    White noise will not do: averaged over a picture it is always the same grey.
    """
    *frames, height, width, channels = shape
    coarse = np.random.default_rng(0).integers(0, 256, (count, *frames, 4, 4, channels))
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return coarse[..., rows, :, :][..., columns, :].astype(np.float32)


def outspoken(model: keras.Model, x: np.ndarray) -> keras.Model:
    """Shift and scale a model's last layer so that every logit varies by 1 around 0 over `x`."""
    # Deep networks that have learnt nothing are chaotic: every bend makes rounding larger. One
    # standard deviation up, most signals pass the activations unbent.
    for layer in layer_freezing.leaves(model):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.center:
            layer.beta.assign(keras.ops.ones_like(layer.beta))
    # with foreign statistics, signals die out
    layer_freezing.recalibrate_batch_norm(
        layer_freezing.leaves(model), lambda: model(x, training=True)
    )
    last = next(layer for layer in layer_freezing.leaves(model) if layer.name == "logits")
    logits = model.predict(x, verbose=0)
    mean, spread = logits.mean(0), logits.std(0)
    kernel, bias = last.get_weights()
    last.set_weights([kernel / spread, (bias - mean) / spread])
    return model


@dataclass(frozen=True)
class Parity:
    """Compare a TFLite file's outputs with Keras's.

    Attributes:
        alike: correlation of what varies from sample to sample, 1 at best.
        largest, mean: difference of a probability.
    """

    alike: float
    largest: float
    mean: float


def exported(model: keras.Model, x: np.ndarray, folder: Path) -> dict[str, Parity]:
    """Compare every TFLite variant of a model with the model.

    Args:
        model: pixels -> probabilities.
        x: whole numbers 0..255.
        folder: to write into.
    """
    expected = model.predict(x, verbose=0)
    x, found = x.astype(np.uint8), {}
    with tflite.converter(model, x) as convert:
        for variant in tflite.VARIANTS:
            file = folder / f"{variant}.tflite"
            file.write_bytes(convert(variant))
            assert b"Flex" not in file.read_bytes()
            lite = TFLiteModel(file)
            assert lite.input_dtype == (np.uint8 if variant == "int8" else np.float32)
            got = lite.predict(x)
            both = [(answer - answer.mean(0)).ravel() for answer in (got, expected)]
            off = np.abs(got - expected)
            found[variant] = Parity(np.corrcoef(*both)[0, 1], off.max(), off.mean())
    return found

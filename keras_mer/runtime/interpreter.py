"""Inference with a TFLite file.

Samples run one at a time: a batch is not faster on a CPU (an int8 CNN takes 0.67 ms per image,
alone and in a batch of 32; float32 and float16 are slightly slower in a batch) and fails for graphs
with a Flatten layer, whose exported shape contains the batch size.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_mer.engines import ENGINES, load_engine, open_tflite
from keras_mer.errors import UserError

__all__ = ["ENGINES", "TFLiteModel", "load_engine"]


class TFLiteModel:
    """A loaded TFLite file with one input and one output.

    Args:
        path: the file.
        threads: threads of one inference.
        engine: a key of `ENGINES`; None takes the first installed.

    Attributes:
        engine: the interpreter's package.
        input_shape, output_shape: of one sample, without the batch axis.
        input_dtype, output_dtype: of the file's input and output.
        input_scale: (scale, zero point) of a quantized input; (1, 0) if its bytes are pixels.

    Raises:
        UserError: for a missing or corrupt file, and for one this interpreter cannot run.
    """

    def __init__(self, path: str | os.PathLike, threads: int = 1, engine: str | None = None):
        self.path = Path(path)
        self.threads = threads
        self.engine, self._interpreter = open_tflite(path, threads, engine)
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise UserError(
                f"{path}: expected one input and one output, got {len(inputs)} and {len(outputs)}"
            )
        self._input, self._output = inputs[0], outputs[0]
        self.input_shape = tuple(int(n) for n in self._input["shape"][1:])
        self.output_shape = tuple(int(n) for n in self._output["shape"][1:])
        self.input_dtype = np.dtype(self._input["dtype"])
        self.output_dtype = np.dtype(self._output["dtype"])
        self.input_scale = self._input["quantization"]

    def predict(self, samples: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Run the model on samples.

        Args:
            samples: (n, *input_shape), or a sequence of n such arrays, in the model's own range
                (raw pixels 0..255 for the models of this project).

        Returns:
            float32, (n, *output_shape); a quantized output is dequantized.

        Raises:
            UserError: for samples of another shape.
        """
        out = np.empty((len(samples), *self.output_shape), np.float32)
        for row, sample in zip(out, samples, strict=True):
            if np.shape(sample) != self.input_shape:
                raise UserError(
                    f"{self.path.name}: expected samples of shape {self.input_shape}, "
                    f"got {np.shape(sample)}"
                )
            value = _quantize(np.asarray(sample), self._input)[np.newaxis]
            self._interpreter.set_tensor(self._input["index"], value)
            self._interpreter.invoke()
            value = self._interpreter.get_tensor(self._output["index"])[0]
            row[...] = _dequantize(value, self._output)
        return out


def _quantize(sample: np.ndarray, detail: dict) -> np.ndarray:
    dtype = np.dtype(detail["dtype"])
    scale, zero = detail["quantization"]
    if dtype.kind == "f" or scale == 0 or (scale == 1 and zero == 0 and sample.dtype == dtype):
        return sample.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    value = np.rint(np.asarray(sample, np.float32) / scale) + zero
    return np.clip(value, limits.min, limits.max).astype(dtype)


def _dequantize(value: np.ndarray, detail: dict) -> np.ndarray:
    scale, zero = detail["quantization"]
    if np.dtype(detail["dtype"]).kind == "f" or scale == 0:
        return value
    return (value.astype(np.float32) - zero) * scale

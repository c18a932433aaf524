"""A trained Keras model -> four TFLite files, measured against it, with a card."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_mer
from keras_mer.errors import UserError
from keras_mer.files import replacing, write_json, write_text
from keras_mer.kinds import Preprocessing
from keras_mer.models.cnn_bilstm import unrolled
from keras_mer.progress import console
from keras_mer.runtime import card as cards
from keras_mer.runtime.interpreter import TFLiteModel

VARIANTS = ("float32", "float16", "dynamic", "int8")
# The smallest and fastest first; dynamic-range files do not run in every interpreter.
_PREFERRED = ("int8", "float16", "float32", "dynamic")
#: Most of its accuracy that a variant may lose on the validation split, in points.
MAX_LOSS = 1.0


@contextlib.contextmanager
def converter(model: keras.Model, calibration: np.ndarray) -> Iterator[Callable[[str], bytes]]:
    """Trace a model once, and convert it to as many variants as are asked for.

    Args:
        model: float32 policy, raw pixels -> probabilities.
        calibration: uint8 (samples, height, width, channels), or (samples, frames, ...), training
            images or clips of all classes, from which int8 ranges are read.

    Yields:
        A function from a variant, one of `VARIANTS`, to a TFLite file with a batch of 1 and
        builtin operators only. float16 and dynamic keep float inputs; int8 takes uint8 pixels and
        gives uint8 probabilities (LiteRT in a browser takes no int8 tensors). It raises a
        UserError when TFLite has no builtin operator for a layer.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_saved_model(unrolled(model), folder)
        yield (
            lambda variant: (
                _convert_apart(folder, calibration)
                if variant == "int8"
                else _convert(folder, variant, calibration)
            )
        )


def convert(model: keras.Model, variant: str, calibration: np.ndarray) -> bytes:
    """One variant of a model, as `converter` makes it."""
    with converter(model, calibration) as made:
        return made(variant)


def _write_saved_model(model: keras.Model, folder: str) -> None:
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda x: model(x, training=False),
        [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)],
    )
    log = tf.get_logger()
    level = log.level
    log.setLevel("WARNING")  # in a notebook it names the temporary folder, twice
    try:
        archive.write_out(folder, verbose=False)
    finally:
        log.setLevel(level)


def _convert(folder: str, variant: str, calibration: np.ndarray) -> bytes:
    lite = tf.lite.TFLiteConverter.from_saved_model(folder)
    lite.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant != "float32":
        lite.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        lite.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        lite.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        lite.representative_dataset = lambda: (
            [image[np.newaxis].astype(np.float32)] for image in calibration
        )
        lite.inference_input_type = lite.inference_output_type = tf.uint8
    try:
        data = lite.convert()
    except Exception as error:  # the converter raises its own, private types
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"no {variant} TFLite file: {reason}") from None
    return data


def _convert_apart(folder: str, calibration: np.ndarray) -> bytes:
    """Convert to int8 in a process of its own: on some graphs the converter kills Python."""
    samples, out = Path(folder) / "calibration.npy", Path(folder) / "model.tflite"
    # With black and white seen, the input's scale is 1: a byte in is a pixel.
    calibration = calibration.copy()
    calibration[0].flat[:2] = 0, 255
    np.save(samples, calibration)
    done = subprocess.run(
        [sys.executable, "-m", "keras_mer.export.tflite", folder, str(samples), str(out)],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise UserError(
            f"no int8 TFLite file: the converter ended with {done.returncode}: {lines[-1][:200]}"
        )
    scale, zero = TFLiteModel(out).input_scale
    if (scale, zero) != (1, 0):
        raise UserError(
            "no int8 TFLite file: expected an input whose bytes are pixels, got a scale of "
            f"{scale:g} and a zero point of {zero}; the converter mistook the first layers"
        )
    return out.read_bytes()


def calibration_samples(images: np.ndarray, labels: np.ndarray, count: int = 300) -> np.ndarray:
    """Evenly many images of each class, in a fixed order: uint8 (about `count`, h, w, c)."""
    random = np.random.default_rng(0)
    classes = np.unique(labels)
    share = max(1, count // len(classes))
    chosen = [random.permutation(np.flatnonzero(labels == c))[:share] for c in classes]
    # Class by class in turn, so that a shortened calibration still sees them all.
    return images[random.permutation(np.concatenate(chosen))]


def measure(
    path: str | os.PathLike, images: np.ndarray, labels: np.ndarray, expected: np.ndarray
) -> dict:
    """Hold a TFLite file against Keras's own probabilities.

    Args:
        path: the file.
        images: uint8 (samples, height, width, channels).
        labels: class indices, (samples,).
        expected: Keras's probabilities, float32 (samples, classes).

    Returns:
        bytes, dtypes, max_difference (largest difference of a probability), agreement (share of
        equal top classes), accuracy, latency_ms (median on one thread).
    """
    model = TFLiteModel(path)
    got = model.predict(images)
    return {
        "file": Path(path).name,
        "bytes": Path(path).stat().st_size,
        "input_dtype": str(model.input_dtype),
        "output_dtype": str(model.output_dtype),
        "max_difference": float(np.abs(got - expected).max().round(6)),
        "agreement": float((got.argmax(1) == expected.argmax(1)).mean().round(5)),
        "accuracy": float((got.argmax(1) == labels).mean().round(5)),
        "latency_ms": round(latency(lambda: model.predict(images[:1])), 3),
    }


def latency(run: Callable[[], object], *, repeats: int = 50, warmup: int = 5) -> float:
    """Median milliseconds of a call."""
    times = []
    for i in range(warmup + repeats):
        start = time.perf_counter()
        run()
        if i >= warmup:
            times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def export(
    model: keras.Model,
    folder: str | os.PathLike,
    *,
    classes: tuple[str, ...],
    calibration: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    expected: np.ndarray,
    about: dict,
    task: str = "image",
    preprocessing: Preprocessing | None = None,
    split: str = "validation",
    name: str | None = None,
    variants: tuple[str, ...] = VARIANTS,
    allow_loss: bool = False,
) -> dict:
    """Publish a model: a folder with the Keras file, its TFLite variants, labels and card.

    The folder appears whole or not at all; an older one of that name is replaced.

    Args:
        model: float32, raw pixels -> probabilities.
        folder: to write.
        classes: names of the outputs.
        calibration: see `converter`.
        images, labels, expected: the validation split, see `measure`.
        about: further entries of the card (scores, training).
        task: what the model looks at: image, flow or clip (`keras_mer.models.kind`).
        preprocessing: of a flow or clip model, how its input is computed from frames; None if
            unknown, and then the runtime refuses to run the model on video.
        split: what part of the data `images` are.
        name: the model's; by default the folder's.
        variants: which TFLite files.
        allow_loss: publish even a variant that loses more than `MAX_LOSS` points of accuracy.

    Returns:
        The card. A variant that was refused stands in it under ``refused``, with its figures.

    Raises:
        UserError: when no variant is fit to publish, or for a preprocessing of another kind or
            size than the model's input.
    """
    folder = Path(folder)
    height, width, channels = model.input_shape[-3:]
    made = _input_entries(task, model, preprocessing)
    reference = float((expected.argmax(1) == labels).mean())
    with replacing(folder) as temporary, converter(model, calibration) as convert:
        temporary.mkdir()
        model.save(temporary / "model.keras")
        kept, refused = {}, {}
        for variant in variants:
            console.print(f"converting to {variant} ...")
            file = temporary / f"model-{variant}.tflite"
            file.write_bytes(convert(variant))
            figures = measure(file, images, labels, expected)
            loss = 100 * (reference - figures["accuracy"])
            if loss > MAX_LOSS and not allow_loss:
                refused[variant] = figures
                file.unlink()
                console.print(
                    f"refused {variant}: it loses {loss:.1f} points of accuracy "
                    f"(more than {MAX_LOSS}); --allow-loss publishes it all the same"
                )
            else:
                kept[variant] = figures
        if not kept:
            raise UserError(f"{folder}: every variant loses more than {MAX_LOSS} points")
        card = {
            "name": name or folder.name,
            "format": 1,
            "task": task,
            "classes": list(classes),
            "input": {
                "height": height,
                "width": width,
                "channels": channels,
                "range": [0, 255],
                "colour": "grey" if channels == 1 else "rgb",
                "face_margin": 0.0,
                **made,
            },
            "variants": kept,
            "refused": refused,
            "default_variant": next(name for name in _preferred(split) if name in kept),
            "parity": {
                "split": split,
                "samples": len(labels),
                "keras_accuracy": round(reference, 5),
            },
            **about,
            "versions": {
                "keras_mer": keras_mer.__version__,
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
            },
        }
        write_text(temporary / "labels.txt", "\n".join(classes) + "\n")
        write_json(temporary / cards.FILE, card)
    return card


def _preferred(split: str) -> tuple[str, ...]:
    """On clips that it has learnt a model is so sure that what int8 costs does not show."""
    return _PREFERRED if split != "train" else ("float16", "float32", "int8", "dynamic")


def _input_entries(task: str, model: keras.Model, made: Preprocessing | None) -> dict:
    """The card's entries about the input of a flow or clip model."""
    if task == "image":
        return {}
    if made and (bool(made.flow) != (task == "flow")):
        raise UserError(f"preprocessing: flow '{made.flow}' does not belong to a {task} model")
    if made and task == "clip" and made.side != model.input_shape[2]:
        raise UserError(
            f"preprocessing: side {made.side} is not the clip model's {model.input_shape[2]} pixels"
        )
    entries = {"preprocessing": made and made.to_dict()}
    if made:
        entries["face_margin"] = made.margin
    if task == "clip":
        return entries | {"frames": model.input_shape[1]}
    method = {"flow": made.flow, "face_side": made.side} if made else {}
    return entries | {"colour": "flow"} | method


def _main(folder: str, samples: str, out: str) -> None:
    Path(out).write_bytes(_convert(folder, "int8", np.load(samples)))


if __name__ == "__main__":
    _main(*sys.argv[1:])

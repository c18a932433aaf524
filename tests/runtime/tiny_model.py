"""Export tiny models for the tests, which classify by mean brightness.

Run as `python tests/runtime/tiny_model.py FOLDER`; needs TensorFlow, which the tests that use the
folder do not. Dark inputs are sad, bright ones happy, those between neutral, for an image, a clip
and a flow image alike.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

CLASSES = ("sad", "neutral", "happy")
SIDE = 48
MADE = {"flow": "", "register": True, "detector": "haar", "origin": "recorded"}


def weights(size):
    """Weights of the dense layer over `size` pixels in 0..1: sad below 0.35, happy above 0.55."""
    import numpy as np

    slope = np.array([-40.0, 0.0, 40.0])
    return [np.repeat(slope[None] / size, size, 0), np.array([0.35 * 40, 0.0, -0.55 * 40])]


def build(shape):
    import keras

    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 255)(inputs)
    if len(shape) == 4:  # a clip: the mean over all frames
        x = keras.layers.Reshape((shape[0] * shape[1], *shape[2:]))(x)
    x = keras.layers.AveragePooling2D(2)(x)  # smaller layers are never quantized
    x = keras.layers.Flatten()(x)
    head = keras.layers.Dense(len(CLASSES), activation="softmax")
    model = keras.Model(inputs, head(x))
    head.set_weights(weights(x.shape[-1]))
    return model


def convert(model, variant):
    import keras
    import numpy as np
    import tensorflow as tf

    shape = (1, *model.input_shape[1:])
    with tempfile.TemporaryDirectory() as folder:
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = [tf.TensorSpec(shape, tf.float32)]
        archive.add_endpoint("serve", lambda x: model(x, training=False), signature)
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if variant != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if variant == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if variant == "int8":
            levels = np.linspace(0, 255, 30)
            converter.representative_dataset = lambda: (
                [np.full(shape, level, np.float32)] for level in levels
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        return converter.convert()


def export(folder, shape, task):
    folder.mkdir(parents=True, exist_ok=True)
    model, variants = build(shape), {}
    for variant in ("float32", "float16", "dynamic", "int8"):
        name = f"model-{variant}.tflite"
        (folder / name).write_bytes(convert(model, variant))
        variants[variant] = {"file": name, "bytes": (folder / name).stat().st_size}
    size = {"height": SIDE, "width": SIDE, "channels": shape[-1], "range": [0, 255]}
    size |= {"colour": "grey" if shape[-1] == 1 else "rgb", "face_margin": 0.0}
    if task == "clip":
        size |= {"frames": shape[0], "preprocessing": MADE | {"side": SIDE, "margin": 0.0}}
    if task == "flow":
        size |= {"colour": "flow", "flow": "dis", "face_side": 96, "face_margin": 0.15}
        flow = {"flow": "dis", "head_motion": "removed", "side": 96, "margin": 0.15}
        size["preprocessing"] = MADE | flow
    card = {"name": f"tiny-{task}", "format": 1, "task": task, "classes": CLASSES, "input": size}
    card |= {"variants": variants, "default_variant": "int8"}
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "labels.txt").write_text("\n".join(CLASSES) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    target = Path(sys.argv[1])
    export(target / "image", (SIDE, SIDE, 1), "image")
    export(target / "clip", (4, SIDE, SIDE, 3), "clip")
    export(target / "flow", (SIDE, SIDE, 3), "flow")

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_mer.errors import UserError
from keras_mer.models import face_mobilenet

WIDTHS = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]


@pytest.fixture(scope="module")
def arrays():
    """Random weights with the names and shapes of faceres-deep, without its classifiers."""
    random = np.random.default_rng(0)

    def normal(*shape, fan):
        return random.normal(0, fan**-0.5, shape).astype(np.float32)

    out = {
        "conv1/convolution/merged_input": normal(3, 3, 3, 32, fan=27) / 64,
        "conv1_bn/batchnorm_1/sub": normal(32, fan=4),
    }
    width = 32
    for i, wider in enumerate(WIDTHS, 1):
        out[f"conv_dw_{i}/depthwise_kernel"] = normal(3, 3, width, 1, fan=4)
        out[f"conv_dw_{i}_bn/batchnorm_1/mul"] = 1 + normal(width, fan=16)
        out[f"conv_dw_{i}_bn/batchnorm_1/sub"] = normal(width, fan=4)
        out[f"conv_pw_{i}/convolution/merged_input"] = normal(1, 1, width, wider, fan=width / 2)
        out[f"conv_pw_{i}_bn/batchnorm_1/sub"] = normal(wider, fan=4)
        width = wider
    return out


def folded(arrays, pixels, blocks=13):
    """The source's function, written with TensorFlow: its features after some blocks."""

    def pad(x, stride):
        return tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]]) if stride == 2 else x

    # The unfolded network pads its input with gray 127.5, the source with the mean.
    padded = tf.pad(pixels, [[0, 0], [0, 1], [0, 1], [0, 0]], constant_values=127.5)
    x = padded - np.array([103.939, 116.779, 123.68], np.float32)
    x = tf.nn.conv2d(x, arrays["conv1/convolution/merged_input"], 2, "VALID")
    x = tf.nn.relu6(x + arrays["conv1_bn/batchnorm_1/sub"])
    for i, stride in enumerate(STRIDES[:blocks], 1):
        x = tf.nn.depthwise_conv2d(
            pad(x, stride), arrays[f"conv_dw_{i}/depthwise_kernel"], [1, stride, stride, 1],
            "VALID" if stride == 2 else "SAME",
        )  # fmt: skip
        x *= arrays[f"conv_dw_{i}_bn/batchnorm_1/mul"]
        x = tf.nn.relu6(x + arrays[f"conv_dw_{i}_bn/batchnorm_1/sub"])
        x = tf.nn.conv2d(x, arrays[f"conv_pw_{i}/convolution/merged_input"], 1, "VALID")
        x = tf.nn.relu6(x + arrays[f"conv_pw_{i}_bn/batchnorm_1/sub"])
    return x.numpy()


def test_the_unfolded_network_computes_the_same_features(arrays):
    import keras

    faces = np.random.default_rng(1).uniform(0, 255, (8, 64, 64, 3)).astype(np.float32)
    model = face_mobilenet.unfold(face_mobilenet.convolutions(arrays), faces)
    # all but the last BatchNorm, which starts anew
    inner = keras.Model(model.input, model.get_layer("conv_pw_12_relu").output)
    expected = folded(arrays, faces, blocks=12)
    assert 0.05 < (expected > 0).mean() < 0.95
    for training in (False, True):  # the statistics are those of the images
        found = inner(faces / 127.5 - 1, training=training).numpy()
        np.testing.assert_allclose(found, expected, atol=2e-2)
    other = np.random.default_rng(2).uniform(0, 255, (4, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(
        inner(other / 127.5 - 1).numpy(), folded(arrays, other, blocks=12), atol=2e-2
    )
    last = model(faces / 127.5 - 1).numpy()
    assert 0.2 < (last > 0).mean() < 0.8


def write(folder, arrays):
    names = [*arrays, "count"]
    data = b"".join(a.tobytes() for a in arrays.values()) + np.int32(3).tobytes()
    manifest = [{"name": n, "shape": list(arrays[n].shape), "dtype": "float32"} for n in arrays] + [
        {"name": "count", "shape": [], "dtype": "int32"}
    ]
    (folder / "a.bin").write_bytes(data[:10])
    (folder / "b.bin").write_bytes(data[10:])
    file = folder / "model.json"
    groups = [{"paths": ["a.bin", "b.bin"], "weights": manifest}]
    file.write_text(json.dumps({"weightsManifest": groups}))
    assert len(names) == len(manifest)
    return file


def test_weights_are_read_from_the_binary_files(tmp_path, arrays):
    few = {name: arrays[name] for name in list(arrays)[:4]}
    found = face_mobilenet.read_tfjs(write(tmp_path, few))
    assert found.keys() == few.keys()
    for name, array in few.items():
        np.testing.assert_array_equal(found[name], array)


def test_other_files_are_refused(tmp_path, arrays):
    few = {name: arrays[name] for name in list(arrays)[:4]}
    file = write(tmp_path, few)
    with pytest.raises(UserError, match=r"not the weights of faceres-deep: .* is missing"):
        face_mobilenet.convolutions(face_mobilenet.read_tfjs(file))
    (tmp_path / "b.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"model.json: its weights are cut off at 10 bytes"):
        face_mobilenet.read_tfjs(file)
    file.write_text("{}")
    with pytest.raises(UserError, match=r"model.json: not a TF.js model"):
        face_mobilenet.read_tfjs(file)

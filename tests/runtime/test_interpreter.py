import subprocess
import sys

import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.runtime.interpreter import ENGINES, TFLiteModel, load_engine

VARIANTS = ("float32", "float16", "dynamic", "int8")


def expected(samples):
    """What `tiny_model.py` computes, in numpy."""
    mean = np.asarray(samples, np.float64).reshape(len(samples), -1).mean(1) / 255
    logits = np.stack([14 - 40 * mean, 0 * mean, 40 * mean - 22], 1)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def installed(name):
    try:
        return load_engine(name) is not None
    except UserError:
        return False


def not_on_tflite_runtime(reason):
    if load_engine()[0] == "tflite-runtime":
        pytest.skip(f"tflite-runtime {reason}")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_variant_gives_the_probabilities(tiny_model, variant, threads):
    if variant == "dynamic":
        not_on_tflite_runtime("reads no dynamic-range files")
    model = TFLiteModel(tiny_model / f"model-{variant}.tflite", threads)
    assert model.input_shape == (48, 48, 1) and model.output_shape == (3,)
    samples = np.random.default_rng(0).integers(0, 256, (9, 48, 48, 1)).astype(np.uint8)
    samples[:5] = samples[:5] // 3 + np.arange(0, 200, 40, dtype=np.uint8)[:, None, None, None]
    out = model.predict(samples)
    assert out.dtype == np.float32 and out.shape == (9, 3)
    assert np.allclose(out, expected(samples), atol=0.12 if variant == "int8" else 2e-3)
    floats = model.predict(samples.astype(np.float32))
    assert np.allclose(out, floats, atol=1e-6)


def test_int8_takes_and_gives_bytes(tiny_model):
    model = TFLiteModel(tiny_model / "model-int8.tflite")
    assert model.input_dtype == model.output_dtype == np.uint8
    assert 0 <= model.predict(np.full((1, 48, 48, 1), 300.0)).min() <= 1


def test_a_clip_model_reads_clips(tiny_models):
    model = TFLiteModel(tiny_models / "clip/model-float32.tflite")
    clip = np.full((2, 4, 48, 48, 3), 90, np.uint8)
    assert np.allclose(model.predict(clip), expected(clip), atol=1e-3)


def test_no_sample_gives_no_row(tiny_model):
    model = TFLiteModel(tiny_model / "model-float32.tflite")
    assert model.predict([]).shape == (0, 3)


def test_a_sample_of_another_shape_is_refused(tiny_model):
    model = TFLiteModel(tiny_model / "model-float32.tflite")
    with pytest.raises(UserError, match=r"expected samples of shape \(48, 48, 1\), got \(48, 48\)"):
        model.predict(np.zeros((2, 48, 48)))


@pytest.mark.parametrize("keep", [0, 5, 30, 200, 0.5, 0.9])
def test_a_cut_off_file_is_one_clear_line(tiny_model, tmp_path, keep):
    if keep > 5 or 0 < keep < 1:
        not_on_tflite_runtime("crashes on such a file; the card's byte count is there for that")
    data = (tiny_model / "model-float32.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(
        UserError, match=r"cut\.tflite: (not a TFLite file|corrupt).*export it again"
    ):
        TFLiteModel(path)


def test_a_missing_file_and_no_thread(tiny_model, tmp_path):
    with pytest.raises(UserError, match="No such file"):
        TFLiteModel(tmp_path / "none.tflite")
    with pytest.raises(UserError, match="threads: expected at least 1, got 0"):
        TFLiteModel(tiny_model / "model-float32.tflite", threads=0)


def test_the_first_installed_engine_is_taken_and_named(tiny_model):
    first = next(name for name in ENGINES if installed(name))
    assert TFLiteModel(tiny_model / "model-int8.tflite").engine == first
    with pytest.raises(UserError, match="unknown interpreter 'litert'"):
        load_engine("litert")


@pytest.mark.skipif(int(np.__version__.split(".")[0]) < 2, reason="numpy 1 suits tflite-runtime")
def test_tflite_runtime_beside_numpy_2_is_refused_with_the_reason():
    with pytest.raises(UserError, match=r"tflite-runtime needs numpy < 2.*ai-edge-litert"):
        load_engine("tflite-runtime")


@pytest.mark.skipif(not installed("tflite-runtime"), reason="tflite-runtime is not installed")
def test_tflite_runtime_says_that_it_reads_no_dynamic_range(tiny_model):
    with pytest.raises(UserError, match=r"reads no dynamic-range files.*int8, float16 or float32"):
        TFLiteModel(tiny_model / "model-dynamic.tflite", engine="tflite-runtime")


def test_nothing_of_the_training_stack_is_imported(tiny_model):
    if load_engine()[0] == "tensorflow":
        pytest.skip("only TensorFlow's own interpreter is installed")
    heavy = ("tensorflow", "keras", "matplotlib", "sklearn", "rich", "yaml", "pandas")
    code = (
        "import sys, numpy as np\n"
        "from keras_mer.runtime import Recogniser, timeline\n"
        "from keras_mer.runtime.ui import live\n"
        f"Recogniser.load({str(tiny_model)!r}).predict(np.zeros((64, 64, 3), np.uint8))\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

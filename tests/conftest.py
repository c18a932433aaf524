"""What every test may use."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the same results on every machine

import pytest

REPOSITORY = Path(__file__).parents[1]
#: Real data that developers may have beside the checkout; tests that need it skip without it.
REAL_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture
def float32_policy():
    """Put the global dtype policy back after a test that changes it."""
    import keras

    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def _converter():
    """A process that has TensorFlow loaded and converts to int8, one file after another."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def quick_int8(_converter):
    """Convert to int8 in a process that all tests share: a new one loads TensorFlow each time.

    The way that users go, a process for every file, is held by tests/test_export.py and the road.
    """
    from concurrent.futures.process import BrokenProcessPool

    from keras_mer.export import tflite

    alone = tflite._convert_apart

    def together(folder, calibration):
        try:
            return _converter.submit(tflite._convert, folder, "int8", calibration).result()
        except BrokenProcessPool:  # the converter killed it
            return alone(folder, calibration)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite, "_convert_apart", together)
        yield


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    """A synthetic dataset: 420 faces of 20 people, 48x48."""
    from keras_mer import synthetic

    folder = tmp_path_factory.mktemp("data") / "synthetic"
    synthetic.write_samples(folder, count=420, subjects=20)
    return folder


def tiny_recipe(dataset: Path, **training):
    """A recipe that trains in seconds on `tiny_dataset`."""
    from keras_mer.config import recipe as recipes

    settings = {"epochs": 2, "batch": 32} | training
    return recipes.load(
        "demo",
        [
            "model.stem=8",
            "model.filters=[8, 16]",
            *(f"training.{name}={value}" for name, value in settings.items()),
        ],
        data=[str(dataset)],
    )

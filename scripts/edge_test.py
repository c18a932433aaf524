"""Build the minimal environments of the runtime and run its tests and a prediction in them."""

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
# pip arguments for each interpreter; requirements-edge.txt documents both.
ENVIRONMENTS = {
    "tflite-runtime": ["-r", "requirements-edge.txt"],
    "ai-edge-litert": ["ai-edge-litert==2.3.0", "opencv-python-headless==4.14.0.94", "numpy<2.5"],
}
# The package is not installed: its metadata requires the training stack.
IMPORTABLE = {"PYTHONPATH": str(ROOT)}
#: Tests of the runtime: its packages and its scripts.
TESTS = (
    "tests/face",
    "tests/runtime",
    "tests/scripts/test_fetch_detector.py",
    "tests/scripts/test_predict.py",
    "tests/scripts/test_webcam.py",
)
FORBIDDEN = ("tensorflow", "keras", "matplotlib", "sklearn", "rich", "yaml")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=tuple(ENVIRONMENTS), help="one interpreter instead of both"
    )
    parser.add_argument(
        "--folder", default=".edge", help="folder of the environments (default: .edge)"
    )
    parser.add_argument(
        "--model", help="an exported model to predict with as well, such as saved_models/..."
    )
    parser.add_argument(
        "--benchmark", action="store_true", help="benchmark the live pipeline as well"
    )
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    folder = Path(options.folder).resolve()
    models = folder / "models"
    if not (models / "flow/card.json").exists():
        print("exporting the tests' tiny models (needs TensorFlow) ...")
        command(sys.executable, ROOT / "tests/runtime/tiny_model.py", models, quiet=True)
    for name in [options.only] if options.only else ENVIRONMENTS:
        python = build(folder / name, ENVIRONMENTS[name])
        check_forbidden_packages(python)
        print(f"{name}: running the runtime's tests ...")
        environment = IMPORTABLE | {"KERAS_MER_TINY_MODELS": str(models)}
        command(python, "-m", "pytest", *TESTS, "-rs", env=environment)
        for model in [models / "image", *([options.model] if options.model else [])]:
            predict(python, folder / "face.png", model)
        if options.benchmark:
            script = (python, "scripts/benchmark_runtime.py", "--memory-frames", 0)
            command(*script, "--model", options.model or models / "image", env=IMPORTABLE)
        print(f"{name}: passed; {megabytes(folder / name):.0f} MB without test dependencies")


def build(folder: Path, requirements: list[str]) -> Path:
    """Build an environment with these requirements and pytest, again when they changed."""
    python, stamp = folder / "bin/python", folder / "requirements.txt"
    wanted = f"{requirements}\n{(ROOT / 'requirements-edge.txt').read_text()}"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"{folder.name}: installing {' '.join(requirements)} ...")
        venv.create(folder, with_pip=True, clear=True)
        pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
        command(*pip, *requirements)
        (folder / "size.txt").write_text(str(size(folder)))
        command(*pip, "pytest>=8")
        stamp.write_text(wanted)
    return python


def check_forbidden_packages(python: Path) -> None:
    """Check that no package of the training stack is installed."""
    code = f"import importlib.util as u; print([n for n in {FORBIDDEN} if u.find_spec(n)])"
    found = command(python, "-c", code, quiet=True).strip()
    if found != "[]":
        raise UserError(f"{python}: has {found}, which the runtime must not need")


def predict(python: Path, picture: Path, model: Path | str) -> None:
    """Draw a face, run scripts/predict.py on it and check that the face is found."""
    code = (
        "import sys, cv2; from tests.face.drawing import scene; "
        "cv2.imwrite(sys.argv[1], scene((320, 240, 200, 250), size=(640, 480)))"
    )
    command(python, "-c", code, picture, env=IMPORTABLE)
    script = (python, "scripts/predict.py", picture, "--model", model)
    output = command(*script, quiet=True, env=IMPORTABLE)
    if "no face" in output:
        raise UserError(f"{model}: no face found in {picture}")
    print(output.splitlines()[-1])


def size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def megabytes(folder: Path) -> float:
    return int((folder / "size.txt").read_text()) / 1e6


def command(*words: object, quiet: bool = False, env: dict[str, str] | None = None) -> str:
    """Run a command in the repository; its output is shown, or with `quiet` returned."""
    environment = os.environ | (env or {})
    pipe = subprocess.PIPE if quiet else None
    done = subprocess.run(
        [*map(str, words)], cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=pipe
    )
    if done.returncode:
        if quiet:
            print(done.stderr[-3000:], file=sys.stderr)
        raise UserError(f"failed: {' '.join(map(str, words[:4]))} ...")
    return done.stdout or ""


if __name__ == "__main__":
    run_script(main)

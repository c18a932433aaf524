"""Build the runtime's small environments and run its tests and a prediction there."""

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
# What pip installs for each interpreter; requirements-edge.txt names both ways.
ENVIRONMENTS = {
    "tflite-runtime": ["-r", "requirements-edge.txt"],
    "ai-edge-litert": ["ai-edge-litert==2.3.0", "opencv-python-headless==4.14.0.94", "numpy<2.5"],
}
# The package itself is not installed there: its metadata asks for the training stack.
IMPORTABLE = {"PYTHONPATH": str(ROOT)}
FORBIDDEN = ("tensorflow", "keras", "matplotlib", "sklearn", "rich", "yaml")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=tuple(ENVIRONMENTS), help="one interpreter instead of both"
    )
    parser.add_argument(
        "--folder", default=".edge", help="where the environments go (default: .edge)"
    )
    parser.add_argument(
        "--model", help="a published model to predict with as well, such as saved_models/..."
    )
    parser.add_argument(
        "--benchmark", action="store_true", help="measure the live pipeline there as well"
    )
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    folder = Path(options.folder).resolve()
    models = folder / "models"
    if not (models / "flow/card.json").exists():
        print("publishing the tests' tiny models (with TensorFlow, here) ...")
        command(sys.executable, ROOT / "tests/runtime/tiny_model.py", models, quiet=True)
    for name in [options.only] if options.only else ENVIRONMENTS:
        python = build(folder / name, ENVIRONMENTS[name])
        check_nothing_heavy(python)
        print(f"{name}: running the runtime's tests ...")
        environment = IMPORTABLE | {"KERAS_MER_TINY_MODELS": str(models)}
        command(python, "-m", "pytest", "tests/face", "tests/runtime", "-rs", env=environment)
        for model in [models / "image", *([options.model] if options.model else [])]:
            predict(python, folder / "face.png", model)
        if options.benchmark:
            script = (python, "scripts/benchmark_runtime.py", "--memory-frames", 0)
            command(*script, "--model", options.model or models / "image", env=IMPORTABLE)
        print(f"{name}: passed; {megabytes(folder / name):.0f} MB without the tests' own tools")


def build(folder: Path, requirements: list[str]) -> Path:
    """An environment with these requirements and pytest, made anew when they have changed."""
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


def check_nothing_heavy(python: Path) -> None:
    """Make sure that nothing of the training stack can be imported there."""
    code = f"import importlib.util as u; print([n for n in {FORBIDDEN} if u.find_spec(n)])"
    found = command(python, "-c", code, quiet=True).strip()
    if found != "[]":
        raise UserError(f"{python}: has {found}, which the runtime must do without")


def predict(python: Path, picture: Path, model: Path | str) -> None:
    code = (
        "import sys, cv2; from tests.face.drawing import scene; "
        "cv2.imwrite(sys.argv[1], scene((320, 240, 200, 250), size=(640, 480)))"
    )
    command(python, "-c", code, picture, env=IMPORTABLE)
    script = (python, "scripts/predict.py", picture, "--model", model)
    told = command(*script, quiet=True, env=IMPORTABLE)
    if "no face" in told:
        raise UserError(f"{model}: no face found in {picture}")
    print(told.splitlines()[-1])


def size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def megabytes(folder: Path) -> float:
    return int((folder / "size.txt").read_text()) / 1e6


def command(*words: object, quiet: bool = False, env: dict[str, str] | None = None) -> str:
    """Run a command in the repository; its output is shown, or with `quiet` given back."""
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

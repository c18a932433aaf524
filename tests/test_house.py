"""What the layout promises, read from the code itself."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "keras_mer"


def imports(path):
    """The modules a file imports, wherever in the file the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(folder):
    return sorted((PACKAGE / folder).rglob("*.py")) if folder else sorted(PACKAGE.rglob("*.py"))


def test_tensorflow_is_imported_at_the_edges_only():
    users = {
        str(path.relative_to(PACKAGE))
        for path in files("")
        if any(name.split(".")[0] == "tensorflow" for name in imports(path))
    }
    assert users <= {
        "data/pipeline.py",
        "data/transforms/multicrop.py",
        "evaluation/gradcam.py",
        "export/tflite.py",
        "models/fused_batch_norm.py",
        "training/device.py",
    }


@pytest.mark.parametrize("folder", ["runtime", "face"])
def test_the_runtime_stands_on_numpy_and_opencv_alone(folder):
    heavy = {"tensorflow", "keras", "keras_cv", "sklearn", "matplotlib", "rich", "yaml", "pandas"}
    allowed = {"errors", "face", "files", "images", "kinds", "labels", "runtime"}
    for path in files(folder):
        for name in imports(path):
            first, *rest = name.split(".")
            assert first not in heavy, f"{path} imports {name}"
            assert first != "keras_mer" or (rest and rest[0] in allowed), f"{path}: {name}"


def test_nothing_heavy_is_imported_before_it_is_used():
    code = "import sys, keras_mer, keras_mer.runtime; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"tensorflow", "keras", "matplotlib", "sklearn"} & set(loaded)


@pytest.mark.parametrize(
    "script", sorted(p.name for p in (REPOSITORY / "scripts").glob("*.py")), ids=str
)
def test_every_script_explains_itself_quickly(script):
    done = subprocess.run(
        [sys.executable, f"scripts/{script}", "--help"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr


def test_every_make_target_is_listed_with_a_line():
    text = (REPOSITORY / "Makefile").read_text()
    phony = {line.split()[1] for line in text.splitlines() if line.startswith(".PHONY:")}
    done = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True)
    listed = {line.split()[0] for line in done.stdout.splitlines() if line and line[0].islower()}
    assert phony <= listed and {"demo", "test", "split", "train", "export", "predict"} <= listed

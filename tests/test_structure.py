"""The structure of the package: which part may import which, read from the code."""

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


#: Parts of the package from the ground up; a part imports its own level and those below it.
LEVELS = (
    {"engines", "errors", "files", "images", "kinds", "labels"},
    {"progress", "tf_logging"},
    {"config", "synthetic"},
    {"face"},
    {"data", "losses", "models", "runtime"},
    {"evaluation"},
    {"training"},
    {"cross_validation"},
    {"export"},
    {"experiments"},
    {"cli"},
)


def part(module: str) -> str:
    """The part of the package that a module named ``keras_mer.part...`` belongs to."""
    return [*module.split("."), ""][1]


def test_every_part_has_a_level():
    parts = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert parts - {"__init__"} == set().union(*LEVELS)


@pytest.mark.parametrize("path", files(""), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    level = next(i for i, parts in enumerate(LEVELS) if own in parts)
    below = set().union(*LEVELS[: level + 1])
    found = {part(name) for name in imports(path) if name.startswith("keras_mer.")}
    assert found <= below | {"__version__"}, f"{path} imports {found - below}"


def test_no_two_files_import_each_other():
    def module(path):
        return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)

    modules = {module(path) for path in files("")}
    found = {}
    for path in files(""):
        # only what is imported when the file is loaded: an import inside a function cannot cycle
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            f"{node.module}.{alias.name}"
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        found[module(path)] = {
            target
            for name in names
            for target in (name, name.rpartition(".")[0])
            if target in modules
        }
    for one, targets in found.items():
        for other in targets:
            assert one == other or one not in found[other], f"{one} and {other}"


@pytest.mark.parametrize("folder", ["runtime", "face"])
def test_the_runtime_stands_on_numpy_and_opencv_alone(folder):
    heavy = {"tensorflow", "keras", "keras_cv", "sklearn", "matplotlib", "rich", "yaml", "pandas"}
    allowed = {"engines", "errors", "face", "files", "images", "kinds", "labels", "runtime"}
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


@pytest.mark.parametrize(
    "script", sorted((REPOSITORY / "scripts").glob("*.py")), ids=lambda p: p.stem
)
def test_scripts_import_keras_only_when_they_need_it(script):
    """`--help` and errors in options come at once, and TensorFlow's own log lines are filtered."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    first = {
        f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    light = {*LEVELS[0], *LEVELS[1], "cli", "config", "face", "runtime", "synthetic"}
    assert {part(name) for name in first if name.startswith("keras_mer.")} <= light


def test_every_make_target_is_listed_with_a_line():
    text = (REPOSITORY / "Makefile").read_text()
    phony = {line.split()[1] for line in text.splitlines() if line.startswith(".PHONY:")}
    done = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True)
    listed = {line.split()[0] for line in done.stdout.splitlines() if line and line[0].islower()}
    assert phony <= listed and {"demo", "test", "split", "train", "export", "predict"} <= listed

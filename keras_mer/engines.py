"""TFLite interpreters: loading one, and opening a file with it.

The interpreter comes from ai-edge-litert, tflite-runtime or TensorFlow, whichever is found first;
all three have the same interface.
"""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_mer.errors import UserError

#: Interpreters in the order tried: package name and module.
ENGINES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite",
}


def load_engine(name: str | None = None) -> tuple[str, type]:
    """The package name and interpreter class of the first one installed, or of the one named.

    Raises:
        UserError: when none can be imported, or the named one cannot.
    """
    if name is not None and name not in ENGINES:
        raise UserError(f"unknown interpreter '{name}'; expected one of {', '.join(ENGINES)}")
    reasons = []
    for package in [name] if name else ENGINES:
        # tflite-runtime was built for numpy 1; importing it with numpy 2 prints a traceback.
        if package == "tflite-runtime" and int(np.__version__.split(".")[0]) >= 2:
            reasons.append(f"tflite-runtime needs numpy < 2, here is {np.__version__}")
            continue
        try:
            if package == "tensorflow":
                return package, importlib.import_module("tensorflow").lite.Interpreter
            return package, importlib.import_module(ENGINES[package]).Interpreter
        except ImportError as error:
            reasons.append(f"{package}: {error}")
    raise UserError(
        f"no TFLite interpreter ({'; '.join(reasons)}): pip install ai-edge-litert, "
        "or see requirements-edge.txt"
    )


def open_tflite(
    path: str | os.PathLike, threads: int = 1, engine: str | None = None
) -> tuple[str, Any]:
    """Open a TFLite file.

    Args:
        path: the file.
        threads: threads of one inference.
        engine: a key of `ENGINES`; None takes the first installed.

    Returns:
        The interpreter's package, and the interpreter with its tensors allocated.

    Raises:
        UserError: for a missing or corrupt file, and for one this interpreter cannot run.
    """
    path = Path(path)
    if threads < 1:
        raise UserError(f"threads: expected at least 1, got {threads}")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    if head[4:] != b"TFL3":
        size = path.stat().st_size
        raise UserError(f"{path}: not a TFLite file ({size} bytes); export it again")
    package, interpreter_class = load_engine(engine)
    try:
        interpreter = interpreter_class(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise UserError(_refusal(path, package, str(error))) from None
    return package, interpreter


def _refusal(path: Path, engine: str, reason: str) -> str:
    """One line that explains the interpreter's error message for the file."""
    first = " ".join(reason.split())
    if engine == "tflite-runtime" and "builtin opcode" in first:
        return (
            f"{path}: tflite-runtime cannot run it (it reads no dynamic-range files made "
            "today); use the int8, float16 or float32 variant, or install ai-edge-litert"
        )
    if "Flex" in first or "Select TensorFlow" in first:
        return f"{path}: holds TensorFlow operators; export it with builtin operators only"
    return (
        f"{path}: corrupt, or made for another interpreter than {engine} "
        f"({first[:120]}); export it again"
    )

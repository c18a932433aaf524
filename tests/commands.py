"""Running the scripts: in a separate process, or faster in this one."""

import contextlib
import io
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

from tests.conftest import REPOSITORY


def run(script: str, *arguments, cwd: Path) -> subprocess.CompletedProcess:
    """Run ``scripts/SCRIPT.py`` in a separate process."""
    return subprocess.run(
        [sys.executable, str(REPOSITORY / f"scripts/{script}.py"), *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


def run_here(script: str, *arguments, cwd: Path) -> subprocess.CompletedProcess:
    """Run ``scripts/SCRIPT.py`` in this process, in which TensorFlow is loaded already."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    file = str(REPOSITORY / f"scripts/{script}.py")
    command = [file, *map(str, arguments)]
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", command),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            runpy.run_path(file, run_name="__main__")
        except SystemExit as end:
            status = end.code or 0
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())

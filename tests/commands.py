"""The scripts as a user calls them: in a process of their own, or here, which is quicker."""

import contextlib
import io
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

from tests.conftest import REPOSITORY


def run(script: str, *arguments, cwd: Path) -> subprocess.CompletedProcess:
    """Run ``scripts/SCRIPT.py`` as a command; a process that trains loads TensorFlow first."""
    return subprocess.run(
        [sys.executable, str(REPOSITORY / f"scripts/{script}.py"), *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


def run_here(script: str, *arguments, cwd: Path) -> subprocess.CompletedProcess:
    """The same in this process, where TensorFlow is loaded already."""
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

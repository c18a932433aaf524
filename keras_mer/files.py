"""Atomic writing of files and folders: written under a temporary name, then renamed."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_mer.errors import UserError


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Context manager: a temporary path with the same name that replaces `path` on success.

    The body writes a file or makes a folder there. On an exception, such as a full disk, the
    temporary is removed and `path` is unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=path.parent))
    temporary = folder / path.name
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():
            os.replace(path, folder / "old")
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def require_space(folder: str | os.PathLike, size: int) -> None:
    """Raise a `UserError` unless `size` bytes are free on the disk of `folder`.

    For writers without a clear error for a full disk, such as HDF5.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UserError(
            f"{folder}: the disk is full: {size / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB "
            "free; make room and run the same command again"
        )

"""What the layout writers share: checks, progress, and files that are whole or absent."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.files import replacing

Progress = Callable[[int, int], None]


def check(count: int, subjects: int, size: int, seed: int) -> None:
    """Raise a `UserError` for a number that no dataset can have."""
    for name, value, low, high in (
        ("count", count, 1, 10**7), ("subjects", subjects, 1, 990), ("size", size, 16, 2048),
        ("seed", seed, 0, 2**63),
    ):  # fmt: skip
        if not low <= value <= high:
            raise UserError(f"{name} must lie in {low} to {high}, got {value}")


def counted(items: Sequence, progress: Progress | None) -> Iterator:
    """The items, with `progress(done, total)` after each."""
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None:
            progress(done, len(items))


def save(path: Path, image: np.ndarray) -> None:
    """Write a picture; the suffix chooses the format."""
    # written by Python, not by OpenCV, whose imwrite hides a full disk
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())


@contextlib.contextmanager
def new_folder(folder: str | os.PathLike, overwrite: bool) -> Iterator[Path]:
    """A temporary folder that becomes `folder` at the end, whole or not at all."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; expected a folder to write to")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UserError(f"{folder} is not empty; remove it or choose another folder")
    with replacing(folder) as temporary:
        temporary.mkdir()
        yield temporary


@contextlib.contextmanager
def new_file(path: str | os.PathLike, overwrite: bool) -> Iterator[Path]:
    """A temporary file that becomes `path` at the end, whole or not at all."""
    path = Path(path)
    if path.is_dir() or (path.exists() and not overwrite):
        raise UserError(f"{path} exists; remove it or choose another name")
    with replacing(path) as temporary:
        yield temporary

"""Shared by the layout writers: argument checks, progress, images, tables, atomic folders."""

import contextlib
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.files import replacing

Progress = Callable[[int, int], None]


def check_arguments(count: int, subjects: int, size: int, seed: int) -> None:
    """Raise a `UserError` for a number out of range."""
    for name, value, low, high in (
        ("count", count, 1, 10**7), ("subjects", subjects, 1, 990), ("size", size, 16, 2048),
        ("seed", seed, 0, 2**63),
    ):  # fmt: skip
        if not low <= value <= high:
            raise UserError(f"{name} must lie in {low} to {high}, got {value}")


def with_progress(items: Sequence, progress: Progress | None) -> Iterator:
    """Yield the items and call `progress(done, total)` after each."""
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None:
            progress(done, len(items))


def save_image(path: Path, image: np.ndarray) -> None:
    """Write an image; the suffix selects the format."""
    # written by Python: OpenCV's imwrite does not report a full disk
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())


@contextlib.contextmanager
def new_folder(folder: str | os.PathLike, overwrite: bool) -> Iterator[Path]:
    """Context manager: a temporary folder that becomes `folder` on success."""
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
    """Context manager: a temporary file that becomes `path` on success."""
    path = Path(path)
    if path.is_dir() or (path.exists() and not overwrite):
        raise UserError(f"{path} exists; remove it or choose another name")
    with replacing(path) as temporary:
        yield temporary


def save_table(path: Path, sheet: str, rows: list[tuple]) -> None:
    """Write an .xlsx of one sheet; see `save_tables`."""
    save_tables(path, {sheet: rows})


def save_tables(path: Path, sheets: Mapping[str, list[tuple]]) -> None:
    """Write an .xlsx without timestamps, so that the same rows give the same bytes.

    Args:
        path: of the file.
        sheets: name -> rows.
    """
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    written = io.BytesIO()
    book.save(written)
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in _without_times(old):
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def _without_times(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for name in archive.namelist():
        data = archive.read(name)
        if name == "docProps/core.xml":
            data = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2000-01-01T00:00:00Z", data)
        yield name, data

"""Reading of what a manifest's paths name: image files, archive members and rows of a csv."""

import contextlib
import csv
import functools
import io
import re
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from lzma import LZMAError
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from keras_mer.errors import UserError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
#: Side in pixels of the gray faces in fer2013.csv and csv files of the same format.
SIDE = 48

_ARCHIVE = re.compile(rf"^(.+?(?:{'|'.join(map(re.escape, ARCHIVES))}))!(.+)$", re.IGNORECASE)
_ROW = re.compile(r"^(.+\.csv)#(\d+)$", re.IGNORECASE)
_BOX = re.compile(r"^(.+)@(-?\d+),(-?\d+),(\d+),(\d+)$")
_JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError)


class Address(NamedTuple):
    """Parts of a manifest path, e.g. of ``fer2013.zip!fer2013/fer2013.csv#17``.

    Attributes:
        file: a file on disk, relative to the manifest's root.
        member: the file inside it when it is an archive, or ``""``.
        row: the data row (from 0) when the file or member is a csv of pixels, or None.
        box: x, y, width, height in pixels of the part of the image that is the sample, which
            ``photo.jpg@40,25,120,120`` names, or None for the whole image.
    """

    file: str
    member: str
    row: int | None
    box: tuple[int, int, int, int] | None = None


def parse(path: str) -> Address:
    """Split a manifest path into its parts."""
    boxed = _BOX.match(path)
    path, box = (boxed[1], tuple(map(int, boxed.groups()[1:]))) if boxed else (path, None)
    in_csv = _ROW.match(path)
    file, row = (in_csv[1], int(in_csv[2])) if in_csv else (path, None)
    in_archive = _ARCHIVE.match(file)
    return Address(*(in_archive.groups() if in_archive else (file, "")), row, box)


def is_archive(path: Path) -> bool:
    """Whether the file's suffix is that of a supported archive."""
    return path.name.lower().endswith(ARCHIVES)


def names(place: Path) -> list[str]:
    """Names of the files under a folder or in an archive: relative, forward slashes, sorted.

    Hidden files and files of operating systems (Thumbs.db, __MACOSX) are omitted.
    """
    if place.is_dir():
        found = [p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()]
    else:
        with _archive_errors(place):
            found = list(_members(place, place.stat().st_mtime_ns))
    return sorted(name for name in found if not _is_junk(name))


@functools.lru_cache(maxsize=8)  # a compressed tar must be unpacked to be listed
def _members(place: Path, _changed: int) -> tuple[str, ...]:
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            return tuple(m.filename for m in archive.infolist() if not m.is_dir())
    with tarfile.open(place) as archive:
        return tuple(m.name.removeprefix("./") for m in archive if m.isfile())


def _is_junk(name: str) -> bool:
    parts = [p for p in name.split("/") if p != "."]
    return any(p.startswith(".") or p.lower() in _JUNK for p in parts)


def read_members(archive: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Read the wanted members of an archive in a single pass, in the archive's order.

    Missing members are omitted.

    Raises:
        UserError: for a broken archive.
    """
    left = set(wanted)
    with _archive_errors(archive):
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                for member in file.namelist():
                    if member in left:
                        left.discard(member)
                        yield member, file.read(member)
        else:
            with tarfile.open(archive) as file:
                for member in file:
                    name = member.name.removeprefix("./")
                    if name in left and member.isfile():
                        left.discard(name)
                        yield name, file.extractfile(member).read()


def read_files(place: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Read files under a folder, or members of an archive, by their names as `names` gives them."""
    if place.is_dir():
        yield from ((name, (place / name).read_bytes()) for name in wanted)
    else:
        yield from read_members(place, wanted)


@contextlib.contextmanager
def open_file(file: Path, member: str = "") -> Iterator[IO[bytes]]:
    """Open a file, or a member of an archive, for sequential reading."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_archive_errors(file))
        if not member:
            yield stack.enter_context(file.open("rb"))
        elif zipfile.is_zipfile(file):
            archive = stack.enter_context(zipfile.ZipFile(file))
            yield stack.enter_context(archive.open(member))
        else:
            archive = stack.enter_context(tarfile.open(file))
            wanted = (m for m in archive if m.name.removeprefix("./") == member)
            yield stack.enter_context(archive.extractfile(next(wanted)))


@contextlib.contextmanager
def _archive_errors(archive: Path) -> Iterator[None]:
    """Convert the errors of broken or missing archives to a `UserError`."""
    try:
        yield
    except _BROKEN as error:
        raise UserError(
            f"{archive}: broken or cut-off archive ({error}); download it again"
        ) from None
    except FileNotFoundError:
        raise UserError(f"{archive}: no such file") from None


def read_csv(file: Path, member: str = "") -> Iterator[tuple[int, str, dict[str, str]]]:
    """Rows of a csv as (row number from 0, ``"fer2013.csv row 17"``, column -> text).

    Column names are stripped and lowercased (``" pixels"`` -> ``"pixels"``); a truncated row lacks
    its last columns; empty lines are not counted.
    """
    with open_file(file, member) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")
        reader = csv.reader(text)
        name = Path(member or file).name
        try:
            columns = [c.strip().lower() for c in next(reader, [])]
            filled = (row for row in reader if row)
            for number, row in enumerate(filled):
                yield number, f"{name} row {number}", dict(zip(columns, row, strict=False))
        except csv.Error as error:
            raise UserError(f"{name} line {reader.line_num}: not a csv ({error})") from None


def parse_pixels(text: str, where: str) -> np.ndarray:
    """Parse the pixels of a csv row, ``"70 80 82 ..."``, to gray uint8 (48, 48).

    Raises:
        UserError: naming `where`, for another count of pixels or a value outside 0..255.
    """
    try:
        with warnings.catch_warnings():  # numpy warns about a word that is not a number
            warnings.simplefilter("ignore", DeprecationWarning)
            values = np.fromstring(text, np.int64, sep=" ")  # six times faster than split and int
    except ValueError:
        values = np.empty(0, np.int64)
    count = len(values) if len(values) == SIDE * SIDE else len(text.split())
    if count != SIDE * SIDE:
        raise UserError(f"{where}: {count:,} pixels, expected {SIDE * SIDE:,} (48x48)")
    if len(values) != count or values.min() < 0 or values.max() > 255:
        raise UserError(f"{where}: a pixel is not a whole number from 0 to 255")
    return values.astype(np.uint8).reshape(SIDE, SIDE)

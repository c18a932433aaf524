"""Annotation tables, .xlsx or .csv, with the header row at any position."""

import csv
import difflib
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_mer.errors import UserError

#: Least similarity of two column names at which one is taken as a renamed other.
MIN_SIMILARITY = 0.8

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        where: position for messages, ``CASME2-coding-20140508.xlsx row 17``, counted from 1.
        values: key -> stripped text, ``""`` for an empty cell or a missing column.
    """

    where: str
    values: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.values[key]


def find(folder: Path, *patterns: str) -> Path | None:
    """The first table under `folder` whose name matches a glob pattern, case-insensitively."""
    if folder.is_file():
        return folder
    tables = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".xlsx", ".csv", ".xls"))
    for pattern in patterns:
        for path in tables:
            if Path(path.name.lower()).match(pattern.lower()) and not path.name.startswith("~$"):
                return path
    return None


def read(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    optional: Sequence[str] = (),
    *,
    first: str = "subject",
) -> list[Row]:
    """Read the rows of a table as text, under the given keys.

    Args:
        path: an .xlsx or a .csv (comma, semicolon or tab).
        columns: key -> possible names of the column, compared without case and punctuation. A
            column with a similar name is used as well, with a warning.
        optional: keys whose column may be missing.
        first: first cell of the header row, which is searched in every sheet; ``""`` takes the
            first row.

    Returns:
        The non-empty rows below the header.

    Raises:
        UserError: for an unreadable file, or a missing header or column; the message names the most
            similar column that exists.
    """
    for sheet in sheets(path):
        for index, (number, cells) in enumerate(sheet):
            filled = [c for c in cells if c]
            if filled and (not first or _plain(filled[0]) == _plain(first)):
                places = _match(f"{path.name} row {number}", cells, columns, optional)
                return [
                    Row(
                        f"{path.name} row {line}",
                        {k: values[i] if i < len(values) else "" for k, i in places.items()}
                        | {k: "" for k in columns if k not in places},
                    )
                    for line, values in sheet[index + 1 :]
                    if any(values)
                ]
    raise UserError(
        f"{path}: no row that begins with '{first.capitalize()}': not the expected table"
    )


def _match(where: str, header: list[str], columns, optional) -> dict[str, int]:
    """Key -> index of its column: exact names first, then the most similar of the others."""
    words = [_plain(cell) for cell in header]
    places = {}
    for key, names in columns.items():
        for name in names:
            if _plain(name) in words and key not in places:
                places[key] = words.index(_plain(name))
    left = [i for i, word in enumerate(words) if word and i not in places.values()]
    scores = sorted(
        (
            (difflib.SequenceMatcher(None, words[i], _plain(name)).ratio(), key, i, name)
            for key, names in columns.items()
            if key not in places
            for name in names
            for i in left
        ),
        key=lambda s: -s[0],
    )
    nearest = {}
    for score, key, i, name in scores:
        nearest.setdefault(key, header[i])
        if score >= MIN_SIMILARITY and key not in places and i not in places.values():
            places[key] = i
            _log.warning("%s: column '%s' is read as '%s'", where, header[i], name)
    for key, names in columns.items():
        if key not in places and key not in optional:
            hint = f" (did you mean '{nearest[key]}'?)" if key in nearest else ""
            has = ", ".join(cell for cell in header if cell)
            raise UserError(f"{where}: no column '{names[0]}'{hint}; it has: {has}")
    return places


def _plain(name: str) -> str:
    """Lowercase letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def sheets(path: Path) -> Iterator[list[tuple[int, list[str]]]]:
    """Each sheet of a table, or the only one of a csv, as (row number from 1, cells as text)."""
    if path.suffix.lower() == ".csv":
        yield _csv(path)
        return
    if path.suffix.lower() == ".xls":
        raise UserError(f"{path}: the old .xls format; save it as .xlsx or .csv")
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise UserError(f"{path}: not a readable .xlsx file ({error})") from None
    try:
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # some writers state a range that is too small
            rows = sheet.iter_rows(values_only=True)
            yield [(n, [_text(v) for v in row]) for n, row in enumerate(rows, 1)]
    finally:
        book.close()


def _csv(path: Path) -> list[tuple[int, list[str]]]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        return [(n, [c.strip() for c in row]) for n, row in enumerate(rows, 1)]
    except csv.Error as error:
        raise UserError(f"{path}: not a csv ({error})") from None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()

"""Long recordings to spot in: ``recordings.csv``, SAMM Long Videos or CAS(ME)^2.

The csv has a row per annotated interval: recording (a video, or a folder of numbered frames,
relative to the csv), subject, onset, apex, offset, label, and where known fps and kind (``micro``,
which is scored, by default; ``macro`` or any other word for what is not). A row without an onset
lists a recording in which nothing happens.
"""

import os
from pathlib import Path

from keras_mer import labels
from keras_mer.data import spreadsheet
from keras_mer.data.recordings import MICRO, Recording, Rows
from keras_mer.data.sources import casme_squared, samm_long
from keras_mer.errors import UserError

TABLE = "recordings.csv"
COLUMNS = {
    "recording": ("recording", "path", "file", "video", "folder"),
    "subject": ("subject", "person"),
    "onset": ("onset",),
    "apex": ("apex",),
    "offset": ("offset",),
    "label": ("label", "emotion", "class"),
    "fps": ("fps",),
    "kind": ("kind", "type"),
}
_OPTIONAL = ("apex", "label", "fps", "kind")


def load(path: str | os.PathLike) -> list[Recording]:
    """The recordings of a folder, whose layout is recognized by its table.

    Args:
        path: the folder, or a table like ``recordings.csv``.

    Raises:
        UserError: for no table, an unreadable one, or one without an interval to spot.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such folder")
    file = path if path.is_file() else path / TABLE
    if file.is_file():
        return _listed(file)
    for source in (samm_long, casme_squared):
        if spreadsheet.find(path, *source.PATTERNS):
            return source.recordings(path)
    raise UserError(
        f"{path}: no annotated recordings here; expected {TABLE} (recording, subject, onset, apex, "
        "offset, label), SAMM_LongVideos_*_Release.xlsx or CAS(ME)^2code_final.xlsx"
    )


def _listed(file: Path) -> list[Recording]:
    found: dict[str, Recording] = {}
    rows = Rows(found)
    missing = set()
    for row in spreadsheet.read(file, COLUMNS, _OPTIONAL, first=""):
        name = row["recording"].replace("\\", "/").removeprefix("./").rstrip("/")
        place = file.parent / name
        if not name or not place.exists():
            missing.add(f"{row.where}: no recording '{name}'")
            continue
        if name not in found:
            found[name] = Recording(place, name, row["subject"] or name, _rate(row))
        if not row["onset"]:
            continue
        label = labels.canonical(row["label"]) if row["label"] else ""
        times = (row["onset"], row["apex"], row["offset"])
        rows.add(name, row.where, times, label, row["kind"].lower() or MICRO)
    return rows.collect(file, sorted(missing))


def _rate(row: spreadsheet.Row) -> float | None:
    if not row["fps"]:
        return None
    try:
        return float(row["fps"])
    except ValueError:
        raise UserError(f"{row.where}: fps '{row['fps']}' is not a number") from None

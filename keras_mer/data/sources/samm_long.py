"""SAMM Long Videos (Yap et al. 2020, doi:10.1109/FG47880.2020.00029): 147 recordings, 200 fps.

``SAMM_LongVideos_V3_Release.xlsx`` (or an earlier edition) and the frames,
``006_1/006_1_0001.jpg``, anywhere below the folder. 343 macro-expressions and 159
micro-expressions of 32 people, without emotions. Implemented from the published description and
tested on synthetic data only.
"""

from pathlib import Path

from keras_mer.data import spreadsheet
from keras_mer.data.recordings import MICRO, Recording, Rows
from keras_mer.data.sources.annotated import Folders
from keras_mer.errors import UserError

HELP = (
    "ask for SAMM Long Videos at http://www2.docm.mmu.ac.uk/STAFF/M.Yap/dataset.php and put "
    "SAMM_LongVideos_V3_Release.xlsx and the folders 006_1/, 006_2/, ... into one folder"
)
FPS = 200.0
PATTERNS = ("samm*long*release*", "samm*long*")
COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename", "File name"),
    "onset": ("Onset", "Onset Frame"),
    "apex": ("Apex", "Apex Frame"),
    "offset": ("Offset", "Offset Frame"),
    "type": ("Type",),
}


def recordings(path: Path) -> list[Recording]:
    """All recordings, also those without a micro-expression.

    Args:
        path: the folder.

    Raises:
        UserError: for a missing table, one of another kind, or no usable row.
    """
    file = spreadsheet.find(path, *PATTERNS)
    if file is None:
        raise UserError(f"{path}: no SAMM_LongVideos_*.xlsx here; {HELP}")
    found = {}
    for folder in Folders(path).paths:
        name = folder.rpartition("/")[2]
        parts = name.split("_")
        if len(parts) == 2 and all(part.isdigit() for part in parts):
            found[name] = Recording(path / folder, name, parts[0], FPS)
    if not found:
        raise UserError(f"{path}: no folders 006_1/, 006_2/, ... with frames here; {HELP}")
    rows = Rows(found)
    missing = set()
    for row in spreadsheet.read(file, COLUMNS):
        # 006_1_3 is the third expression of the recording 006_1
        name = "_".join(row["clip"].split("_")[:2])
        if name not in found:
            missing.add(f"{row.where}: no frames of {name}")
            continue
        kind = row["type"].lower().partition(" ")[0].rstrip("-") or "unknown"
        kind = MICRO if kind.startswith("micro") else kind
        times = (row["onset"], row["apex"], row["offset"])
        rows.add(name, f"{row.where} ({row['clip']})", times, "", kind)
    return rows.collect(path, sorted(missing))

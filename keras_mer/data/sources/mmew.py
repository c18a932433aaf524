"""MMEW (Ben et al. 2021, doi:10.1109/TPAMI.2021.3067464): 300 clips of 36 people, 90 fps.

``MMEW_Micro_Exp.xlsx`` and the frames, ``Micro_Expression/anger/S13-07-001/1.jpg``. Implemented
from the published description and tested on synthetic data only.
"""

import re
from pathlib import Path

from keras_mer.data import spreadsheet
from keras_mer.data.manifest import Manifest
from keras_mer.data.sources.annotated import COLUMNS, Annotation, Folders, manifest, to_samples
from keras_mer.errors import UserError

HELP = (
    "ask the authors of MMEW for it and put MMEW_Micro_Exp.xlsx and Micro_Expression/ into one "
    "folder, e.g. data/mmew"
)
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "others")
FPS = 90.0


def load(path: Path, *, table: str = "", doubtful: str = "drop") -> Manifest:
    """Load the micro-expressions of MMEW.

    Args:
        path: the folder.
        table: the table, if not below the folder.
        doubtful: as for `keras_mer.data.sources.casme2.load`.

    Raises:
        UserError: for a missing table, one of another kind, or no usable row.
    """
    file = spreadsheet.find(Path(table) if table else path, "mmew*micro*", "mmew*")
    if file is None:
        raise UserError(f"{path}: no MMEW_Micro_Exp.xlsx here; {HELP}")
    annotations = map(_annotation, spreadsheet.read(file, COLUMNS))
    samples = to_samples(
        annotations,
        Folders(path),
        table=file.name,
        fps=FPS,
        # Macro_Expression/ holds other recordings, without annotation
        accept=lambda p: "macro" not in p.lower(),
        doubtful=doubtful,
    )
    return manifest(path, samples, CLASSES)


def _annotation(row: spreadsheet.Row) -> Annotation:
    digits = re.sub(r"\D", "", row["subject"])
    return Annotation(
        row,
        subject=f"S{int(digits):02d}" if digits else row["subject"],
        clip=row["clip"],
        folder=(row["clip"],),
        emotion=row["emotion"],
        onset=row["onset"],
        apex=row["apex"],
        offset=row["offset"],
    )

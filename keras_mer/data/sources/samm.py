"""SAMM (Davison et al. 2018, doi:10.1109/TAFFC.2016.2573832): 159 clips of 29 people, 200 fps.

``SAMM_Micro_FACS_Codes_v2.xlsx`` (its header in row 14, in a later edition in row 1) and the
frames, ``006/006_1_2/006_05562.jpg``, anywhere below the folder.
"""

import re
from pathlib import Path

from keras_mer.data import spreadsheet
from keras_mer.data.manifest import Manifest
from keras_mer.data.sources.annotated import (
    Annotation,
    Correction,
    Folders,
    choose,
    manifest,
    to_samples,
)
from keras_mer.errors import UserError

HELP = (
    "ask for SAMM at https://helward.mmu.ac.uk/STAFF/M.Yap/dataset.php and put "
    "SAMM_Micro_FACS_Codes_v2.xlsx and the folders 006/, 007/, ... into one folder, e.g. data/samm"
)
CLASSES = ("angry", "contempt", "disgust", "fear", "happy", "sad", "surprise", "others")
FPS = 200.0

COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename", "File name", "Clip"),
    "onset": ("Onset Frame", "Onset"),
    "apex": ("Apex Frame", "Apex"),
    "offset": ("Offset Frame", "Offset"),
    "emotion": ("Estimated Emotion", "Emotion"),
}

_OUTSIDE = "outside onset to offset; several works on SAMM report it"
#: What the table is known to have wrong.
CORRECTIONS = (
    Correction("028", "028_4_1", "apex", "*", None, _OUTSIDE),
    Correction("032", "032_3_1", "apex", "*", None, _OUTSIDE),
)


def load(path: Path, *, frames: str = "auto", table: str = "", doubtful: str = "drop") -> Manifest:
    """SAMM.

    Args:
        path: the folder.
        frames, doubtful: as of `keras_mer.data.sources.casme2.load`.
        table: the table of codes, if not below the folder.

    Raises:
        UserError: for a missing table, one of another kind, or no usable row.
    """
    file = spreadsheet.find(Path(table) if table else path, "samm*micro*", "*micro*facs*", "samm*")
    if file is None:
        raise UserError(f"{path}: no SAMM_Micro_FACS_Codes_*.xlsx here; {HELP}")
    folders = Folders(path)
    samples = to_samples(
        map(_annotation, spreadsheet.read(file, COLUMNS)),
        folders,
        table=file.name,
        fps=FPS,
        corrections=CORRECTIONS,
        among=choose(folders, frames),
        doubtful=doubtful,
    )
    return manifest(path, samples, CLASSES)


def _annotation(row: spreadsheet.Row) -> Annotation:
    digits = re.sub(r"\D", "", row["subject"])
    subject = f"{int(digits):03d}" if digits else row["subject"]
    return Annotation(
        row,
        subject=subject,
        clip=row["clip"],
        place=(subject, row["clip"]),
        word=row["emotion"],
        onset=row["onset"],
        apex=row["apex"],
        offset=row["offset"],
    )

"""CASME II (Yan et al. 2014, doi:10.1371/journal.pone.0086041): 255 clips of 26 people, 200 fps.

``CASME2-coding-20140508.xlsx`` (or a later edition, .xlsx or .csv) and the frames, raw
(``sub01/EP02_01f/img46.jpg``) or cropped (``sub01/EP02_01f/reg_img46.jpg``), anywhere below the
folder.
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
    "ask for CASME II at http://casme.psych.ac.cn/casme/e2 and put CASME2-coding-20140508.xlsx "
    "and the frames (Cropped/sub01/... or CASME2_RAW_selected/sub01/...) into one folder, e.g. "
    "data/casme2"
)
CLASSES = ("happy", "disgust", "repression", "surprise", "fear", "sad", "others")
FPS = 200.0

COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename", "File name", "Clip"),
    "onset": ("OnsetFrame", "Onset"),
    "apex": ("ApexFrame", "Apex"),
    "offset": ("OffsetFrame", "Offset"),
    "emotion": ("Estimated Emotion", "Emotion"),
}

#: What the table is known to have wrong.
CORRECTIONS = (
    Correction(
        "sub04", "EP12_01f", "apex", "/", None,
        "not coded; MEGC 2019 leaves the clip out",
    ),
    Correction(
        "sub05", "EP09_05f", "apex", "onset", None,
        "coded as the onset, so that nothing moves up to it; MEGC 2019 leaves the clip out",
    ),
)  # fmt: skip


def load(path: Path, *, frames: str = "auto", table: str = "", doubtful: str = "drop") -> Manifest:
    """CASME II.

    Args:
        path: the folder.
        frames: ``cropped``, ``raw``, or ``auto``: cropped where both are there.
        table: the coding file, if not below the folder.
        doubtful: ``keep`` rows whose onset, apex and offset contradict each other, without the
            numbers that do; by default they are dropped.

    Raises:
        UserError: for a missing table, one of another kind, or no usable row.
    """
    file = spreadsheet.find(Path(table) if table else path, "casme2*cod*", "*coding*", "casme2*")
    if file is None:
        raise UserError(f"{path}: no CASME2-coding-*.xlsx here; {HELP}")
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
    subject = f"sub{int(digits):02d}" if digits else row["subject"]
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

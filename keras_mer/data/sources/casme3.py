"""CAS(ME)^3, part A (Li et al. 2023, doi:10.1109/TPAMI.2022.3174895): 100 people, 30 fps.

``cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx`` and the frames, cut (``frame/spNO.1_a_355/355.jpg``)
or as whole recordings (``spNO.1/a/color/355.jpg``). Implemented from the published description
and tested on synthetic data only.
"""

from pathlib import Path

from keras_mer.data import spreadsheet
from keras_mer.data.manifest import Manifest
from keras_mer.data.sources.annotated import Annotation, Folders, manifest, to_samples
from keras_mer.errors import UserError

HELP = (
    "ask for CAS(ME)^3 at http://casme.psych.ac.cn/casme/e4 and put "
    "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx and the frames into one folder, e.g. data/casme3"
)
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "others")
FPS = 30.0

COLUMNS = {
    "subject": ("Subject", "sub"),
    "clip": ("Filename", "seq"),
    "onset": ("Onset", "OnsetFrame"),
    "apex": ("Apex", "ApexFrame"),
    "offset": ("Offset", "OffsetFrame"),
    "emotion": ("emotion", "Estimated Emotion"),
}


def load(path: Path, *, table: str = "", doubtful: str = "drop") -> Manifest:
    """Load the micro-expressions of CAS(ME)^3, part A.

    A recording contains several of them: clips are named by recording and onset (``a_355``). The 55
    rows whose apex equals the onset, since the first frames were not recorded, are kept.

    Args:
        path: the folder.
        table: the table, if not below the folder.
        doubtful: as for `keras_mer.data.sources.casme2.load`.

    Raises:
        UserError: for a missing table, one of another kind, or no usable row.
    """
    root = Path(table) if table else path
    file = spreadsheet.find(root, "cas*part_a_me_label*", "cas*part_a*", "cas*me*3*")
    if file is None:
        raise UserError(f"{path}: no cas(me)3_part_A_ME_label_JpgIndex_*.xlsx here; {HELP}")
    folders = Folders(path)
    cut = any("_" in p.rpartition("/")[2] for p in folders.paths)
    samples = to_samples(
        (_annotation(row, cut) for row in spreadsheet.read(file, COLUMNS)),
        folders,
        table=file.name,
        fps=FPS,
        accept=lambda p: "depth" not in p.lower().split("/"),
        doubtful=doubtful,
    )
    return manifest(path, samples, CLASSES)


def _annotation(row: spreadsheet.Row, cut: bool) -> Annotation:
    name, onset = row["clip"].lower(), row["onset"]
    whole = (row["subject"], name, "color")
    return Annotation(
        row,
        subject=row["subject"],
        clip=f"{name}_{onset}",
        folder=(f"{row['subject']}_{name}_{onset}",) if cut else whole,
        emotion=row["emotion"],
        onset=onset,
        apex=row["apex"],
        offset=row["offset"],
    )

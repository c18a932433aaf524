"""SAMM (Davison et al. 2018, doi:10.1109/TAFFC.2016.2573832): 159 clips of 29 people, 200 fps.

``SAMM_Micro_FACS_Codes_v2.xlsx`` (its header in row 14, in a later edition in row 1) and the
frames, ``006/006_1_2/006_05562.jpg``, anywhere below the folder.
"""

from pathlib import Path

from keras_mer.data.manifest import Manifest
from keras_mer.data.sources.annotated import Correction, load_table

HELP = (
    "ask for SAMM at https://helward.mmu.ac.uk/STAFF/M.Yap/dataset.php and put "
    "SAMM_Micro_FACS_Codes_v2.xlsx and the folders 006/, 007/, ... into one folder, e.g. data/samm"
)
CLASSES = ("angry", "contempt", "disgust", "fear", "happy", "sad", "surprise", "others")
FPS = 200.0

_OUTSIDE = "outside onset to offset; several works on SAMM report it"
#: Known errors of the table.
CORRECTIONS = (
    Correction("028", "028_4_1", "apex", "*", None, _OUTSIDE),
    Correction("032", "032_3_1", "apex", "*", None, _OUTSIDE),
)


def load(path: Path, *, frames: str = "auto", table: str = "", doubtful: str = "drop") -> Manifest:
    """Load SAMM.

    Args:
        path: the folder.
        frames, doubtful: as for `keras_mer.data.sources.casme2.load`.
        table: the table of codes, if not below the folder.

    Raises:
        UserError: for a missing table, one of another kind, or no usable row.
    """
    return load_table(
        path,
        table,
        ("samm*micro*", "*micro*facs*", "samm*"),
        subject_format="{:03d}",
        missing=f"no SAMM_Micro_FACS_Codes_*.xlsx here; {HELP}",
        classes=CLASSES,
        fps=FPS,
        corrections=CORRECTIONS,
        frames=frames,
        doubtful=doubtful,
    )

"""CASME II (Yan et al. 2014, doi:10.1371/journal.pone.0086041): 255 clips of 26 people, 200 fps.

``CASME2-coding-20140508.xlsx`` (or a later edition, .xlsx or .csv) and the frames, raw
(``sub01/EP02_01f/img46.jpg``) or cropped (``sub01/EP02_01f/reg_img46.jpg``), anywhere below the
folder.
"""

from pathlib import Path

from keras_mer.data.manifest import Manifest
from keras_mer.data.sources.annotated import Correction, load_table

HELP = (
    "ask for CASME II at http://casme.psych.ac.cn/casme/e2 and put CASME2-coding-20140508.xlsx "
    "and the frames (Cropped/sub01/... or CASME2_RAW_selected/sub01/...) into one folder, e.g. "
    "data/casme2"
)
CLASSES = ("happy", "disgust", "repression", "surprise", "fear", "sad", "others")
FPS = 200.0

#: Known errors of the table.
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
    """Load CASME II.

    Args:
        path: the folder.
        frames: ``cropped``, ``raw``, or ``auto``: cropped when both exist.
        table: the coding file, if not below the folder.
        doubtful: ``keep`` rows whose onset, apex and offset contradict each other, without the
            contradicting numbers; by default they are dropped.

    Raises:
        UserError: for a missing table, one of another kind, or no usable row.
    """
    return load_table(
        path,
        table,
        ("casme2*cod*", "*coding*", "casme2*"),
        subject_format="sub{:02d}",
        missing=f"no CASME2-coding-*.xlsx here; {HELP}",
        classes=CLASSES,
        fps=FPS,
        corrections=CORRECTIONS,
        frames=frames,
        doubtful=doubtful,
    )

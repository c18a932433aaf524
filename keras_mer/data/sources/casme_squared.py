"""CAS(ME)^2, part A (Qu et al. 2018, doi:10.1109/TAFFC.2017.2654440): 97 recordings, 30 fps.

``CAS(ME)^2code_final.xlsx``, whose sheets have no header, and the frames,
``rawpic/s15/15_0101disgustingteeth/img1.jpg``. 300 macro-expressions and 57 micro-expressions of 22
people. Implemented from the published description and tested on synthetic data only.
"""

import re
from pathlib import Path

from keras_mer import labels
from keras_mer.data import spreadsheet
from keras_mer.data.recordings import MICRO, Recording, Rows
from keras_mer.data.sources.annotated import Folders
from keras_mer.errors import UserError

HELP = (
    "ask for CAS(ME)^2 at http://casme.psych.ac.cn/casme/e3 and put CAS(ME)^2code_final.xlsx and "
    "the folder rawpic/ into one folder"
)
FPS = 30.0
PATTERNS = ("cas(me)^2*code*", "cas*me*2*code_final*", "*code_final*")

_FOLDER = re.compile(r"^(\d+)_(\d{4})")


def recordings(path: Path) -> list[Recording]:
    """All recordings, also those without a micro-expression.

    The first sheet has a row per expression: subject, video and number of the expression
    (``disgust1_2``), onset, apex, offset (0 where there is none), action units, emotion, type. The
    second translates the subjects (number of the folder, ``s15``, number in the first sheet), the
    third the videos (code in the folder's name, name in the first sheet).

    Args:
        path: the folder.

    Raises:
        UserError: for a missing table, one of another kind, or no usable row.
    """
    file = spreadsheet.find(path, *PATTERNS)
    if file is None:
        raise UserError(f"{path}: no CAS(ME)^2code_final.xlsx here; {HELP}")
    sheets = [[row for row in sheet if any(row[1])] for sheet in spreadsheet.sheets(file)]
    widths = [max((len(cells) for _, cells in sheet), default=0) for sheet in sheets[:3]]
    if len(widths) < 3 or widths[0] < 8 or widths[1] < 3 or widths[2] < 2:
        raise UserError(
            f"{file}: expected three sheets of 8, 3 and 2 columns or more (expressions, subjects, "
            f"videos), got {len(sheets)} with {', '.join(map(str, widths))} columns"
        )
    # 0 is lost where a code was stored as a number
    subjects = {_number(cells[2]): _number(cells[0]) for _, cells in sheets[1] if len(cells) > 2}
    videos = {cells[1].lower(): cells[0].zfill(4) for _, cells in sheets[2] if len(cells) > 1}
    found = {}
    for folder in Folders(path).paths:
        name = folder.rpartition("/")[2]
        # the releases hold further folders of the same names with cut or cropped frames
        if (parts := _FOLDER.match(name)) and not re.search("crop|select", folder.lower()):
            key = f"{int(parts[1])}_{parts[2]}"
            found[key] = Recording(path / folder, name, f"s{int(parts[1])}", FPS)
    if not found:
        raise UserError(f"{path}: no folders rawpic/s15/15_0101.../ with frames here; {HELP}")
    rows = Rows(found)
    missing = set()
    for number, cells in sheets[0]:
        where = f"{file.name} row {number}"
        subject, video, onset, apex, offset, _, emotion, kind = (*cells, *[""] * 8)[:8]
        code = videos.get(re.sub(r"_\d+$", "", video.lower()))
        key = f"{subjects.get(_number(subject))}_{code}"
        if key not in found:
            missing.add(f"{where}: no frames of subject {subject}, video {video}")
            continue
        label = labels.canonical(emotion) if labels.is_emotion(emotion) else ""
        kind = (
            MICRO if kind.lower().startswith("micro") else kind.lower().removesuffix("-expression")
        )
        rows.add(key, f"{where} ({video})", (onset, apex, offset), label, kind or "unknown")
    return rows.collect(path, sorted(missing))


def _number(text: str) -> str:
    return str(int(text)) if text.isdigit() else text

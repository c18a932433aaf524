"""Any clips with a csv: ``clips.csv`` (path, label, subject; clip, onset, apex, offset, fps).

A path leads to a folder of numbered frames or to a video file, relative to the csv.
"""

from dataclasses import replace
from pathlib import Path

from keras_mer import labels
from keras_mer.data import clips as frames
from keras_mer.data import spreadsheet
from keras_mer.data.manifest import SPLITS, Manifest, Sample
from keras_mer.data.sources.annotated import Folders, check_frames, check_order, manifest, number
from keras_mer.data.sources.folders import in_order
from keras_mer.errors import UserError

HELP = (
    "expected clips.csv (path,label,subject, and where known clip,onset,apex,offset,fps,split) "
    "beside the folders of frames or the videos that it names"
)
COLUMNS = {
    "path": ("path", "file", "folder", "video"),
    "label": ("label", "emotion", "class"),
    "subject": ("subject", "person"),
    "clip": ("clip", "name"),
    "onset": ("onset",),
    "apex": ("apex",),
    "offset": ("offset",),
    "fps": ("fps",),
    "split": ("split",),
}
_OPTIONAL = ("clip", "onset", "apex", "offset", "fps", "split")


def load(path: Path, *, fps: float = 0.0) -> Manifest:
    """The clips that a csv (or .xlsx) lists; frames of a video count from 0.

    Args:
        path: the csv, or the folder that holds ``clips.csv``.
        fps: of the clips that state none.

    Raises:
        UserError: for a missing csv or column, or no usable row.
    """
    file = path if path.is_file() else path / "clips.csv"
    if not file.is_file():
        raise UserError(f"{path}: no clips.csv here; {HELP}")
    root, seen, samples = file.parent, set(), []
    for row in spreadsheet.read(file, COLUMNS, _OPTIONAL, first=""):
        sample = _sample(row, root, fps)
        key = (sample.path, sample.onset)
        if key in seen:
            note = f"{row.where}: {sample.path} stands twice"
            sample = replace(sample, split="dropped", note=note)
        seen.add(key)
        samples.append(sample)
    listed = {s.path for s in samples}
    for folder in Folders(root).paths:
        if folder not in listed:
            note = f"{folder}: frames without a row in {file.name}"
            samples.append(Sample(path=folder, split="dropped", note=note))
    return manifest(root, samples, in_order(s.label for s in samples if s.label))


def _sample(row: spreadsheet.Row, root: Path, fps: float) -> Sample:
    place = row["path"].replace("\\", "/").removeprefix("./").rstrip("/")
    label, faults, remarks = "", [], []
    try:
        label = labels.canonical(row["label"])
    except UserError as error:
        faults.append(str(error))
    times = {name: number(row[name], name, faults) for name in ("onset", "apex", "offset")}
    if contradiction := check_order(**times):
        faults.append(contradiction)
        times = dict.fromkeys(times)
    split = row["split"].lower()
    if split not in ("", *SPLITS):
        faults.append(f"split '{split}' is none of {', '.join(SPLITS)}")
    try:
        speed = float(row["fps"] or fps) or None
    except ValueError:
        speed = None
        faults.append(f"fps '{row['fps']}' is not a number")
    if not place or Path(place).is_absolute() or ".." in Path(place).parts:
        faults.append(f"path '{row['path']}' does not lie inside the folder")
    elif (root / place).is_dir():
        check_frames(list(frames.frame_files(root / place)), times, faults, remarks)
    elif (root / place).is_file() and frames.is_video(Path(place)):
        check_frames(range(frames.count_video(root / place)), times, faults, remarks)
    else:
        faults.append(f"no folder and no video {place}")
    return Sample(
        path=place or row.where,
        label=label,
        subject=row["subject"],
        clip=row["clip"] or place,
        fps=speed,
        split="dropped" if faults else split,
        note="; ".join(f"{row.where}: {text}" for text in faults or remarks),
        **times,
    )

"""Custom clips listed in ``clips.csv`` (path, label, subject; clip, onset, apex, offset, fps).

A path is a folder of numbered frames or a video file, relative to the csv.
"""

from dataclasses import replace
from pathlib import Path

from keras_mer import labels
from keras_mer.data import clips as frames
from keras_mer.data import spreadsheet
from keras_mer.data.manifest import SPLITS, Manifest, Sample
from keras_mer.data.sources.annotated import Folders, manifest
from keras_mer.data.sources.folders import in_order
from keras_mer.data.sources.frame_numbers import check_frames, check_order, parse_number
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
    """Load the clips that a csv (or .xlsx) lists; frames of a video count from 0.

    Args:
        path: the csv, or the folder that holds ``clips.csv``.
        fps: for clips without one.

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
            note = f"{row.where}: {sample.path}: duplicate row"
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
    path = row["path"].replace("\\", "/").removeprefix("./").rstrip("/")
    label, errors, warnings = "", [], []
    try:
        label = labels.canonical(row["label"])
    except UserError as error:
        errors.append(str(error))
    times = {name: parse_number(row[name], name, errors) for name in ("onset", "apex", "offset")}
    if contradiction := check_order(**times):
        errors.append(contradiction)
        times = dict.fromkeys(times)
    split = row["split"].lower()
    if split not in ("", *SPLITS):
        errors.append(f"split '{split}' is none of {', '.join(SPLITS)}")
    try:
        speed = float(row["fps"] or fps) or None
    except ValueError:
        speed = None
        errors.append(f"fps '{row['fps']}' is not a number")
    if not path or Path(path).is_absolute() or ".." in Path(path).parts:
        errors.append(f"path '{row['path']}' does not lie inside the folder")
    elif (root / path).is_dir():
        check_frames(list(frames.frame_files(root / path)), times, errors, warnings)
    elif (root / path).is_file() and frames.is_video(Path(path)):
        check_frames(range(frames.count_video(root / path)), times, errors, warnings)
    else:
        errors.append(f"no folder and no video {path}")
    return Sample(
        path=path or row.where,
        label=label,
        subject=row["subject"],
        clip=row["clip"] or path,
        fps=speed,
        split="dropped" if errors else split,
        note="; ".join(f"{row.where}: {text}" for text in errors or warnings),
        **times,
    )

"""SMIC (Li et al. 2013, doi:10.1109/FG.2013.6553717): 164 clips of 16 people, without apex.

Clips cut from onset to offset, ``HS/s1/micro/negative/s1_ne_01/`` (raw or in
``SMIC_all_cropped``), or whole recordings with a table, ``HS_long/SMIC_HS_E/s01/s1_ne_01/`` and
``SMIC-HS-E_annotation.xlsx``. Three cameras: HS (100 fps), VIS and NIR (25 fps).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from keras_mer.data import clips, spreadsheet
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.sources.annotated import (
    Annotation,
    Folders,
    manifest,
    select_version,
    to_samples,
)
from keras_mer.data.sources.frame_numbers import check_frames
from keras_mer.errors import UserError, nearest

HELP = (
    "ask for SMIC at https://www.oulu.fi/en/university/faculties-and-units/"
    "faculty-information-technology-and-electrical-engineering/center-for-machine-vision-and-"
    "signal-analysis and put HS/ (with s1/micro/negative/..., or HS_long/ with its table) into "
    "one folder, e.g. data/smic"
)
CLASSES = ("negative", "positive", "surprise")
CAMERAS = {"HS": 100.0, "VIS": 25.0, "NIR": 25.0}

COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename", "File name"),
    "emotion": ("Emotion", "Estimated Emotion"),
    "onset": ("OnsetF", "Onset", "OnsetFrame", "Onset1F"),
    "offset": ("OffsetF", "Offset", "OffsetFrame", "Offset1F"),
    "onset2": ("Onset2F",),
    "offset2": ("Offset2F",),
    "onset3": ("Onset3F",),
    "offset3": ("Offset3F",),
}
_OPTIONAL = ("onset2", "offset2", "onset3", "offset3")

_CLIP = re.compile(r"^s0*(\d+)_(ne|po|sur)_0*(\d+)$", re.IGNORECASE)
_CODES = {"ne": "negative", "po": "positive", "sur": "surprise"}


def load(
    path: Path, *, camera: str = "HS", frames: str = "auto", doubtful: str = "drop"
) -> Manifest:
    """Load the micro-expressions of one camera of SMIC.

    Names of subjects and clips are the same for every release: ``s01`` and ``s01_ne_01`` for
    ``s1_ne_01``.

    Args:
        path: the folder.
        camera: ``HS``, ``VIS`` or ``NIR``.
        frames, doubtful: as for `keras_mer.data.sources.casme2.load`.

    Raises:
        UserError: for an unknown camera, or when none of its clips is found.
    """
    if camera not in CAMERAS:
        raise UserError(
            f"smic: unknown camera '{camera}'{nearest(camera, CAMERAS)}; "
            f"expected one of {', '.join(CAMERAS)}"
        )
    folders = Folders(path)
    version = select_version(folders, frames)

    def accept(path: str) -> bool:
        parts = re.split(r"[/_-]", path.upper())
        other = any(c in parts for c in CAMERAS if c != camera)
        return version(path) and not (other and camera not in parts) and "NON" not in parts

    file = spreadsheet.find(path, f"smic*{camera}*annot*", "smic*annot*")
    cut = [p for p in folders.paths if "micro" in p.lower().split("/") and accept(p)]
    if cut or file is None:
        samples = list(_cut(folders, cut, CAMERAS[camera]))
        if not samples:
            raise UserError(
                f"{path}: no clips of camera {camera} here (s1/micro/negative/s1_ne_01/); {HELP}"
            )
    else:
        samples = to_samples(
            _annotations(spreadsheet.read(file, COLUMNS, _OPTIONAL)),
            folders,
            table=file.name,
            fps=CAMERAS[camera],
            accept=accept,
            doubtful=doubtful,
        )
    return manifest(path, samples, CLASSES)


def _names(clip: str) -> tuple[str, str, str]:
    """(subject, clip, class) from a clip's name, each ``""`` for a name of another form."""
    found = _CLIP.match(clip)
    if not found:
        return "", "", ""
    subject = f"s{int(found[1]):02d}"
    code = found[2].lower()
    return subject, f"{subject}_{code}_{int(found[3]):02d}", _CODES[code]


def _cut(folders: Folders, paths: list[str], fps: float) -> Iterator[Sample]:
    """Samples of clips cut from onset to offset, with subject and class from the folder names."""
    for path in paths:
        parts = path.split("/")
        subject, clip, label = _names(parts[-1])
        folder = parts[-2].lower()
        errors, warnings = [], []
        if not clip:
            errors.append(f"{path}: '{parts[-1]}' is not a name like s1_ne_01")
        elif folder in CLASSES and folder != label:
            errors.append(f"{path}: its folder says {folder}, its name {label}")
        numbers = list(clips.frame_files(folders.root / path))
        times = {"onset": numbers[0], "offset": numbers[-1]} if numbers else {}
        problems: list[str] = []
        check_frames(
            numbers,
            {"onset": times.get("onset"), "apex": None, "offset": times.get("offset")},
            problems,
            warnings,
        )
        errors += [f"{path}: {text}" for text in problems]
        yield Sample(
            path=path,
            label=label,
            subject=subject,
            clip=clip,
            fps=fps,
            split="dropped" if errors else "",
            note="; ".join(errors or (f"{path}: {text}" for text in warnings)),
            **times,
        )


def _annotations(rows: list[spreadsheet.Row]) -> Iterator[Annotation]:
    for row in rows:
        subject, clip, label = _names(row["clip"])
        digits = re.sub(r"\D", "", row["subject"])
        if not subject and digits:
            subject = f"s{int(digits):02d}"
        # a recording contains up to three micro-expressions of one class
        for turn in ("", "2", "3"):
            onset, offset = row[f"onset{turn}"], row[f"offset{turn}"]
            if turn and not onset:
                continue
            yield Annotation(
                row,
                subject=subject,
                clip=(clip or row["clip"]) + (f".{turn}" if turn else ""),
                folder=(row["clip"],),
                emotion=row["emotion"] or label,
                onset=onset,
                apex="",
                offset=offset,
            )

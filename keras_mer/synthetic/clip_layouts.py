"""Clips of drawn micro-expressions in CASME II's, SMIC's and SAMM's own layouts, tables included.

The same seed gives the same files, byte for byte.
"""

import io
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer import labels
from keras_mer.errors import UserError, nearest
from keras_mer.synthetic.clip import Clip, draw_clip
from keras_mer.synthetic.store import (
    Progress,
    check,
    counted,
    new_folder,
    save,
)
from keras_mer.synthetic.units import check_expression, check_intensity

#: What is drawn for a class that is no prototype of its own.
DRAWN_AS = {
    "repression": ("contempt",),
    "others": ("angry",),
    "negative": ("disgust", "sad", "angry", "fear"),
    "positive": ("happy",),
}
_SMIC_CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
_SMIC_FPS = {"HS": 100.0, "VIS": 25.0, "NIR": 25.0}
_WORDS = {"happy": "happiness", "sad": "sadness", "angry": "anger"}


@dataclass(frozen=True)
class Truth:
    """What is so about a written clip.

    Attributes:
        path: its folder, relative to the dataset's. subject, clip, label: as its loader names
            them. expression: what was drawn. intensity: at the apex.
        onset, apex, offset: frame numbers as in the file names. fps: frames a second.
    """

    path: str
    subject: str
    clip: str
    label: str
    expression: str
    intensity: float
    onset: int
    apex: int
    offset: int
    fps: float


@dataclass(frozen=True)
class _Look:
    """What all clips of a dataset share."""

    size: int
    seed: int
    fps: float
    intensity: float
    duration: tuple[float, float]
    rest: int
    scene: dict


def write_casme2(
    folder: str | os.PathLike,
    count: int = 12,
    subjects: int = 4,
    size: int = 96,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    classes: Sequence[str] = ("happy", "disgust", "surprise", "repression", "others"),
    cropped: bool = True,
    overwrite: bool = False,
    **look,
) -> list[Truth]:
    """Write CASME II: ``Cropped/sub01/EP02_01f/reg_img46.jpg`` and its coding table, 200 fps.

    Raw frames are ``CASME2_RAW_selected/sub01/EP02_01f/img46.jpg``. Numbers are not padded.

    Args:
        folder: to be made; whole or absent, even when interrupted.
        count: clips. subjects: people, who take turns. size: side in pixels. seed: of everything.
        progress: called as ``progress(done, total)`` after each clip.
        classes: labels in turn; `DRAWN_AS` says what is drawn for repression and others.
        cropped: the cropped edition, else the raw one.
        overwrite: replace a folder that is not empty.
        look: ``intensity`` at the apex as a fraction of the full expression (0.3); ``duration``,
            the shortest and longest from onset to offset in seconds (0.04, 0.5); ``rest``, how
            many frames stand before the onset and after the offset (6); and `draw_clip`'s margin,
            drift, flicker, noise and variation.

    Returns:
        The truth of each clip, in the order of the table.

    Raises:
        UserError: for a folder that is in use, a class that is not drawn or a value out of range.
    """
    look = _look(count, subjects, size, seed, 200.0, look)
    base, stem = ("Cropped", "reg_img") if cropped else ("CASME2_RAW_selected", "img")
    rows, out = [], []
    with new_folder(folder, overwrite) as root:
        for k, number, turn, label in counted(_turns(count, subjects, classes), progress):
            subject, name = f"sub{number:02d}", f"EP{turn // 4 + 1:02d}_{turn % 4 + 1:02d}f"
            place = f"{base}/{subject}/{name}"
            truth, first, clip = _draw(k, number, label, place, subject, name, look)
            _save(root / place, clip, first, lambda n: f"{stem}{n}.jpg")
            out.append(truth)
            # the real table has its subjects as numbers or as text
            who = number if k % 2 else f"{number:02d}"
            word = _WORDS.get(label, label)
            rows.append((who, name, None, truth.onset, truth.apex, truth.offset, None, "4+7", word))
        header = (
            "Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None,
            "Action Units", "Estimated Emotion",
        )  # fmt: skip
        _table(root / "CASME2-coding-20140508.xlsx", "Sheet1", [header, *rows])
    return out


def write_samm(
    folder: str | os.PathLike,
    count: int = 12,
    subjects: int = 4,
    size: int = 96,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    classes: Sequence[str] = ("angry", "happy", "surprise", "contempt", "disgust", "fear", "sad"),
    overwrite: bool = False,
    **look,
) -> list[Truth]:
    """Write SAMM: ``006/006_1_2/006_05562.jpg``, grey, padded, and its table, 200 fps.

    The table's header stands in row 14 of the sheet MICRO_ONLY. Arguments, result and errors are
    `write_casme2`'s.
    """
    look = _look(count, subjects, size, seed, 200.0, look)
    rows, out = [], []
    with new_folder(folder, overwrite) as root:
        for k, number, turn, label in counted(_turns(count, subjects, classes), progress):
            subject = f"{number + 5:03d}"
            name = f"{subject}_{turn // 3 + 1}_{turn % 3 + 1}"
            place = f"{subject}/{name}"
            truth, first, clip = _draw(k, number, label, place, subject, name, look)
            _save(root / place, clip, first, lambda n, s=subject: f"{s}_{n:05d}.jpg", grey=True)
            out.append(truth)
            word = _WORDS.get(label, "other" if label == "others" else label).capitalize()
            length = truth.offset - truth.onset + 1
            rows.append(
                (subject, name, turn // 3 + 1, truth.onset, truth.apex, truth.offset, length,
                 "Micro - 1/2", "AU12", word, 1, None)
            )  # fmt: skip
        notes = [("SAMM micro-movements, coded with FACS",)] + [
            (f"Note {n}",) for n in range(2, 14)
        ]
        header = (
            "Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame",
            "Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes",
        )  # fmt: skip
        _table(root / "SAMM_Micro_FACS_Codes_v2.xlsx", "MICRO_ONLY", [*notes, header, *rows])
    return out


def write_smic(
    folder: str | os.PathLike,
    count: int = 12,
    subjects: int = 4,
    size: int = 96,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    classes: Sequence[str] = ("negative", "positive", "surprise"),
    camera: str = "HS",
    edition: str = "cropped",
    overwrite: bool = False,
    **look,
) -> list[Truth]:
    """Write SMIC, 100 fps (HS) or 25 (VIS, NIR), which states no apex.

    Args:
        camera: HS, VIS or NIR.
        edition: ``cropped``, ``SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_image46.jpg``
            from onset to offset; ``raw``, the same in ``HS/`` with ``image46.jpg``; or ``long``,
            whole recordings ``HS_long/SMIC_HS_E/s01/s1_ne_01/image559740.jpg`` and
            ``HS_long/SMIC-HS-E_annotation.xlsx``.

    The other arguments, result and errors are `write_casme2`'s; the truth has the apex.
    """
    if camera not in _SMIC_FPS:
        raise UserError(f"unknown camera '{camera}'; expected one of {', '.join(_SMIC_FPS)}")
    bases = {"cropped": f"SMIC_all_cropped/{camera}", "raw": camera, "long": f"{camera}_long"}
    if edition not in bases:
        raise UserError(f"unknown edition '{edition}'; expected one of {', '.join(bases)}")
    for name in classes:
        if name not in _SMIC_CODES:
            raise UserError(f"SMIC has no class '{name}'{nearest(name, _SMIC_CODES)}")
    look = _look(count, subjects, size, seed, _SMIC_FPS[camera], look)
    stem, long = "reg_image" if edition == "cropped" else "image", edition == "long"
    rows, out, counts = [], [], {}
    with new_folder(folder, overwrite) as root:
        for k, number, _, label in counted(_turns(count, subjects, classes), progress):
            code = _SMIC_CODES[label]
            turn = counts[number, code] = counts.get((number, code), 0) + 1
            name = f"s{number}_{code}_{turn:02d}"
            inner = f"SMIC_{camera}_E/s{number:02d}" if long else f"s{number}/micro/{label}"
            place = f"{bases[edition]}/{inner}/{name}"
            clip_name = f"s{number:02d}_{code}_{turn:02d}"
            truth, first, clip = _draw(k, number, label, place, f"s{number:02d}", clip_name, look)
            kept = None if long else (truth.onset, truth.offset)
            _save(root / place, clip, first, lambda n: f"{stem}{n}.jpg", kept)
            out.append(truth)
            last, whole = first + len(clip.frames) - 1, len(clip.frames)
            length = truth.offset - truth.onset + 1
            rows.append(
                (number, name, label, truth.onset, truth.offset, length, first, last, whole)
            )
        if long:
            header = (
                "Subject", "Filename", "Emotion", "OnsetF", "OffsetF", "TotalMF1", "FirstF",
                "LastF", "TotalVL",
            )  # fmt: skip
            file = root / bases[edition] / f"SMIC-{camera}-E_annotation.xlsx"
            _table(file, "Sheet1", [header, *rows])
    return out


def _look(count, subjects, size, seed, fps, options: dict) -> _Look:
    check(count, subjects, size, seed)
    known = ("intensity", "duration", "rest", "margin", "drift", "flicker", "noise", "variation")
    for name in options:
        if name not in known:
            raise UserError(
                f"unknown option '{name}'{nearest(name, known)}; known: {', '.join(known)}"
            )
    options = dict(options)
    intensity = check_intensity(options.pop("intensity", 0.3))
    low, high = options.pop("duration", (0.04, 0.5))
    if not 0.04 <= low <= high <= 0.5:
        raise UserError(f"duration must lie in 0.04 to 0.5 s, got {low:g} to {high:g}")
    rest = options.pop("rest", 6)
    if not 1 <= rest <= 1000:
        raise UserError(f"rest must lie in 1 to 1000 frames, got {rest}")
    return _Look(size, seed, fps, intensity, (low, high), rest, options)


def _turns(count: int, subjects: int, classes: Sequence[str]) -> list[tuple[int, int, int, str]]:
    """(clip, subject from 1, the subject's how manieth clip from 0, label), by subject."""
    classes = labels.vocabulary(classes)
    for name in classes:
        if name not in DRAWN_AS:
            check_expression(name)
    turns = [(k % subjects + 1, k // subjects) for k in range(count)]
    return [
        (k, number, turn, classes[(number + turn) % len(classes)])
        for k, (number, turn) in enumerate(sorted(turns))
    ]


def _draw(
    k: int, number: int, label: str, place: str, subject: str, name: str, look: _Look
) -> tuple[Truth, int, Clip]:
    """The truth of clip k, its first frame's number, and the clip."""
    rng = np.random.default_rng([look.seed, k, 0xC117])
    expression = (options := DRAWN_AS.get(label, (label,)))[int(rng.integers(len(options)))]
    length = max(round(rng.uniform(*look.duration) * look.fps), 1)
    rise = int(np.clip(round(length * rng.uniform(0.35, 0.6)), 1, length))
    onset, apex, offset = look.rest, look.rest + rise, look.rest + length
    clip = draw_clip(
        number,
        expression,
        look.intensity,
        onset,
        apex,
        offset,
        offset + look.rest + 1,
        look.fps,
        look.size,
        seed=look.seed,
        index=k,
        **look.scene,
    )
    first = int(rng.integers(1, 400))
    times = (first + onset, first + apex, first + offset)
    truth = Truth(place, subject, name, label, expression, look.intensity, *times, fps=look.fps)
    return truth, first, clip


def _save(folder: Path, clip: Clip, first: int, name, kept=None, grey: bool = False) -> None:
    folder.mkdir(parents=True)
    for n, frame in enumerate(clip.frames, first):
        if kept is None or kept[0] <= n <= kept[1]:
            save(folder / name(n), cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if grey else frame)


def _table(path: Path, sheet: str, rows: list[tuple]) -> None:
    """Write an .xlsx without the times of writing that openpyxl puts in."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    made = io.BytesIO()
    book.save(made)
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in _members(old):
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for name in archive.namelist():
        data = archive.read(name)
        if name == "docProps/core.xml":
            data = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2000-01-01T00:00:00Z", data)
        yield name, data

"""Shared by the sources of annotated clips: table rows and folders of frames become samples."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_mer import images, labels
from keras_mer.data import clips, spreadsheet
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.sources.frame_numbers import check_frames, check_order, parse_number
from keras_mer.data.spreadsheet import Row
from keras_mer.errors import UserError, nearest

#: Columns of the coding tables of CASME II, SAMM and MMEW (names are compared without punctuation).
COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename", "File name", "Clip"),
    "onset": ("OnsetFrame", "Onset"),
    "apex": ("ApexFrame", "Apex"),
    "offset": ("OffsetFrame", "Offset"),
    "emotion": ("Estimated Emotion", "Emotion"),
}


@dataclass(frozen=True)
class Correction:
    """Correction of a known annotation error, keyed by subject and clip for every edition.

    Attributes:
        subject, clip: as named by the source.
        field: onset, apex or offset.
        old: the wrong text; any other text (of a later edition) is not corrected. ``"*"`` matches
            any number outside onset to offset, ``"onset"`` the number of the onset.
        new: the correct number, or None when it is unknown.
        why: the reason and its reference.
    """

    subject: str
    clip: str
    field: str
    old: str
    new: int | None
    why: str


@dataclass(frozen=True)
class Annotation:
    """One table row as parsed by its source; numbers are still text.

    Attributes:
        row: the table row.
        subject, clip: their names in the manifest.
        folder: last parts of the path of its frames, in any case: ``("sub01", "EP02_01f")``.
        emotion: as named in the table.
        onset, apex, offset: as in the table.
    """

    row: Row
    subject: str
    clip: str
    folder: tuple[str, ...]
    emotion: str
    onset: str
    apex: str
    offset: str


def annotation(row: Row, subject_format: str) -> Annotation:
    """Annotation from a row of a table with `COLUMNS`; frames lie in ``<subject>/<clip>``.

    Args:
        row: the table row.
        subject_format: of the manifest's subject, from its number: ``sub{:02d}``.
    """
    digits = re.sub(r"\D", "", row["subject"])
    subject = subject_format.format(int(digits)) if digits else row["subject"]
    times = {name: row[name] for name in ("onset", "apex", "offset")}
    return Annotation(row, subject, row["clip"], (subject, row["clip"]), row["emotion"], **times)


def load_table(
    path: Path,
    table: str,
    patterns: Sequence[str],
    *,
    subject_format: str,
    missing: str,
    classes: tuple[str, ...],
    fps: float,
    corrections: Sequence[Correction],
    frames: str,
    doubtful: str,
) -> Manifest:
    """Load a dataset of one table with `COLUMNS` and one folder of frames per clip.

    Args:
        path: the dataset's folder.
        table: path of the table, or ``""`` to search below `path`.
        patterns: glob patterns of the table's name, in order of preference.
        subject_format: see `annotation`.
        missing: the message when there is no table.
        classes: of the manifest.
        fps, corrections, doubtful: see `to_samples`.
        frames: see `select_version`.
    """
    file = spreadsheet.find(Path(table) if table else path, *patterns)
    if file is None:
        raise UserError(f"{path}: {missing}")
    folders = Folders(path)
    samples = to_samples(
        (annotation(row, subject_format) for row in spreadsheet.read(file, COLUMNS)),
        folders,
        table=file.name,
        fps=fps,
        corrections=corrections,
        accept=select_version(folders, frames),
        doubtful=doubtful,
    )
    return manifest(path, samples, classes)


class Folders:
    """Index of the folders under a root that contain images, by the last parts of their paths."""

    def __init__(self, root: Path):
        self.root = root
        self.paths: list[str] = []
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for folder, inner, files in os.walk(root):
            inner.sort()
            if any(Path(f).suffix.lower() in images.SUFFIXES for f in files):
                path = Path(folder).relative_to(root).as_posix()
                self.paths.append(path)
                self._by_name[Path(folder).name.lower()].append(path)

    def find(self, ending: Sequence[str], accept: Callable[[str], bool] = lambda p: True) -> str:
        """The accepted folder whose path ends with `ending`, or ``""``."""
        wanted = [part.lower() for part in ending]
        for path in self._by_name.get(wanted[-1], []):
            if path.lower().split("/")[-len(wanted) :] == wanted and accept(path):
                return path
        return ""


def select_version(folders: Folders, frames: str) -> Callable[[str], bool]:
    """Filter for `Folders.find` that accepts the cropped or the raw version of the clips.

    Args:
        folders: of the dataset.
        frames: ``cropped`` (``Cropped/`` or ``reg_img46.jpg``), ``raw``, or ``auto``: cropped if
            there are any.

    Raises:
        UserError: for another value, or when there are no such frames.
    """
    if frames not in ("auto", "cropped", "raw"):
        raise UserError(f"frames: expected auto, cropped or raw, got '{frames}'")
    cropped = {p for p in folders.paths if _is_cropped(folders.root / p, p)}
    raw = set(folders.paths) - cropped
    chosen = {"auto": cropped or raw, "cropped": cropped, "raw": raw}[frames]
    if not chosen:
        raise UserError(f"{folders.root}: no {'' if frames == 'auto' else frames + ' '}frames here")
    return chosen.__contains__


def _is_cropped(folder: Path, path: str) -> bool:
    if "crop" in path.lower():
        return True
    return any(entry.name.startswith("reg_") for entry in os.scandir(folder))


def to_samples(
    annotations: Iterable[Annotation],
    folders: Folders,
    *,
    table: str,
    fps: float | None,
    corrections: Sequence[Correction] = (),
    accept: Callable[[str], bool] = lambda p: True,
    doubtful: str = "drop",
) -> Iterator[Sample]:
    """Convert each annotation to a sample, and each folder without one to a dropped sample.

    Args:
        annotations: the rows.
        folders: of the frames.
        table: the table's name, for messages.
        fps: frames per second.
        corrections: of known errors in the table.
        accept: filter of the folders, see `select_version`.
        doubtful: ``drop`` rows whose onset, apex and offset contradict each other, or ``keep``
            them without the contradicting numbers.
    """
    if doubtful not in ("drop", "keep"):
        raise UserError(f"doubtful: expected drop or keep{nearest(doubtful, ['drop', 'keep'])}")
    fixes = {(c.subject, c.clip, c.field): c for c in corrections}
    used, seen = set(), set()
    for a in annotations:
        where = f"{a.row.where} ({'/'.join(a.folder)})"
        path = folders.find(a.folder, accept)
        label, errors, warnings = "", [], []
        try:
            label = labels.canonical(a.emotion)
        except UserError as error:
            errors.append(str(error))
        times = _times(a, fixes, errors, warnings)
        contradiction = check_order(**times)
        if contradiction and doubtful == "keep":
            warnings.append(f"{contradiction}: taken as unknown")
            times = {**times, "apex": None} | (
                {} if "apex" in contradiction else {"onset": None, "offset": None}
            )
        elif contradiction:
            errors.append(contradiction)
        if not path:
            errors.append("no frames")
        else:
            used.add(path)
            if not contradiction or doubtful == "keep":
                numbers = list(clips.frame_files(folders.root / path))
                check_frames(numbers, times, errors, warnings)
        key = (a.subject, a.clip, times["onset"])
        if key in seen:
            errors.append("duplicate row")
        seen.add(key)
        note = "; ".join(f"{where}: {text}" for text in errors or warnings)
        yield Sample(
            path=path or "/".join(a.folder),
            label=label,
            subject=a.subject,
            clip=a.clip,
            fps=fps,
            split="dropped" if errors else "",
            note=note,
            **times,
        )
    for path in folders.paths:
        if path not in used and accept(path):
            note = f"{path}: frames without a row in {table}"
            yield Sample(path=path, fps=fps, split="dropped", note=note)


def _times(a: Annotation, fixes, errors: list, warnings: list) -> dict[str, int | None]:
    texts = {"onset": a.onset, "apex": a.apex, "offset": a.offset}
    times = {name: parse_number(text, name, errors) for name, text in texts.items()}
    for name in texts:
        fix = fixes.get((a.subject, a.clip, name))
        if fix is None:
            continue
        outside = fix.old == "*" and bool(check_order(**times))
        at_onset = fix.old == "onset" and times[name] == times["onset"]
        if outside or at_onset or fix.old == texts[name]:
            new = "unknown" if fix.new is None else fix.new
            warnings.append(f"{name} {texts[name]} corrected to {new}: {fix.why}")
            times[name] = fix.new
    return times


def manifest(root: Path, samples: Iterable[Sample], classes: tuple[str, ...]) -> Manifest:
    """Make a manifest of clips.

    Raises:
        UserError: when every row is dropped; it quotes the first reason.
    """
    samples = tuple(samples)
    if all(s.split == "dropped" for s in samples):
        first = f"; the first: {samples[0].note}" if samples else ""
        raise UserError(f"{root}: no usable clip among {len(samples):,} rows{first}")
    return Manifest(samples, root, classes)

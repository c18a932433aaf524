"""What the sources of clips share: rows of a table and folders of frames become samples."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_mer import images, labels
from keras_mer.data import clips
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.spreadsheet import Row
from keras_mer.errors import UserError, nearest

_UNKNOWN = {"", "/", "\\", "-", "nan", "none", "n/a"}


@dataclass(frozen=True)
class Correction:
    """A known mistake of an annotation, keyed by subject and clip so that editions do not matter.

    Attributes:
        subject, clip: as the source names them.
        field: onset, apex or offset.
        old: the wrong text; another one in the table (a later edition) is left alone. ``"*"``
            stands for any number that lies outside onset to offset, ``"onset"`` for the onset's.
        new: the right number, or None where only a look at the frames can tell.
        why: the reason, and where it is known from.
    """

    subject: str
    clip: str
    field: str
    old: str
    new: int | None
    why: str


@dataclass(frozen=True)
class Annotation:
    """One row, taken apart by its source; numbers are still text.

    Attributes:
        row: where it stands.
        subject, clip: as they shall stand in the manifest.
        place: the last parts of the path of its folder, any case: ``("sub01", "EP02_01f")``.
        word: the emotion in the dataset's own word.
        onset, apex, offset: as the table has them.
    """

    row: Row
    subject: str
    clip: str
    place: tuple[str, ...]
    word: str
    onset: str
    apex: str
    offset: str


class Folders:
    """Every folder under a root that holds images, found by the last parts of its path."""

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

    def find(self, place: Sequence[str], among: Callable[[str], bool] = lambda p: True) -> str:
        """The folder whose path ends with `place`, or ``""``; `among` may rule some out."""
        wanted = [part.lower() for part in place]
        for path in self._by_name.get(wanted[-1], []):
            if path.lower().split("/")[-len(wanted) :] == wanted and among(path):
                return path
        return ""


def choose(folders: Folders, frames: str) -> Callable[[str], bool]:
    """Which of two copies of a clip counts: a filter for `Folders.find`.

    Args:
        folders: all of them.
        frames: ``cropped`` (``Cropped/`` or ``reg_img46.jpg``), ``raw``, or ``auto``: cropped
            where there are any.

    Raises:
        UserError: for another word, or when there are none of the kind.
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
    among: Callable[[str], bool] = lambda p: True,
    doubtful: str = "drop",
) -> Iterator[Sample]:
    """Each annotation as a sample, and each folder without one as a dropped sample.

    Args:
        annotations: the rows.
        folders: the frames.
        table: the table's name, for messages.
        fps: frames a second.
        corrections: what is known to be wrong in the table.
        among: which folders count, see `choose`.
        doubtful: ``drop`` rows whose onset, apex and offset contradict each other, or ``keep``
            them without the numbers that do.
    """
    if doubtful not in ("drop", "keep"):
        raise UserError(f"doubtful: expected drop or keep{nearest(doubtful, ['drop', 'keep'])}")
    fixes = {(c.subject, c.clip, c.field): c for c in corrections}
    used, seen = set(), set()
    for a in annotations:
        where = f"{a.row.where} ({'/'.join(a.place)})"
        path = folders.find(a.place, among)
        label, faults, remarks = "", [], []
        try:
            label = labels.canonical(a.word)
        except UserError as error:
            faults.append(str(error))
        times = _times(a, fixes, faults, remarks)
        contradiction = check_order(**times)
        if contradiction and doubtful == "keep":
            remarks.append(f"{contradiction}: taken as unknown")
            times = {**times, "apex": None} | (
                {} if "apex" in contradiction else {"onset": None, "offset": None}
            )
        elif contradiction:
            faults.append(contradiction)
        if not path:
            faults.append("no frames")
        else:
            used.add(path)
            if not contradiction or doubtful == "keep":
                numbers = list(clips.frame_files(folders.root / path))
                check_frames(numbers, times, faults, remarks)
        key = (a.subject, a.clip, times["onset"])
        if key in seen:
            faults.append("stands twice")
        seen.add(key)
        note = "; ".join(f"{where}: {text}" for text in faults or remarks)
        yield Sample(
            path=path or "/".join(a.place),
            label=label,
            subject=a.subject,
            clip=a.clip,
            fps=fps,
            split="dropped" if faults else "",
            note=note,
            **times,
        )
    for path in folders.paths:
        if path not in used and among(path):
            note = f"{path}: frames without a row in {table}"
            yield Sample(path=path, fps=fps, split="dropped", note=note)


def _times(a: Annotation, fixes, faults: list, remarks: list) -> dict[str, int | None]:
    texts = {"onset": a.onset, "apex": a.apex, "offset": a.offset}
    times = {name: number(text, name, faults) for name, text in texts.items()}
    for name in texts:
        fix = fixes.get((a.subject, a.clip, name))
        if fix is None:
            continue
        outside = fix.old == "*" and bool(check_order(**times))
        at_onset = fix.old == "onset" and times[name] == times["onset"]
        if outside or at_onset or fix.old == texts[name]:
            new = "unknown" if fix.new is None else fix.new
            remarks.append(f"{name} {texts[name]} corrected to {new}: {fix.why}")
            times[name] = fix.new
    return times


def number(text: str, name: str, faults: list) -> int | None:
    """A frame's number, or None for an empty cell; a fault is added for anything else."""
    if text.lower() in _UNKNOWN:
        return None
    try:
        value = float(text)
        if value == int(value) >= 0:
            return int(value)
    except (ValueError, OverflowError):
        pass
    faults.append(f"{name} '{text}' is not a frame number")
    return None


def check_order(onset: int | None, apex: int | None, offset: int | None) -> str:
    """What contradicts onset <= apex <= offset in the numbers that are known, or ``""``."""
    if onset is not None and offset is not None and offset <= onset:
        return f"offset {offset} is not after onset {onset}"
    early = onset is not None and apex is not None and apex < onset
    late = offset is not None and apex is not None and apex > offset
    if early or late:
        low, high = ("?" if t is None else t for t in (onset, offset))
        return f"apex {apex} is outside onset..offset, {low}..{high}"
    return ""


def check_frames(numbers: Sequence[int], times: dict, faults: list, remarks: list) -> None:
    """Add what is wrong with a clip's frame numbers to `faults`, what is odd to `remarks`."""
    if not numbers:
        faults.append("no numbered frames in its folder")
        return
    if len(numbers) == 1:
        faults.append("a clip of one frame")
        return
    first, last = numbers[0], numbers[-1]
    low = first if times["onset"] is None else times["onset"]
    high = last if times["offset"] is None else times["offset"]
    inside = [n for n in numbers if low <= n <= high]
    if len(inside) < 2:
        faults.append(
            f"{len(inside)} of the frames {low}..{high} is there; its folder has {first}..{last}"
        )
    elif times["apex"] is not None and not inside[0] <= times["apex"] <= inside[-1]:
        faults.append(f"no frame for the apex {times['apex']}; its folder has {first}..{last}")
    elif (gone := high - low + 1 - len(inside)) > 0:
        remarks.append(f"{gone} of the frames {low}..{high} missing in its folder")


def manifest(root: Path, samples: Iterable[Sample], classes: tuple[str, ...]) -> Manifest:
    """A manifest of clips.

    Raises:
        UserError: when not one row can be used; it quotes the first reason.
    """
    samples = tuple(samples)
    if all(s.split == "dropped" for s in samples):
        first = f"; the first: {samples[0].note}" if samples else ""
        raise UserError(f"{root}: no usable clip among {len(samples):,} rows{first}")
    return Manifest(samples, root, classes)

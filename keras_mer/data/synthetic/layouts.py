"""Datasets of drawn faces, written in the real datasets' own layouts.

The same seed gives the same files, byte for byte. No subject stands in two usages.
"""

import contextlib
import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer import emotions
from keras_mer.data.synthetic.face import Scene, draw_expression, draw_face
from keras_mer.data.synthetic.identity import make_identity
from keras_mer.data.synthetic.units import action_units
from keras_mer.errors import UserError
from keras_mer.files import replacing

Progress = Callable[[int, int], None]

USAGES = (("Training", 0.8), ("PublicTest", 0.1), ("PrivateTest", 0.1))
_CK48_NAMES = {
    "angry": "anger", "contempt": "contempt", "disgust": "disgust", "fear": "fear",
    "happy": "happy", "sad": "sadness", "surprise": "surprise",
}  # fmt: skip
_FERPLUS_HEADER = (
    "Usage", "Image name", "neutral", "happiness", "surprise", "sadness", "anger", "disgust",
    "fear", "contempt", "unknown", "NF",
)  # fmt: skip
_WEAKEST, _STRONGEST = 0.4, 1.0


@dataclass(frozen=True)
class _Row:
    """One picture to draw: everything but its pixels."""

    index: int
    label: str
    subject: int
    intensity: float
    usage: str = ""

    def draw(self, size: int, seed: int, colour: bool = False) -> np.ndarray:
        image = draw_expression(
            self.subject, self.label, self.intensity, size, seed=seed, index=self.index
        )
        return image if colour else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def write_samples(
    folder: str | os.PathLike,
    count: int = 4200,
    subjects: int = 60,
    size: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    classes: Sequence[str] = emotions.FER2013,
    colour: bool = False,
    overwrite: bool = False,
) -> None:
    """Write the default dataset: ``images/000001.png`` and ``samples.csv``.

    The csv's columns are file (relative to the folder), label, subject (``s001``) and intensity
    (0 for neutral, else 0.4 to 1). Classes and subjects are balanced.

    Args:
        folder: to be made; whole or absent, even when interrupted.
        count: pictures. subjects: people. size: side in pixels. seed: of everything.
        progress: called as ``progress(done, total)`` after each picture.
        classes: the expressions, contempt among them if wished.
        colour: BGR pictures instead of grey ones.
        overwrite: replace a folder that is not empty.

    Raises:
        UserError: for a folder that is in use, or an argument out of range.
    """
    classes = emotions.vocabulary(classes)
    _check(count, subjects, size, seed)
    rows = [
        _row(seed, i, classes[(i % subjects + i // subjects) % len(classes)], i % subjects + 1)
        for i in range(count)
    ]
    with _new_folder(folder, overwrite) as root:
        (root / "images").mkdir()
        with (root / "samples.csv").open("w", newline="", encoding="utf-8") as f:
            table = csv.writer(f, lineterminator="\n")
            table.writerow(("file", "label", "subject", "intensity"))
            for row in _counted(rows, progress):
                name = f"images/{row.index + 1:06d}.png"
                _save(root / name, row.draw(size, seed, colour))
                who = make_identity(seed, row.subject).name
                table.writerow((name, row.label, who, f"{row.intensity:.3f}"))


def write_fer2013_csv(
    path: str | os.PathLike,
    count: int = 2000,
    subjects: int = 40,
    size: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a ``fer2013.csv``: emotion (0..6), pixels, Usage; 80/10/10 % by usage.

    Arguments and errors are `write_samples`'; no subject stands in two usages (3 at least).
    """
    rows = _usage_rows(count, subjects, size, seed, emotions.FER2013)
    _write_pixels(path, rows, emotions.FER2013, size, seed, progress, overwrite)


def write_ckextended_csv(
    path: str | os.PathLike,
    count: int = 920,
    subjects: int = 40,
    size: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a ``ckextended.csv``: emotion (0..7, `emotions.CKEXTENDED`), pixels, Usage.

    Arguments and errors are `write_samples`'; no subject stands in two usages (3 at least).
    """
    rows = _usage_rows(count, subjects, size, seed, emotions.CKEXTENDED)
    _write_pixels(path, rows, emotions.CKEXTENDED, size, seed, progress, overwrite)


def write_fer2013_folders(
    folder: str | os.PathLike,
    count: int = 2000,
    subjects: int = 40,
    size: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write Kaggle's folders of FER2013: the rows of `write_fer2013_csv` as JPEG files.

    ``train/<class>/Training_<number>.jpg``; ``test/<class>/`` holds ``PublicTest_<number>.jpg``
    and ``PrivateTest_<number>.jpg``, numbered by row. Arguments and errors are `write_samples`'.
    """
    rows = _usage_rows(count, subjects, size, seed, emotions.FER2013)
    with _new_folder(folder, overwrite) as root:
        for part in ("train", "test"):
            for name in emotions.FER2013:
                (root / part / name).mkdir(parents=True)
        for row in _counted(rows, progress):
            part = "train" if row.usage == "Training" else "test"
            _save(root / part / row.label / f"{row.usage}_{row.index}.jpg", row.draw(size, seed))


def write_ferplus_csv(
    path: str | os.PathLike,
    count: int = 2000,
    subjects: int = 40,
    size: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a ``fer2013new.csv``: FER+'s ten votes a row for `write_fer2013_csv`'s rows.

    Give both the same count, subjects and seed. The weaker the expression, the more votes go
    astray. One row in 200 (and the seventh) has no image name and ten votes for NF (no face).
    Arguments and errors are `write_samples`'; `size` is only checked.
    """
    rows = _usage_rows(count, subjects, size, seed, emotions.FER2013)
    with _new_file(path, overwrite) as file, file.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(_FERPLUS_HEADER)
        for row in _counted(rows, progress):
            if row.index % 200 == 6:
                table.writerow((row.usage, "", *[0] * 9, 10))
            else:
                name = f"fer{row.index:07d}.png"
                table.writerow((row.usage, name, *_votes(row, seed)))


def write_ck48(
    folder: str | os.PathLike,
    count: int = 140,
    subjects: int = 20,
    size: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write CK+48: ``<class>/S010_004_00000017.png``, the last three frames of each sequence.

    Arguments and errors are `write_samples`'; `count` is of sequences, so there are three times
    as many grey pictures. Class folders are named as in CK+48 (anger, sadness, no neutral).
    """
    _check(count, subjects, size, seed)
    with _new_folder(folder, overwrite) as root:
        for name in _CK48_NAMES.values():
            (root / name).mkdir()
        for sequence in _counted(_sequences(count, subjects, seed, 10, 25), progress):
            for frame in range(sequence.length - 2, sequence.length + 1):
                name = f"{sequence.stem}_{frame:08d}.png"
                _save(root / _CK48_NAMES[sequence.label] / name, sequence.draw(frame, size, 0.0))


def write_ckplus(
    folder: str | os.PathLike,
    count: int = 70,
    subjects: int = 20,
    size: int = 128,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    frames: tuple[int, int] = (6, 12),
    overwrite: bool = False,
) -> None:
    """Write the original CK+ tree: sequences from neutral to the peak.

    ``cohn-kanade-images/S005/001/S005_001_00000001.png`` onwards, and for four sequences in five
    ``Emotion/S005/001/S005_001_00000011_emotion.txt``, named by the last frame and holding its
    code (`emotions.CKPLUS`) as ``   3.0000000e+00``; of the fifth that folder is empty.
    Arguments and errors are `write_samples`'; `count` is of sequences, `frames` the shortest and
    longest one's length (2 or more).
    """
    _check(count, subjects, size, seed)
    if not 2 <= frames[0] <= frames[1] <= 1000:
        raise UserError(f"frames must be a shortest and longest length from 2, got {frames}")
    with _new_folder(folder, overwrite) as root:
        for sequence in _counted(_sequences(count, subjects, seed, *frames), progress):
            place = Path(sequence.stem[:4]) / sequence.stem[5:]
            images, label = root / "cohn-kanade-images" / place, root / "Emotion" / place
            images.mkdir(parents=True)
            label.mkdir(parents=True)
            for frame in range(1, sequence.length + 1):
                _save(images / f"{sequence.stem}_{frame:08d}.png", sequence.draw(frame, size, 0.25))
            if sequence.number % 5 != 4:
                code = emotions.CKPLUS.index(sequence.label)
                text = label / f"{sequence.stem}_{sequence.length:08d}_emotion.txt"
                text.write_text(f"   {code:.7e}\n", encoding="ascii")


@dataclass(frozen=True)
class _Sequence:
    """A sequence of CK+: one person going from neutral to an expression's peak."""

    number: int
    stem: str
    label: str
    subject: int
    length: int
    seed: int

    def draw(self, frame: int, size: int, margin: float) -> np.ndarray:
        rng = np.random.default_rng([self.seed, self.number, 0xCC])
        who = make_identity(self.seed, self.subject)
        peak = action_units(self.label, rng.uniform(0.75, 1.0), who, rng)
        scene = Scene.random(rng, 0.5)
        rise = (frame - 1) / (self.length - 1)
        units = who.rest + (0.5 - 0.5 * np.cos(np.pi * rise)) * (peak - who.rest)
        image = draw_face(who, np.clip(units, 0, None), scene, size, margin)
        # noise differs from frame to frame, or the still parts would be identical
        noise = np.random.default_rng([self.seed, self.number, frame]).standard_normal((size, size))
        return np.clip(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) + noise, 0, 255).astype(np.uint8)


def _sequences(count, subjects, seed, shortest, longest) -> list[_Sequence]:
    labels = tuple(_CK48_NAMES)
    out = []
    for i in range(count):
        who, turn = i % subjects + 1, i // subjects
        length = int(np.random.default_rng([seed, i, 0x5E]).integers(shortest, longest + 1))
        label = labels[(who + turn) % len(labels)]
        out.append(_Sequence(i, f"S{who + 4:03d}_{turn + 1:03d}", label, who, length, seed))
    return out


def _row(seed: int, index: int, label: str, subject: int, usage: str = "") -> _Row:
    value = np.random.default_rng([seed, index, 0x17]).uniform(_WEAKEST, _STRONGEST)
    return _Row(index, label, subject, 0.0 if label == "neutral" else round(value, 3), usage)


def _usage_rows(count, subjects, size, seed, classes) -> list[_Row]:
    """The rows of a csv with usages: in order, balanced by class, people apart."""
    _check(count, subjects, size, seed)
    if subjects < len(USAGES):
        raise UserError(f"expected {len(USAGES)} subjects at least, one a usage, got {subjects}")
    few = max(1, round(0.1 * subjects))
    people = {"Training": range(1, subjects - 2 * few + 1)}
    people["PublicTest"] = range(subjects - 2 * few + 1, subjects - few + 1)
    people["PrivateTest"] = range(subjects - few + 1, subjects + 1)
    tenth = round(0.1 * count)
    sizes = {"Training": count - 2 * tenth, "PublicTest": tenth, "PrivateTest": tenth}
    rows = []
    for usage, _ in USAGES:
        crowd = people[usage]
        for k in range(sizes[usage]):
            turn, place = divmod(k, len(crowd))
            label = classes[(place + turn) % len(classes)]
            rows.append(_row(seed, len(rows), label, crowd[place], usage))
    return rows


def _write_pixels(path, rows, codes, size, seed, progress, overwrite) -> None:
    words = [str(v) for v in range(256)]
    with _new_file(path, overwrite) as file, file.open("w", encoding="ascii") as f:
        f.write("emotion,pixels,Usage\n")
        for row in _counted(rows, progress):
            pixels = " ".join([words[v] for v in row.draw(size, seed).ravel().tolist()])
            f.write(f"{codes.index(row.label)},{pixels},{row.usage}\n")


def _votes(row: _Row, seed: int) -> list[int]:
    rng = np.random.default_rng([seed, row.index, 0x707])
    chances = np.full(10, 0.06)
    chances[9] = 0.0
    chances[0] += 0.8 * (1 - row.intensity)  # weak expressions look neutral to some
    chances[emotions.FERPLUS.index(row.label)] += 1.5 + 2.5 * row.intensity
    return rng.multinomial(10, chances / chances.sum()).tolist()


def _check(count: int, subjects: int, size: int, seed: int) -> None:
    for name, value, low, high in (
        ("count", count, 1, 10**7), ("subjects", subjects, 1, 990), ("size", size, 16, 2048),
        ("seed", seed, 0, 2**63),
    ):  # fmt: skip
        if not low <= value <= high:
            raise UserError(f"{name} must lie in {low} to {high}, got {value}")


def _counted(items: Sequence, progress: Progress | None) -> Iterator:
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None:
            progress(done, len(items))


def _save(path: Path, image: np.ndarray) -> None:
    # written by Python, not by OpenCV, whose imwrite hides a full disk
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())


@contextlib.contextmanager
def _new_folder(folder: str | os.PathLike, overwrite: bool) -> Iterator[Path]:
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; expected a folder to write to")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UserError(f"{folder} is not empty; remove it or choose another folder")
    with replacing(folder) as temporary:
        temporary.mkdir()
        yield temporary


@contextlib.contextmanager
def _new_file(path: str | os.PathLike, overwrite: bool) -> Iterator[Path]:
    path = Path(path)
    if path.is_dir() or (path.exists() and not overwrite):
        raise UserError(f"{path} exists; remove it or choose another name")
    with replacing(path) as temporary:
        yield temporary

"""Writers of synthetic face datasets in the layouts of the real ones.

The same seed gives byte-identical files. No subject occurs in two usages.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from keras_mer import labels
from keras_mer.errors import UserError
from keras_mer.synthetic.face import draw_expression
from keras_mer.synthetic.identity import make_identity
from keras_mer.synthetic.store import (
    Progress,
    check_arguments,
    new_file,
    new_folder,
    save_image,
    with_progress,
)

USAGES = (("Training", 0.8), ("PublicTest", 0.1), ("PrivateTest", 0.1))
_FERPLUS_HEADER = (
    "Usage", "Image name", "neutral", "happiness", "surprise", "sadness", "anger", "disgust",
    "fear", "contempt", "unknown", "NF",
)  # fmt: skip
_WEAKEST, _STRONGEST = 0.4, 1.0


@dataclass(frozen=True)
class _Row:
    """One image to draw: its parameters without the pixels."""

    index: int
    label: str
    subject: int
    intensity: float
    usage: str = ""

    def draw(self, size: int, seed: int, color: bool = False) -> np.ndarray:
        image = draw_expression(
            self.subject, self.label, self.intensity, size, seed=seed, index=self.index
        )
        return image if color else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def write_samples(
    folder: str | os.PathLike,
    count: int = 4200,
    subjects: int = 60,
    size: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    classes: Sequence[str] = labels.FER2013,
    color: bool = False,
    overwrite: bool = False,
) -> None:
    """Write the default dataset: ``images/000001.png`` and ``samples.csv``.

    The csv's columns are file (relative to the folder), label, subject (``s001``) and intensity
    (0 for neutral, else 0.4 to 1). Classes and subjects are balanced.

    Args:
        folder: created atomically, even when interrupted.
        count: number of images. subjects: of people. size: side in pixels. seed: random seed.
        progress: called as ``progress(done, total)`` after each image.
        classes: the expressions, which may include contempt.
        color: BGR images instead of gray ones.
        overwrite: replace a folder that is not empty.

    Raises:
        UserError: for a folder that is not empty, or an argument out of range.
    """
    classes = labels.vocabulary(classes)
    check_arguments(count, subjects, size, seed)
    rows = balanced_rows(count, subjects, seed, classes)
    with new_folder(folder, overwrite) as root:
        (root / "images").mkdir()
        with (root / "samples.csv").open("w", newline="", encoding="utf-8") as f:
            table = csv.writer(f, lineterminator="\n")
            table.writerow(("file", "label", "subject", "intensity"))
            for row in with_progress(rows, progress):
                name = f"images/{row.index + 1:06d}.png"
                save_image(root / name, row.draw(size, seed, color))
                subject = make_identity(seed, row.subject).name
                table.writerow((name, row.label, subject, f"{row.intensity:.3f}"))


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

    Arguments and errors as for `write_samples`; at least 3 subjects, none in two usages.
    """
    rows = _usage_rows(count, subjects, size, seed, labels.FER2013)
    _write_pixels(path, rows, labels.FER2013, size, seed, progress, overwrite)


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
    """Write a ``ckextended.csv``: emotion (0..7, `labels.CKEXTENDED`), pixels, Usage.

    Arguments and errors as for `write_samples`; at least 3 subjects, none in two usages.
    """
    rows = _usage_rows(count, subjects, size, seed, labels.CKEXTENDED)
    _write_pixels(path, rows, labels.CKEXTENDED, size, seed, progress, overwrite)


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
    and ``PrivateTest_<number>.jpg``, numbered by row. Arguments and errors as for `write_samples`.
    """
    rows = _usage_rows(count, subjects, size, seed, labels.FER2013)
    with new_folder(folder, overwrite) as root:
        for part in ("train", "test"):
            for name in labels.FER2013:
                (root / part / name).mkdir(parents=True)
        for row in with_progress(rows, progress):
            part = "train" if row.usage == "Training" else "test"
            save_image(
                root / part / row.label / f"{row.usage}_{row.index}.jpg", row.draw(size, seed)
            )


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

    Use the same count, subjects and seed for both. Weaker expressions get more wrong votes. Rows 6,
    206, 406, ... have no image name and ten votes for NF (no face). Arguments and errors as for
    `write_samples`; `size` is only checked.
    """
    rows = _usage_rows(count, subjects, size, seed, labels.FER2013)
    with new_file(path, overwrite) as file, file.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(_FERPLUS_HEADER)
        for row in with_progress(rows, progress):
            if row.index % 200 == 6:
                table.writerow((row.usage, "", *[0] * 9, 10))
            else:
                name = f"fer{row.index:07d}.png"
                table.writerow((row.usage, name, *_votes(row, seed)))


def balanced_rows(count: int, subjects: int, seed: int, classes: Sequence[str]) -> list[_Row]:
    """Images to draw, balanced by class and by subject."""
    return [
        _row(seed, i, classes[(i % subjects + i // subjects) % len(classes)], i % subjects + 1)
        for i in range(count)
    ]


def _row(seed: int, index: int, label: str, subject: int, usage: str = "") -> _Row:
    value = np.random.default_rng([seed, index, 0x17]).uniform(_WEAKEST, _STRONGEST)
    return _Row(index, label, subject, 0.0 if label == "neutral" else round(value, 3), usage)


def _usage_rows(count, subjects, size, seed, classes) -> list[_Row]:
    """Rows of a csv with usages: in order, balanced by class, with disjoint subjects."""
    check_arguments(count, subjects, size, seed)
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
    with new_file(path, overwrite) as file, file.open("w", encoding="ascii") as f:
        f.write("emotion,pixels,Usage\n")
        for row in with_progress(rows, progress):
            pixels = " ".join([words[v] for v in row.draw(size, seed).ravel().tolist()])
            f.write(f"{codes.index(row.label)},{pixels},{row.usage}\n")


def _votes(row: _Row, seed: int) -> list[int]:
    rng = np.random.default_rng([seed, row.index, 0x707])
    chances = np.full(10, 0.06)
    chances[9] = 0.0
    chances[0] += 0.8 * (1 - row.intensity)  # weak expressions get neutral votes
    chances[labels.FERPLUS.index(row.label)] += 1.5 + 2.5 * row.intensity
    return rng.multinomial(10, chances / chances.sum()).tolist()

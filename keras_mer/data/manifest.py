"""Manifest: the table of samples that all commands share, stored as a CSV file."""

import csv
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from keras_mer import labels as vocabularies
from keras_mer.errors import UserError, nearest
from keras_mer.files import replacing

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sample:
    """One image or one clip.

    Attributes:
        path: path relative to the manifest's root, with forward slashes. An image inside a CSV
            file is ``fer2013.csv#17`` (data rows count from 0); one in an archive has the member
            after an exclamation mark, ``fer2013.zip!fer2013/fer2013.csv#17``; a face inside a
            photograph has its box at the end, ``photo.jpg@x,y,width,height``.
        label: canonical class name (`keras_mer.labels`), or ``""`` for an unlabeled sample.
        subject: identity of the person, prefixed by the source where names could collide; ``""``
            if unknown.
        clip: the recording that the sample comes from, or ``""``.
        source: name of the dataset.
        split: train, validation, test, ``""`` (none yet) or dropped (see `note`).
        votes: annotators' votes as ``"happy=7 neutral=3"``, or ``""``.
        onset, apex, offset: frame numbers in the clip's own numbering, or None.
        fps: frames per second, or None.
        note: why a row was dropped, or another remark for readers; no code depends on it.
        digest: digest of the pixels (`fingerprints.Fingerprints.digest`), ``""`` if unknown.
        duplicate_of: path of the training row with the same pixels, whether that row is kept or
            was dropped as a duplicate; in a row that was itself dropped as a duplicate, the path
            of the row that was kept; ``""`` if there is none.
    """

    path: str
    label: str = ""
    subject: str = ""
    clip: str = ""
    source: str = ""
    split: str = ""
    votes: str = ""
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    fps: float | None = None
    note: str = ""
    digest: str = ""
    duplicate_of: str = ""


COLUMNS = tuple(field.name for field in dataclasses.fields(Sample))
_PARSERS: dict[str, Callable[[str], object]] = {
    "onset": int,
    "apex": int,
    "offset": int,
    "fps": float,
}


@dataclass(frozen=True)
class Manifest:
    """Samples with labels of one vocabulary, under one root folder.

    Attributes:
        samples: the rows, in a fixed order.
        root: the folder that all paths are relative to.
        classes: class names in the order of a model's outputs.
    """

    samples: tuple[Sample, ...]
    root: Path
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def where(self, keep: Callable[[Sample], bool]) -> "Manifest":
        """The rows for which `keep` is true."""
        return self.replace(s for s in self.samples if keep(s))

    def part(self, split: str) -> "Manifest":
        """The rows of one split.

        Raises:
            UserError: if the split is empty or a class has no sample in it.
        """
        part = self.where(lambda s: s.split == split)
        if not part.samples:
            has = ", ".join(
                f"{k or 'no split'} {n}" for k, n in sorted(self.counts("split").items())
            )
            raise UserError(f"the manifest has no sample in split '{split}'; it has {has}")
        missing = [c for c in self.classes if c not in part.counts("label")]
        if missing:
            raise UserError(f"split '{split}' has no sample of {', '.join(missing)}")
        return part

    def replace(self, samples: Iterable[Sample]) -> "Manifest":
        """The same manifest with other rows."""
        return dataclasses.replace(self, samples=tuple(samples))

    def counts(self, column: str) -> Counter:
        """Number of rows per value of `column`."""
        return Counter(getattr(s, column) for s in self.samples)

    def labels(self) -> np.ndarray:
        """Class indices, int64, shape (samples,)."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[s.label] for s in self.samples], np.int64)

    def targets(self) -> np.ndarray:
        """Target probabilities, float32, shape (samples, classes): one-hot, or shares of votes."""
        out = np.zeros((len(self), len(self.classes)), np.float32)
        out[np.arange(len(self)), self.labels()] = 1
        for row, sample in enumerate(self.samples):
            if sample.votes:
                votes = parse_votes(sample.votes)
                out[row] = [votes.get(name, 0) for name in self.classes]
                out[row] /= out[row].sum()
        return out

    def write(self, path: str | os.PathLike) -> None:
        """Write the CSV atomically, with paths relative to the folder of the CSV."""
        path = Path(path)
        here = Path(os.path.abspath(path.parent))
        prefix = PurePosixPath(Path(os.path.relpath(os.path.abspath(self.root), here)).as_posix())
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow([*COLUMNS, f"classes={' '.join(self.classes)}"])
            for sample in self.samples:
                values = dataclasses.asdict(sample)
                for column in ("path", "duplicate_of"):
                    values[column] = str(prefix / values[column]) if values[column] else ""
                writer.writerow(["" if v is None else v for v in values.values()])

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Manifest":
        """Read a CSV written by `write`; columns that an older version did not write stay empty.

        Raises:
            UserError: for a missing file, an unknown header, or an invalid row (by line number).
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"no manifest at {path}; make it with: make split")
        with path.open(newline="", encoding="utf-8") as f:
            reader = csv.reader(f)
            header = next(reader, [])
            if not header or not header[-1].startswith("classes="):
                raise UserError(f"{path}: not a manifest (its header has no classes=... column)")
            classes = vocabularies.vocabulary(header.pop()[len("classes=") :].split())
            for name in header:
                if name not in COLUMNS:
                    raise UserError(f"{path}: unknown column '{name}'{nearest(name, COLUMNS)}")
            samples = tuple(
                _parse(header, row, classes, f"{path} line {reader.line_num}") for row in reader
            )
        return cls(samples, path.parent, classes)


def _parse(header: list[str], row: list[str], classes: tuple[str, ...], where: str) -> Sample:
    if len(row) != len(header):
        raise UserError(f"{where}: expected {len(header)} columns, got {len(row)}")
    values: dict = dict(zip(header, row, strict=True))
    for name, parse in _PARSERS.items():
        text = values.get(name, "")
        try:
            values[name] = parse(text) if text else None
        except ValueError:
            raise UserError(f"{where}: {name} must be a number, got '{text}'") from None
    sample = Sample(**values)
    if os.path.isabs(sample.path):
        raise UserError(f"{where}: absolute path {sample.path}; paths are relative to the manifest")
    if sample.label and sample.label not in classes:
        raise UserError(f"{where}: class '{sample.label}' is not among {', '.join(classes)}")
    return sample


def format_votes(votes: dict[str, float]) -> str:
    """Votes as the text of a cell: ``{"happy": 7, "neutral": 3}`` -> ``"happy=7 neutral=3"``."""
    return " ".join(f"{name}={count:g}" for name, count in votes.items() if count)


def parse_votes(text: str) -> dict[str, float]:
    """The inverse of `format_votes`."""
    return {name: float(count) for name, count in (v.split("=") for v in text.split())}

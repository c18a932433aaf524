"""The one table everything speaks: a row a sample, kept as a CSV that a person can open."""

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
        path: where it is, relative to the manifest's root, with forward slashes. An image inside
            a csv is ``fer2013.csv#17`` (data rows count from 0); one in an archive carries the
            member after an exclamation mark, ``fer2013.zip!fer2013/fer2013.csv#17``.
        label: canonical class name (`keras_mer.labels`), or ``""`` for an unlabelled sample.
        subject: who is seen, prefixed by the source where names could collide; ``""`` if unknown.
        clip: the recording it comes from, or ``""``.
        source: the dataset's name.
        split: train, validation, test, ``""`` (none yet) or dropped (see `note`).
        votes: annotators' votes as ``"happy=7 neutral=3"``, or ``""``.
        onset, apex, offset: frame numbers in the clip's own numbering, or None.
        fps: frames a second, or None.
        note: why a row was dropped, or what else a reader should know.
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


COLUMNS = tuple(field.name for field in dataclasses.fields(Sample))
_PARSERS: dict[str, Callable[[str], object]] = {
    "onset": int,
    "apex": int,
    "offset": int,
    "fps": float,
}


@dataclass(frozen=True)
class Manifest:
    """Samples of one vocabulary under one root folder.

    Attributes:
        samples: the rows, in a fixed order.
        root: the folder that every path is relative to.
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
            UserError: when the split is empty or a class has no sample in it.
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
        """How many rows have each value of `column`."""
        return Counter(getattr(s, column) for s in self.samples)

    def labels(self) -> np.ndarray:
        """Class indices, int64, shape (samples,)."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[s.label] for s in self.samples], np.int64)

    def targets(self) -> np.ndarray:
        """Class probabilities, float32, shape (samples, classes): one-hot, or votes' shares."""
        out = np.zeros((len(self), len(self.classes)), np.float32)
        out[np.arange(len(self)), self.labels()] = 1
        for row, sample in enumerate(self.samples):
            if sample.votes:
                votes = parse_votes(sample.votes)
                out[row] = [votes.get(name, 0) for name in self.classes]
                out[row] /= out[row].sum()
        return out

    def write(self, path: str | os.PathLike) -> None:
        """Write the CSV: whole or not at all, paths relative to the CSV's own folder."""
        path = Path(path)
        here = Path(os.path.abspath(path.parent))
        prefix = PurePosixPath(Path(os.path.relpath(os.path.abspath(self.root), here)).as_posix())
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow([*COLUMNS, f"classes={' '.join(self.classes)}"])
            for sample in self.samples:
                values = dataclasses.asdict(sample) | {"path": str(prefix / sample.path)}
                writer.writerow(["" if v is None else v for v in values.values()])

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Manifest":
        """Read a CSV written by `write`.

        Raises:
            UserError: for a missing file, a foreign header or a row that does not fit, by number.
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
    """Votes as a cell's text: ``{"happy": 7, "neutral": 3}`` -> ``"happy=7 neutral=3"``."""
    return " ".join(f"{name}={count:g}" for name, count in votes.items() if count)


def parse_votes(text: str) -> dict[str, float]:
    """The inverse of `format_votes`."""
    return {name: float(count) for name, count in (v.split("=") for v in text.split())}

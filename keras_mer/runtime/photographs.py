"""Measurement of a recognizer on labeled photographs: found, rightly named, time."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_mer import images, labels
from keras_mer.errors import UserError


@dataclass(frozen=True)
class Outcome:
    """What a recognizer made of labeled photographs.

    Attributes:
        photographs: their number.
        found: in how many it found a face.
        right: in how many its label of the largest face is that of the photograph.
        recall: by class, the share of its photographs that were rightly named.
        milliseconds: processor time per photograph, all threads together, without decoding.
    """

    photographs: int
    found: int
    right: int
    recall: dict[str, float]
    milliseconds: float

    def row(self) -> str:
        """Share found, share rightly named, their mean over the classes, and the time."""
        uar = float(np.mean(list(self.recall.values())))
        return (
            f"{self.photographs:,} photographs: face found in "
            f"{100 * self.found / self.photographs:.1f} %, rightly named "
            f"{100 * self.right / self.photographs:.1f} % (mean over classes {100 * uar:.1f} %), "
            f"{self.milliseconds:.1f} ms processor time each"
        )


def labeled(folder: Path) -> list[tuple[Path, str]]:
    """The photographs in class folders, each with its class.

    Args:
        folder: with a folder of photographs for each class, named in any known spelling.

    Raises:
        UserError: when there is no such folder, or no photograph in them.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected one with a folder for each class")
    found = [
        (file, labels.canonical(inside.name))
        for inside in sorted(folder.iterdir())
        if inside.is_dir() and labels.is_emotion(inside.name)
        for file in sorted(inside.rglob("*"))
        if file.suffix.lower() in images.SUFFIXES
    ]
    if not found:
        raise UserError(
            f"{folder}: no photographs in class folders; expected happy/a.jpg, sad/b.jpg, ..."
        )
    return found


def measure(
    label: Callable[[np.ndarray], str | None], photographs: Iterable[tuple[Path, str]]
) -> Outcome:
    """Run a recognizer on photographs.

    Args:
        label: uint8 BGR image (height, width, 3) -> the class of its largest face in any known
            spelling, or None where no face is found.
        photographs: path and class of each, as `labeled` returns them.
    """
    seen: dict[str, list[bool]] = {}
    found, spent = 0, 0.0
    for path, truth in photographs:
        image = images.convert(images.read(path), 3)
        if not seen:
            label(image)  # the first call may allocate memory
        start = time.process_time()
        answer = label(image)
        spent += time.process_time() - start
        found += answer is not None
        seen.setdefault(truth, []).append(answer is not None and labels.canonical(answer) == truth)
    count = sum(map(len, seen.values()))
    return Outcome(
        photographs=count,
        found=found,
        right=sum(map(sum, seen.values())),
        recall={name: float(np.mean(hits)) for name, hits in seen.items()},
        milliseconds=1000 * spent / count,
    )

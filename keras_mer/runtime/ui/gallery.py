"""A folder of face crops, a folder a class: what the capture window fills, ready to train on."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from keras_mer import images
from keras_mer.errors import UserError, nearest


@dataclass(frozen=True)
class Picture:
    """One face crop of a gallery."""

    path: Path
    label: str


class Gallery:
    """The pictures below a folder, `FOLDER/<class>/<moment>.png`.

    Args:
        folder: is made with the first picture.
        classes: the labels that a picture can have.
    """

    def __init__(self, folder: str | os.PathLike, classes: Sequence[str]):
        self.folder, self.classes = Path(folder), tuple(classes)
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{folder}: a file; expected a folder for the gallery")

    def pictures(self) -> list[Picture]:
        """What is there now, the newest first."""
        found = [
            Picture(path, label)
            for label in self.classes
            for path in (self.folder / label).glob("*")
            if path.suffix.lower() in images.SUFFIXES
        ]
        return sorted(found, key=lambda picture: picture.path.name, reverse=True)

    def save(self, crop: np.ndarray, label: str) -> Picture:
        """Write a crop, uint8 grey or BGR, as a new picture of a class."""
        self._check(label)
        name = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        path = self._free(self.folder / label / f"{name}.png")
        images.write(path, crop)
        return Picture(path, label)

    def relabel(self, picture: Picture, label: str) -> Picture:
        """Move a picture to another class."""
        self._check(label)
        if label == picture.label:
            return picture
        path = self._free(self.folder / label / picture.path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.rename(picture.path, path)
        return Picture(path, label)

    def delete(self, picture: Picture) -> None:
        """Delete a picture's file for good; one that is gone already is no error."""
        picture.path.unlink(missing_ok=True)

    def _check(self, label: str) -> None:
        if label not in self.classes:
            raise UserError(
                f"unknown class '{label}'{nearest(label, self.classes)}; "
                f"expected one of {', '.join(self.classes)}"
            )

    @staticmethod
    def _free(path: Path) -> Path:
        """The path itself, or one with a number that overwrites nothing."""
        free, number = path, 1
        while free.exists():
            number += 1
            free = path.with_name(f"{path.stem}-{number}{path.suffix}")
        return free

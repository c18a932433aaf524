"""Gallery of captured face crops: class folders, which `make split` reads like any dataset."""

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
    """The pictures below a folder, `FOLDER/<class>/<timestamp>.png`.

    Args:
        folder: created with the first picture.
        classes: the labels that a picture can have.
    """

    def __init__(self, folder: str | os.PathLike, classes: Sequence[str]):
        self.folder, self.classes = Path(folder), tuple(classes)
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{folder}: a file; expected a folder for the gallery")

    def pictures(self) -> list[Picture]:
        """The current pictures, the newest first."""
        found = [
            Picture(path, label)
            for label in self.classes
            for path in (self.folder / label).glob("*")
            if path.suffix.lower() in images.SUFFIXES
        ]
        return sorted(found, key=lambda picture: picture.path.name, reverse=True)

    def save(self, crop: np.ndarray, label: str) -> Picture:
        """Save a crop, uint8 gray or BGR, as a new picture of a class."""
        self._check(label)
        name = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        path = self._unused(self.folder / label / f"{name}.png")
        images.write(path, crop)
        return Picture(path, label)

    def relabel(self, picture: Picture, label: str) -> Picture:
        """Move a picture to another class."""
        self._check(label)
        if label == picture.label:
            return picture
        path = self._unused(self.folder / label / picture.path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.rename(picture.path, path)
        return Picture(path, label)

    def delete(self, picture: Picture) -> None:
        """Delete a picture's file; a missing file is not an error."""
        picture.path.unlink(missing_ok=True)

    def _check(self, label: str) -> None:
        if label not in self.classes:
            raise UserError(
                f"unknown class '{label}'{nearest(label, self.classes)}; "
                f"expected one of {', '.join(self.classes)}"
            )

    @staticmethod
    def _unused(path: Path) -> Path:
        """The path itself, or with a number appended when it exists already."""
        unused, number = path, 1
        while unused.exists():
            number += 1
            unused = path.with_name(f"{path.stem}-{number}{path.suffix}")
        return unused

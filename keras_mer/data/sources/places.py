"""A folder or an archive that holds a dataset, for the sources that list its images."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from keras_mer import images
from keras_mer.data import containers
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.sources.folders import in_order
from keras_mer.errors import UserError


@dataclass(frozen=True)
class Place:
    """A folder or an archive, and the names of the files in it.

    Attributes:
        path: of the folder or archive.
        names: see `containers.names`.
    """

    path: Path
    names: tuple[str, ...]

    def pictures(self) -> list[PurePosixPath]:
        """The files with the suffix of an image."""
        return [f for f in map(PurePosixPath, self.names) if f.suffix.lower() in images.SUFFIXES]

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """The content of some files, by name."""
        return dict(containers.read_files(self.path, names))

    def text(self, name: str) -> str:
        """The content of a text file."""
        return self.read([name])[name].decode("utf-8-sig", errors="replace")

    def sample(self, name: object, label: str, note: str = "", split: str = "", **rest) -> Sample:
        """The sample of a file here; a row dropped without a label if there is a note."""
        return Sample(
            path=str(name) if self.path.is_dir() else f"{self.path.name}!{name}",
            label="" if note else label,
            split="dropped" if note else split,
            note=note,
            **rest,
        )

    def manifest(self, samples: Iterable[Sample], what: str, help: str) -> Manifest:
        """A manifest of samples, relative to this place.

        Raises:
            UserError: when all samples are dropped, e.g. "no usable row of legend.csv".
        """
        samples = tuple(samples)
        kept = [s for s in samples if s.split != "dropped"]
        if not kept:
            first = f"; the first: {samples[0].note}" if samples else ""
            raise UserError(f"{self.path}: no usable {what}{first}; {help}")
        root = self.path if self.path.is_dir() else self.path.parent
        return Manifest(samples, root, in_order(s.label for s in kept))


def find(path: Path, wanted: Callable[[str], bool]) -> tuple[Place, str] | None:
    """The place with a wanted file, and that file's name: `path`, or an archive in that folder.

    Args:
        path: a folder or archive.
        wanted: whether a file, by its name without folders, is the one.
    """
    inside = sorted(path.iterdir()) if path.is_dir() else []
    for place in [path, *(p for p in inside if containers.is_archive(p))]:
        names = containers.names(place)
        for name in names:
            if wanted(PurePosixPath(name).name):
                return Place(place, tuple(names)), name
    return None

"""Press faces (github.com/muxspace/facial_expressions): 13,690 faces, of LFW and of Indian films.

Students gave each image one label, so the labels are noisy; half of the faces are neutral, of
people who speak or look serious, which posed datasets lack.
"""

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from keras_mer import labels
from keras_mer.data.manifest import Manifest
from keras_mer.data.sources import places
from keras_mer.errors import UserError

HELP = (
    "clone or download https://github.com/muxspace/facial_expressions (data/legend.csv and "
    "images/) to data/pressfaces; its zip need not be unpacked"
)
_TABLE = "legend.csv"
_NUMBER = re.compile(r"[_-]?\d+[a-z]?$", re.IGNORECASE)


def load(path: Path) -> Manifest:
    """Load the repository as it is published: ``data/legend.csv`` and ``images/``.

    The subject is the file's name without the number at its end: ``Al_Gore`` for
    ``Al_Gore_0002.jpg``. The few images that are named after no person count as one person for
    each series, so that a split by subject is possible and never divides a series. An image is one
    sample, however often the table lists it; it is dropped if its labels contradict each other.

    Args:
        path: the folder or archive.

    Raises:
        UserError: without a table, or when it names no image that is there.
    """
    found = places.find(path, lambda name: name == _TABLE)
    if found is None:
        raise UserError(f"{path}: no {_TABLE} here; {HELP}")
    place, table = found
    folder = PurePosixPath(table).parent
    pictures = (folder.parent if folder.name == "data" else folder) / "images"
    known = {file.name for file in place.pictures() if file.parent == pictures}
    samples = []
    for image, words in _labels(place, table).items():
        label, note = _one_label(words)
        if image not in known:
            note = f"{_TABLE}: {image} is not in {pictures}"
        samples.append(place.sample(pictures / image, label, note, subject=subject(image)))
    return place.manifest(samples, f"row in {table}", HELP)


def subject(image: str) -> str:
    """The person whom a file is named after: ``KatrinaKaif`` for ``KatrinaKaif_49.jpg``."""
    stem = PurePosixPath(image).stem
    return _NUMBER.sub("", stem) or stem


def _labels(place: places.Place, table: str) -> dict[str, list[str]]:
    """Image -> the words of its rows. Some versions of the table separate some rows by tabs."""
    out = defaultdict(list)
    for line in place.text(table).splitlines()[1:]:
        _, image, word, *_ = [*map(str.strip, re.split(r"[,\t]", line)), "", ""]
        if image:
            out[image].append(word)
    return out


def _one_label(words: list[str]) -> tuple[str, str]:
    """The label that all words mean and "", or "" and why there is none."""
    try:
        found = sorted({labels.canonical(word) for word in words})
    except UserError as error:
        return "", f"{_TABLE}: {error}"
    if len(found) > 1:
        return "", f"{_TABLE}: contradicting labels {', '.join(found)}"
    return found[0], ""

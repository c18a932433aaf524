"""ExpW (Zhang et al. 2018): 91,793 faces in photographs from the web, seven classes.

The faces are boxes in the photographs, which ``label.lst`` lists; no official split.
"""

from pathlib import Path, PurePosixPath

from keras_mer import labels
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.sources import places
from keras_mer.errors import UserError

HELP = (
    "download ExpW from http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html and put "
    "label/label.lst and the unpacked image/origin/ into data/expw"
)
#: Codes 0 to 6 are those of FER2013.
CLASSES = labels.FER2013
_TABLE = "label.lst"
_COLUMNS = "image, face, top, left, right, bottom, confidence, expression"


def load(path: Path, *, margin: float = 0.0) -> Manifest:
    """Load ``label.lst`` and the photographs, one sample a face.

    A line that is cut off, with an unknown code or without its photograph is a dropped row. The
    faces of one photograph have its name as their clip, so that splits keep them together.

    Args:
        path: the folder or archive. Where it has a folder ``origin``, the photographs are read
            from there.
        margin: share of the box's side that is added on each side; negative to cut closer.

    Raises:
        UserError: without a table or a usable line, or for a margin outside -0.4 to 2.
    """
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not -0.4 <= margin <= 2:
        raise UserError(f"expw: margin: expected a share from -0.4 to 2, got {margin!r}")
    found = places.find(path, lambda name: name == _TABLE)
    if found is None:
        raise UserError(f"{path}: no {_TABLE} here; {HELP}")
    place, table = found
    pictures = place.pictures()
    photos = {f.name: f for f in [f for f in pictures if "origin" in f.parts] or pictures}
    samples: dict[str, Sample] = {}  # by path: the same box twice is one face
    for number, line in enumerate(place.text(table).splitlines(), 1):
        if line.strip():
            sample = _sample(place, line.split(), f"{_TABLE} line {number}", photos, margin)
            samples.setdefault(sample.path, sample)
    return place.manifest(samples.values(), f"line in {table}", HELP)


def _sample(
    place: places.Place, fields: list[str], where: str, photos: dict[str, PurePosixPath],
    margin: float,
) -> Sample:  # fmt: skip
    def dropped(note: str) -> Sample:
        return place.sample(f"{fields[0]}#{where.split()[-1]}", "", f"{where}: {note}")

    if len(fields) != 8:
        return dropped(f"expected 8 fields ({_COLUMNS}), got {len(fields)}")
    name, code, bounds = fields[0], fields[7], " ".join(fields[2:6])
    try:
        top, left, right, bottom = (round(float(text)) for text in fields[2:6])
    except ValueError:
        return dropped(f"the box '{bounds}' is not four numbers")
    if right <= left or bottom <= top:
        return dropped(f"the box '{bounds}' (top left right bottom) is empty")
    if not code.isdigit() or int(code) >= len(CLASSES):
        return dropped(f"'{code}' is not a code from 0 to {len(CLASSES) - 1}")
    if name not in photos:
        return dropped(f"no photograph {name}")
    dx, dy = round(margin * (right - left)), round(margin * (bottom - top))
    box = (left - dx, top - dy, right - left + 2 * dx, bottom - top + 2 * dy)
    path = f"{photos[name]}@{','.join(map(str, box))}"
    return place.sample(path, CLASSES[int(code)], clip=name)

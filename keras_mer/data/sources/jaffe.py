"""JAFFE (Lyons et al. 1998): 213 photographs of ten Japanese women, seven posed classes, 256x256.

The faces are not cropped. Split by subject: each woman poses every expression several times.
"""

import re
from pathlib import Path

from keras_mer.data.manifest import Manifest
from keras_mer.data.sources import places
from keras_mer.errors import UserError

HELP = (
    "download jaffe.zip from https://zenodo.org/records/14974867 to data/jaffe; it need not be "
    "unpacked (KA.AN1.39.tiff and so on)"
)
CODES = {
    "AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad",
    "SU": "surprise",
}  # fmt: skip
_NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})\d*\.\d+\.", re.IGNORECASE)


def load(path: Path) -> Manifest:
    """Load JAFFE's images: subject and expression are stated by their names.

    An image with another name is a dropped row.

    Args:
        path: the folder or archive, or a folder that holds the archive.

    Raises:
        UserError: for a place without such images.
    """
    found = places.find(path, lambda name: _NAME.match(name) is not None)
    if found is None:
        raise UserError(f"{path}: no image named like KA.AN1.39.tiff here; {HELP}")
    place, _ = found
    samples = []
    for file in place.pictures():
        named = _NAME.match(file.name)
        who, code = named.groups() if named else ("", "")
        label = CODES.get(code.upper(), "")
        note = "" if label else f"{file}: expected a name like KA.AN1.39.tiff"
        samples.append(place.sample(file, label, note, subject=who.upper() if label else ""))
    return place.manifest(samples, "image", HELP)

"""AffectNet (Mollahosseini et al. 2017): faces from the web, eight classes, cropped.

Read with its annotations (AffectNet-8, 291,650 faces), as its authors publish it, or from class
folders named by code or by name. The authors keep the test set; as everybody does, their validation
set is the test part here.
"""

import io
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from keras_mer.data.manifest import Manifest
from keras_mer.data.sources import folders, places
from keras_mer.errors import UserError

HELP = (
    "ask for AffectNet at http://mohammadmahoor.com/pages/databases/affectnet/ and put train_set/ "
    "and val_set/ (images/ and annotations/ in each) into data/affectnet, or class folders under "
    "train/ and val/"
)
CLASSES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
#: Codes that are no expression.
_OTHERS = {8: "none", 9: "uncertain", 10: "no face"}
_PARTS = {"train_set": "train", "val_set": "test"}
_END = "_exp.npy"


def load(path: Path) -> Manifest:
    """Load ``train_set/images/7.jpg`` with ``train_set/annotations/7_exp.npy``, or class folders.

    An image without an annotation or without an expression (codes 8 to 10) is a dropped row.

    Args:
        path: the folder or archive.

    Raises:
        UserError: for another layout.
    """
    found = places.find(path, lambda name: name.endswith(_END))
    if found is not None:
        return _annotated(found[0])
    codes = {str(code): name for code, name in enumerate(CLASSES)}
    manifest = folders.read(path, codes=codes)
    if manifest is None:
        raise UserError(f"{path}: no train_set/annotations and no class folders here; {HELP}")
    parts = manifest.counts("split")
    if parts["validation"] and not parts["test"]:
        own = (replace(s, split="test") if s.split == "validation" else s for s in manifest)
        manifest = manifest.replace(own)
    return manifest


def _annotated(place: places.Place) -> Manifest:
    annotations = {_key(n.removesuffix(_END)): n for n in place.names if n.endswith(_END)}
    content = place.read(annotations.values())
    samples = []
    for file in place.pictures():
        if file.parent.name != "images":
            continue
        annotation = annotations.get(_key(str(file.with_suffix(""))))
        code = _code(content[annotation]) if annotation else None
        note = "" if annotation else f"{file}: no annotation {file.stem}{_END}"
        if annotation and code not in range(len(CLASSES)):
            word = _OTHERS.get(code, "expected a code from 0 to 7")
            note = f"{annotation}: {'unreadable' if code is None else code} ({word})"
        label = "" if note else CLASSES[code]
        samples.append(place.sample(file, label, note, _PARTS.get(file.parent.parent.name, "")))
    return place.manifest(samples, "image with an annotation", HELP)


def _key(stem: str) -> tuple[str, str]:
    """The set's folder and the number, from ``train_set/images/7`` or ``.../annotations/7``."""
    file = PurePosixPath(stem)
    return str(file.parent.parent), file.name


def _code(data: bytes) -> int | None:
    """The number in a .npy file, which holds it as text; None if it holds none."""
    try:
        return int(np.load(io.BytesIO(data), allow_pickle=False).item())
    except (ValueError, EOFError):
        return None

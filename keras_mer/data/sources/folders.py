"""A folder, or archive, of class folders: ``happy/1.png`` or ``train/happy/1.png``."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from keras_mer import images
from keras_mer import labels as vocabularies
from keras_mer.data import containers
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError

HELP = (
    "expected a folder with a folder for each class (happy/, sad/, ...), "
    "or train/, validation/ and test/ that hold such class folders"
)

#: Split by the name of the parent of the class folders, in lower case.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "publictest": "validation",
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}


def load(path: Path, *, subject: str = "", clip: str = "") -> Manifest:
    """Load class folders, named by any name that `keras_mer.labels` knows.

    Args:
        path: the folder or archive.
        subject: a regular expression for file names, whose first group is the subject, e.g.
            ``"^(S[0-9]+)_"``.
        clip: the same for the clip.

    Raises:
        UserError: for a folder of images whose name is not a class, or no images.
    """
    manifest = read(path, _matcher("subject", subject), _matcher("clip", clip))
    if manifest is None:
        raise UserError(f"{path}: no images in class folders; {HELP}")
    return manifest


def read(
    path: Path,
    subject_of: Callable[[str], str] = lambda name: "",
    clip_of: Callable[[str], str] = lambda name: "",
    split_of: Callable[[str, str], str] = lambda name, split: split,
    codes: Mapping[str, str] | None = None,
) -> Manifest | None:
    """Like `load`, with functions of the file name; None when no folder contains an image.

    `split_of(name, split)` may correct the split given by the folders; `codes` maps further names
    of class folders, such as ``"3"``, to classes.
    """
    prefix = f"{path.name}!" if path.is_file() else ""
    found = [PurePosixPath(name) for name in containers.names(path)]
    with_images = {p.parent for p in found if _is_image(p)}
    with_images.discard(PurePosixPath("."))  # images beside the class folders are not samples
    labels = {folder: _label(path, folder, codes or {}) for folder in with_images}
    if not labels:
        return None
    samples = []
    for file in found:
        if file.parent not in labels:
            continue
        split = SPLIT_NAMES.get(file.parent.parent.name.lower(), "")
        note = (
            "" if _is_image(file) else f"{file}: not an image file ({file.suffix or 'no suffix'})"
        )
        samples.append(
            Sample(
                path=prefix + str(file),
                label=labels[file.parent],
                subject=subject_of(file.name),
                clip=clip_of(file.name),
                split="dropped" if note else split_of(file.name, split),
                note=note,
            )
        )
    root = path if path.is_dir() else path.parent
    return Manifest(tuple(samples), root, in_order(labels.values()))


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The classes that occur, in the order of ``fer8``, others after them."""
    present = set(labels)
    order = [*vocabularies.VOCABULARIES["fer8"], *sorted(present)]
    return tuple(dict.fromkeys(c for c in order if c in present))


def _is_image(file: PurePosixPath) -> bool:
    return file.suffix.lower() in images.SUFFIXES


def _label(place: Path, folder: PurePosixPath, codes: Mapping[str, str]) -> str:
    try:
        return codes.get(folder.name) or vocabularies.canonical(folder.name)
    except UserError as error:
        raise UserError(f"{place}{os.sep}{folder}: {error}") from None


def _matcher(option: str, pattern: str) -> Callable[[str], str]:
    if not pattern:
        return lambda name: ""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"{option}: '{pattern}' is not a regular expression ({error})") from None
    if not compiled.groups:
        raise UserError(f"{option}: '{pattern}' needs a group, e.g. '^(S[0-9]+)_'")

    def match(name: str) -> str:
        found = compiled.search(name)
        return (found[1] or "") if found else ""

    return match

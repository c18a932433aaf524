"""RAF-DB (Li et al. 2017), the basic set: 15,339 aligned faces, 100x100, seven classes.

Read with its list of labels, as its authors publish it, or from folders named by the labels' codes,
as on Kaggle. The parts train and test are stated by the files' names.
"""

from pathlib import Path, PurePosixPath

from keras_mer.data.manifest import Manifest
from keras_mer.data.sources import folders, places
from keras_mer.errors import UserError

HELP = (
    "ask for RAF-DB at http://www.whdeng.cn/raf/model1.html and put basic/ (EmoLabel/ and "
    "Image/aligned/) into data/rafdb, or download its folders from "
    "https://www.kaggle.com/datasets/shuvoalok/raf-db-dataset"
)
CODES = {
    "1": "surprise", "2": "fear", "3": "disgust", "4": "happy", "5": "sad", "6": "angry",
    "7": "neutral",
}  # fmt: skip
_LISTS = ("list_patition_label.txt", "list_partition_label.txt")  # published with the misspelling


def load(path: Path) -> Manifest:
    """Load ``EmoLabel/list_patition_label.txt`` with ``Image/aligned/``, or ``train/1/`` and so on.

    A line of the list without an aligned image, or with an unknown code, is a dropped row.

    Args:
        path: the folder or archive.

    Raises:
        UserError: for another layout.
    """
    found = places.find(path, lambda name: name in _LISTS)
    if found is not None:
        return _listed(*found)
    manifest = folders.read(path, split_of=_split, codes=CODES)
    if manifest is None or not any(s.split in ("train", "test") for s in manifest):
        raise UserError(f"{path}: no {_LISTS[0]} and no folders train/1 to test/7 here; {HELP}")
    return manifest


def _split(name: str, split: str) -> str:
    """The part that a file's name states, ``test_0001_aligned.jpg``, else that of its folder."""
    return folders.SPLIT_NAMES.get(name.partition("_")[0].lower(), split)


def _listed(place: places.Place, table: str) -> Manifest:
    aligned = {f.name: f for f in place.pictures() if f.stem.endswith("_aligned")}
    samples = []
    for number, line in enumerate(place.text(table).splitlines(), 1):
        if not line.strip():
            continue
        name, _, code = line.strip().partition(" ")
        image, code = f"{PurePosixPath(name).stem}_aligned.jpg", code.strip()
        note = "" if image in aligned else f"no image {image}"
        if code not in CODES:
            note = f"'{code}' is not a code from 1 to 7"
        note = f"{PurePosixPath(table).name} line {number}: {note}" if note else ""
        where = aligned.get(image, image)
        samples.append(place.sample(where, CODES.get(code, ""), note, _split(name, "")))
    return place.manifest(samples, f"line in {table}", HELP)

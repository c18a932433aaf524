"""FER2013 (Goodfellow et al. 2013): 35,887 faces, 48x48 gray, seven classes.

Read from its csv, from folders as published on Kaggle, or from an archive of either. The official
parts Training, PublicTest and PrivateTest become train, validation and test.
"""

from collections.abc import Iterator
from pathlib import Path

from keras_mer import labels
from keras_mer.data import containers
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.sources import folders
from keras_mer.errors import UserError

HELP = (
    "download fer2013 from https://www.kaggle.com/datasets/msambare/fer2013 (folders) or "
    "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-"
    "recognition-challenge/data (fer2013.csv) and put the folders train/ and test/, the csv, or "
    "the archive it came in, into data/fer2013"
)

USAGES = {"training": "train", "publictest": "validation", "privatetest": "test"}
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")


def load(path: Path) -> Manifest:
    """Load FER2013 from a csv, an archive, or a folder that contains one.

    Raises:
        UserError: when none is found, for an unknown class folder or a csv of another kind.
    """
    found = find_csv(path, CSV_NAMES)
    if found is not None:
        return read_csv(*found, labels.FER2013, HELP)
    places = [path] if path.is_file() else [path, *_archives(path)]
    for place in places:
        manifest = folders.read(place, split_of=_split)
        if manifest is not None:
            return manifest
    raise UserError(f"{path}: no fer2013.csv and no class folders here; {HELP}")


def _split(name: str, split: str) -> str:
    # Kaggle's test/ holds PublicTest and PrivateTest: only the file names differ
    return USAGES.get(name.partition("_")[0].lower(), split)


def _archives(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if containers.is_archive(p))


def find_csv(path: Path, wanted: tuple[str, ...]) -> tuple[Path, str] | None:
    """(file, archive member or "") of the first csv with a wanted name: `path` or inside it."""
    if path.is_file() and not containers.is_archive(path):
        return path, ""
    if path.is_dir():
        plain = [p for name in wanted for p in [*path.glob(name), *path.glob(f"*/{name}")]]
        if plain:
            return plain[0], ""
    for archive in [path] if path.is_file() else _archives(path):
        members = containers.names(archive)
        for member in members:
            if member.rpartition("/")[2].lower() in wanted:
                return archive, member
    return None


def read_csv(file: Path, member: str, codes: tuple[str, ...], help: str) -> Manifest:
    """Make a manifest of a csv ``emotion,pixels,Usage``; emotion is an index into `codes`.

    A truncated row, or one with missing pixels or an unknown code or Usage, becomes a dropped row.

    Raises:
        UserError: for a csv without these columns or without a usable row.
    """
    samples = tuple(_samples(file, member, codes))
    if all(s.split == "dropped" for s in samples):
        first = f"; the first is {samples[0].note}" if samples else ""
        raise UserError(
            f"{file}: no usable row among {len(samples):,}{first}. Expected a csv with the header "
            f"emotion,pixels,Usage: {help}"
        )
    return Manifest(samples, file.parent, codes)


def _samples(file: Path, member: str, codes: tuple[str, ...]) -> Iterator[Sample]:
    address = f"{file.name}!{member}" if member else file.name
    for number, where, values in containers.read_csv(file, member):
        label, split, note = "", "", ""
        count = len(values.get("pixels", "").split())
        code, usage = values.get("emotion", ""), values.get("usage", "")
        if code.strip().isdigit() and int(code) < len(codes):
            label = codes[int(code)]
        else:
            note = f"{where}: emotion '{code}' is not a code from 0 to {len(codes) - 1}"
        if count != containers.SIDE**2:
            note = f"{where}: {count:,} pixels, expected {containers.SIDE**2:,} (48x48)"
        elif usage.strip().lower() in USAGES:
            split = USAGES[usage.strip().lower()]
        else:
            note = f"{where}: Usage '{usage}' is none of Training, PublicTest, PrivateTest"
        if "usage" not in values:
            note = f"{where}: cut off, {len(values)} of 3 columns and {count:,} pixels"
        yield Sample(
            path=f"{address}#{number}", label=label, split="dropped" if note else split, note=note
        )

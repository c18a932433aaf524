"""CK+ (Lucey et al. 2010), in any of its three common layouts.

- CK+48: class folders of 48x48 crops, the last three frames of each of 327 sequences;
- the original tree: whole sequences, and a text file with the emotion of the last frame;
- ckextended.csv: like FER2013's csv, without subjects.

A person occurs in several sequences, and the frames of a sequence are similar: split by subject, or
the score is meaningless.
"""

import logging
import re
from pathlib import Path, PurePosixPath

from keras_mer import labels as vocabularies
from keras_mer.data import containers
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.sources import fer2013, folders
from keras_mer.errors import UserError

HELP = (
    "download CK+48 from https://www.kaggle.com/datasets/shawon10/ckplus (class folders), "
    "ckextended.csv from https://www.kaggle.com/datasets/davilsena/ckextended, or ask for the "
    "original at https://www.jeffcohn.net/resources/ and unpack cohn-kanade-images and Emotion "
    "into one folder, e.g. data/ckplus"
)

_FRAME = re.compile(r"(S\d+)_(\d+)_(\d+)", re.IGNORECASE)
_log = logging.getLogger(__name__)


def load(path: Path, *, frames: int = 3, neutral: bool = True) -> Manifest:
    """Load CK+ in the layout found at `path`.

    Args:
        path: the folder, the csv, or an archive of either.
        frames: for the original tree, number of frames at a sequence's end that get its label.
        neutral: for the original tree, whether a sequence's first frame is a neutral sample.

    Raises:
        UserError: for another layout, or an unknown class folder.
    """
    found = fer2013.find_csv(path, ("ckextended.csv",))
    if found is not None:
        _log.warning(
            "ckextended.csv names no subjects: its split has the same people in several parts, and "
            "its scores are too high. CK+48 and the original tree name them."
        )
        return fer2013.read_csv(*found, vocabularies.CKEXTENDED, HELP)
    names = containers.names(path)
    if any(name.endswith("_emotion.txt") for name in names):
        return _original(path, names, frames, neutral)
    manifest = folders.read(path, subject_of=_subject, clip_of=_clip)
    if manifest is None or not any(s.subject for s in manifest):
        raise UserError(f"{path}: none of the layouts of CK+ (no S..._..._*.png here); {HELP}")
    return manifest


def _subject(name: str) -> str:
    found = _FRAME.match(name)
    return found[1].upper() if found else ""


def _clip(name: str) -> str:
    found = _FRAME.match(name)
    return f"{found[1].upper()}_{found[2]}" if found else ""


def _original(path: Path, names: list[str], frames: int, neutral: bool) -> Manifest:
    prefix = "" if path.is_dir() else f"{path.name}!"
    sequences: dict[str, list[tuple[int, str]]] = {}
    labels: dict[str, str] = {}
    for name in names:
        file = PurePosixPath(name)
        found = _FRAME.match(file.name)
        if found and name.endswith("_emotion.txt"):
            labels[_clip(file.name)] = name
        elif found and file.suffix.lower() == ".png":
            sequences.setdefault(_clip(file.name), []).append((int(found[3]), name))
    read = containers.read_files(path, labels.values())
    texts = {name: data.decode(errors="replace") for name, data in read}
    samples = []
    for clip in sorted(sequences.keys() | labels.keys()):
        label, note = "", ""
        try:
            if clip in labels:
                label = vocabularies.CKPLUS[round(float(texts[labels[clip]]))]
            else:
                note = f"sequence {clip} has no emotion label"
        except (ValueError, IndexError):
            note = (
                f"{labels[clip]}: expected a code from 0 to 7, got '{texts[labels[clip]].strip()}'"
            )
        ordered = [name for _, name in sorted(sequences.get(clip, []))]
        if not ordered:
            ordered, note = [labels[clip]], f"label without a sequence: {clip}"
        chosen = [ordered[-1]] if note else ordered[-frames:]
        if neutral and not note and len(ordered) > 1:
            chosen = ordered[1:][-frames:]
            samples.append(_sample(prefix + ordered[0], clip, "neutral"))
        samples += [_sample(prefix + name, clip, "" if note else label, note) for name in chosen]
    classes = vocabularies.CKPLUS if neutral else vocabularies.CKPLUS[1:]
    return Manifest(tuple(samples), path if path.is_dir() else path.parent, classes)


def _sample(path: str, clip: str, label: str, note: str = "") -> Sample:
    return Sample(
        path=path,
        label=label,
        subject=clip.partition("_")[0],
        clip=clip,
        split="dropped" if note else "",
        note=note,
    )

"""FER+ (Barsoum et al. 2016, arXiv:1608.01041): ten annotators' votes for every FER2013 image.

`fer2013new.csv` is joined to `fer2013.csv` by the order of rows; it has no other key. The rules
below are those of the authors' reader (github.com/microsoft/FERPlus).
"""

from dataclasses import replace
from pathlib import Path

from keras_mer import labels as vocabularies
from keras_mer.data import containers
from keras_mer.data.manifest import Manifest, Sample, format_votes
from keras_mer.data.sources import fer2013
from keras_mer.errors import UserError, nearest

HELP = (
    "download fer2013new.csv from https://github.com/microsoft/FERPlus and fer2013.csv from "
    "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-"
    "recognition-challenge/data, and put both into one folder, e.g. data/ferplus"
)

MODES = ("majority", "votes")
NO_EMOTION = ("unknown", "NF")


def load(path: Path, *, mode: str = "majority", labels: str = "") -> Manifest:
    """Load FER2013's csv with the labels of FER+.

    Args:
        path: a folder with both csv files, or the FER2013 csv (or its archive) with
            `fer2013new.csv` beside it.
        mode: ``majority``, the label on which more than half agree, or ``votes``, additionally a
            distribution (soft label) in the votes column.
        labels: path of `fer2013new.csv`, if elsewhere.

    A row without agreement, or with a majority for unknown or not a face (NF), is dropped.

    Raises:
        UserError: when a file is missing, FER2013 is given as folders (without the order of rows),
            or the two files do not have the same rows.
    """
    if mode not in MODES:
        raise UserError(
            f"ferplus: unknown mode '{mode}'{nearest(mode, MODES)}; known: majority, votes"
        )
    found = fer2013.find_csv(path, fer2013.CSV_NAMES)
    if found is None:
        raise UserError(
            f"{path}: no fer2013.csv. FER+ is joined to FER2013 by the order of its csv's rows, "
            f"which the folder editions have lost: {HELP}"
        )
    faces = fer2013.read_csv(*found, vocabularies.FER2013, HELP)
    file = Path(labels) if labels else _find_labels(path)
    rows = [values for _, _, values in containers.read_csv(file)]
    if len(rows) != len(faces):
        raise UserError(
            f"{file.name} has {len(rows):,} rows and {found[0].name} has {len(faces):,}: they must "
            "be the same rows in the same order; is one cut off?"
        )
    samples = tuple(
        _relabel(sample, values, mode, f"{file.name} row {number}")
        for number, (sample, values) in enumerate(zip(faces, rows, strict=True))
    )
    return Manifest(samples, faces.root, vocabularies.FERPLUS)


def _find_labels(path: Path) -> Path:
    folder = path if path.is_dir() else path.parent
    for file in [*folder.glob("fer2013new.csv"), *folder.glob("*/fer2013new.csv")]:
        return file
    raise UserError(f"{folder}: no fer2013new.csv here; {HELP}")


def _relabel(sample: Sample, values: dict[str, str], mode: str, where: str) -> Sample:
    columns = {vocabularies.canonical(c) if vocabularies.is_emotion(c) else c: c for c in values}
    columns |= {"NF": "nf"}
    try:
        votes = {name: int(values[columns[name]]) for name in (*vocabularies.FERPLUS, *NO_EMOTION)}
    except (KeyError, ValueError):
        raise UserError(
            f"{where}: expected a count of votes for each of {', '.join(vocabularies.FERPLUS)}, "
            f"unknown and NF; got {', '.join(f'{k}={v}' for k, v in values.items())}"
        ) from None
    usage = fer2013.USAGES.get(values.get("usage", "").strip().lower(), "")
    if sample.split == "dropped":
        return replace(sample, label="")
    if usage and sample.split and usage != sample.split:
        raise UserError(
            f"{where}: Usage is {values['usage']} but {sample.path} belongs to {sample.split}: the "
            "two files do not have the same order"
        )
    shares = majority(votes) if mode == "majority" else distribution(votes)
    if isinstance(shares, str):
        return replace(sample, label="", split="dropped", note=f"FER+: {shares}")
    soft = format_votes(shares) if mode == "votes" else ""
    return replace(sample, label=max(shares, key=shares.__getitem__), votes=soft)


def majority(votes: dict[str, int]) -> dict[str, int] | str:
    """The class with more than half of the votes, or the reason why there is none.

    A single vote for a class is removed first as noise, as by the authors.
    """
    votes = _without_single(votes)
    top = max(votes, key=votes.__getitem__)
    if votes[top] <= 0.5 * sum(votes.values()):
        return "no majority among the votes"
    return f"most votes say {top}" if top in NO_EMOTION else {top: votes[top]}


def distribution(votes: dict[str, int]) -> dict[str, int] | str:
    """The votes of up to three leading classes, or the reason why there is no agreement.

    Classes are added in descending order of votes, ties together, until three quarters of the votes
    are covered, three classes are reached, or `unknown` or `NF` is next. The result must have at
    most three classes and more than half of the votes.
    """
    left = _without_single(votes)
    total = sum(left.values())
    taken: dict[str, int] = {}
    while sum(taken.values()) < 0.75 * total and len(taken) < 3:
        peak = max(left.values())
        level = [name for name, count in left.items() if count == peak]
        taken |= {name: left.pop(name) for name in level if name not in NO_EMOTION}
        stopped = [name for name in level if name in NO_EMOTION]
        if stopped and not taken:
            return f"most votes say {stopped[0]}"
        if stopped:
            break
    if len(taken) > 3 or sum(taken.values()) <= 0.5 * total:
        return "no agreement among the votes"
    return taken


def _without_single(votes: dict[str, int]) -> dict[str, int]:
    return {name: count if count > 1 else 0 for name, count in votes.items()}

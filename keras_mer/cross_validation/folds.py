"""Who is left out: the folds of a protocol, and the folds inside a fold."""

from dataclasses import dataclass

import numpy as np

from keras_mer.config.recipe import Protocol
from keras_mer.data import split
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows to learn from and rows to predict.

    Attributes:
        name: who is left out.
        train, test: row numbers in the manifest, int64, rising, without a common subject.
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def outer(manifest: Manifest, protocol: Protocol) -> list[Fold]:
    """The folds of a protocol over a manifest without dropped rows.

    Raises:
        UserError: for clips of unknown subjects, too few subjects or datasets, a subject on both
            sides of a fixed split, or a fold that leaves a class without a clip to learn from.
    """
    unknown = next((s for s in manifest if not s.subject), None)
    if unknown is not None:
        raise UserError(f"the protocol needs every clip's subject; {unknown.path} has none")
    subjects = np.array([s.subject for s in manifest])
    if protocol.kind == "split":
        folds = [_fixed(manifest)]
    elif protocol.kind == "dataset":
        folds = _leave_out(np.array([s.source for s in manifest]))
        if len(folds) < 2:
            raise UserError("protocol dataset: expected two datasets or more, to leave one out")
    elif protocol.kind == "kfold":
        folds = by_subject(manifest, np.arange(len(manifest)), protocol.folds)
    else:
        folds = _leave_out(subjects)
    labels = manifest.labels()
    for fold in folds:
        both = set(subjects[fold.train]) & set(subjects[fold.test])
        if both:
            raise UserError(f"fold {fold.name}: {sorted(both)[0]} is in train and in test")
        missing = set(range(len(manifest.classes))) - set(labels[fold.train])
        if missing:
            names = ", ".join(manifest.classes[i] for i in sorted(missing))
            raise UserError(f"fold {fold.name}: no clip of {names} left to learn from")
    return folds


def by_subject(manifest: Manifest, rows: np.ndarray, count: int, seed: int = 0) -> list[Fold]:
    """`rows` in `count` folds of whole subjects, as balanced in classes as subjects allow.

    Raises:
        UserError: for fewer than 3 folds, or fewer subjects than folds.
    """
    part = manifest.replace(manifest.samples[i] for i in rows)
    if not 3 <= count <= len(part.counts("subject")):
        raise UserError(
            f"{count} folds by subject: expected at least 3, and no more than the "
            f"{len(part.counts('subject'))} subjects there are"
        )
    made = []
    for i in range(count):
        dealt = split.split(part, "kfold", folds=count, fold=i, seed=seed)
        held = np.array([s.split == "test" for s in dealt])
        made.append(Fold(f"{i + 1} of {count}", rows[~held], rows[held]))
    return made


def _leave_out(keys: np.ndarray) -> list[Fold]:
    return [
        Fold(str(key), np.flatnonzero(keys != key), np.flatnonzero(keys == key))
        for key in np.unique(keys)
    ]


def _fixed(manifest: Manifest) -> Fold:
    parts = np.array([s.split for s in manifest])
    test = np.flatnonzero(parts == "test")
    train = np.flatnonzero(np.isin(parts, ("train", "validation")))
    if not len(test) or not len(train):
        raise UserError("protocol split: the manifest states no train and test")
    return Fold("test", train, test)

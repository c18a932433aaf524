"""Evaluation of a model on another dataset than the one it was trained on.

Only classes that both have are scored: the model's probabilities of the others are dropped, and
those that remain are rescaled to add up to 1. Images that the model was trained on are left out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from keras_mer import labels
from keras_mer.data import fingerprints, sources
from keras_mer.data.manifest import SPLITS, Manifest
from keras_mer.errors import UserError
from keras_mer.evaluation import evaluate as evaluation
from keras_mer.progress import track

#: What may be evaluated of a dataset.
PARTS = (*SPLITS, "all")
#: Sources of any dataset: results are named by the folder, too.
_ANY = ("folders", "clips")


@dataclass(frozen=True)
class Dataset:
    """The samples of another dataset that a model is evaluated on.

    Attributes:
        name: of the dataset and its part, e.g. ``"rafdb-test"``.
        part: one of `PARTS`.
        manifest: the samples, with the classes that the dataset and the model share.
        notes: what was left out and what limits the score, a line each.
        in_own_test: how many samples are in the test part of the model's own data, too.
    """

    name: str
    part: str
    manifest: Manifest
    notes: tuple[str, ...]
    in_own_test: int


def load(
    spec: str, classes: Sequence[str], own: Manifest | None = None, part: str | None = None
) -> Dataset:
    """Read a dataset to evaluate a model on.

    Args:
        spec: ``"SOURCE=PATH"``, e.g. ``"rafdb=/mnt/raf"``.
        classes: of the model, in the order of its outputs.
        own: the manifest that the model was trained with. Samples that are pixel-identical to one
            of its train part are left out; resized or recompressed copies are not recognized.
        part: one of `PARTS`; by default test where the source states one, else validation where it
            states that, else all.

    Raises:
        UserError: for another form of `spec`, a dataset that cannot be read, a part it does not
            have, or less than two shared classes.
    """
    source, is_pair, path = spec.partition("=")
    if not is_pair or not source or not path:
        raise UserError(f"--data {spec}: expected SOURCE=PATH, e.g. rafdb=/mnt/raf")
    whole = sources.load(source, path)
    kept = whole.where(lambda s: s.split != "dropped")
    parts = kept.counts("split")
    part = part or next((name for name in ("test", "validation") if parts[name]), "all")
    if part not in PARTS or (part != "all" and not parts[part]):
        has = ", ".join(f"{k or 'no split'} {n:,}" for k, n in sorted(parts.items()))
        raise UserError(f"{source} at {path} has no part '{part}'; it has {has}")
    notes: list[str] = []
    # a row that the source dropped has lost its part
    chosen = whole if part == "all" else whole.where(lambda s: s.split == part)
    usable = _usable(chosen, classes, notes)
    digests = _digests(own, notes) if own else {}
    fresh = usable.where(lambda s: s.digest not in digests.get("train", ()))
    if own is None:
        notes.append("what the model was trained on is unknown here: it may be among these samples")
    if count := len(usable) - len(fresh):
        notes.append(f"left out as pixel-identical to images that the run trained on: {count:,}")
    if count := sum(s.digest in digests.get("validation", ()) for s in fresh):
        notes.append(f"in the run's validation part, by which it was selected: {count:,}")
    if people := _people_of_train(own, source) & {s.subject for s in fresh} - {""}:
        notes.append(f"people of this dataset whom the run trained on, too: {len(people):,}")
    shared = tuple(c for c in classes if fresh.counts("label")[c])
    if len(shared) < 2:
        raise UserError(
            f"{source} at {path}, {part}: expected two classes of the model or more "
            f"({', '.join(classes)}), got {', '.join(shared) or 'none'}"
        )
    if len(shared) < len(classes):
        others = ", ".join(c for c in classes if c not in shared)
        notes.append(
            f"left out, classes without a sample here: {others}; their probabilities are dropped, "
            "the others rescaled to add up to 1"
        )
    name = f"{source}-{Path(path).resolve().name}" if source in _ANY else source
    rows = (replace(s, split=part) for s in fresh)
    return Dataset(
        name=f"{name}-{part}",
        part=part,
        manifest=Manifest(tuple(rows), fresh.root, labels.vocabulary(shared)),
        notes=tuple(notes),
        in_own_test=sum(s.digest in digests.get("test", ()) for s in fresh),
    )


def _usable(chosen: Manifest, classes: Sequence[str], notes: list[str]) -> Manifest:
    """The rows of the model's classes that can be read, with their digests."""
    pairs = list(zip(chosen, sources.relabel(chosen, classes), strict=True))
    unknown = Counter(before.label for before, after in pairs if before.split != after.split)
    if unknown:
        rows = ", ".join(f"{label} ({count:,} samples)" for label, count in unknown.items())
        notes.append(f"left out, classes that the model does not have: {rows}")
    known = chosen.replace(after for before, after in pairs if before.split == after.split)
    known = fingerprints.take(known, progress=track).fill(known)
    if unusable := [s.note for s in known if s.split == "dropped"]:
        notes.append(f"left out as unusable: {len(unusable):,}; the first: {unusable[0]}")
    return known.where(lambda s: s.split != "dropped")


def _digests(own: Manifest, notes: list[str]) -> dict[str, set[str]]:
    """Part -> the digests of its images. A manifest of an older run has none: they are read."""
    used = own.where(lambda s: s.split in SPLITS)
    if not all(s.digest for s in used):
        prints = fingerprints.take(used, progress=track)
        if prints.unreadable:
            count = len(prints.unreadable)
            notes.append(f"images of the run that cannot be read and compared: {count:,}")
        used = prints.fill(used)
    return {part: {s.digest for s in used if s.split == part} - {""} for part in SPLITS}


def _people_of_train(own: Manifest | None, source: str) -> set[str]:
    """Subjects of the same dataset in train, without the prefix that merging gives them."""
    rows = [s for s in own or () if s.split == "train" and s.source == source]
    return {s.subject.removeprefix(f"{source}:") for s in rows}


def restrict(model: keras.Model, columns: Sequence[int]) -> keras.Model:
    """A model of some outputs of a classifier, rescaled to add up to 1.

    Args:
        model: raw samples -> probabilities (batch, classes).
        columns: the outputs to keep, in order.
    """
    inputs = keras.Input(model.input_shape[1:])
    kept = keras.ops.take(model(inputs), list(columns), axis=-1)
    total = keras.ops.sum(kept, axis=-1, keepdims=True)
    return keras.Model(inputs, kept / keras.ops.maximum(total, 1e-12))


def evaluate(
    model: keras.Model,
    classes: Sequence[str],
    dataset: Dataset,
    *,
    kind: str = "image",
    flip: bool = False,
    cache=None,
) -> evaluation.Evaluation:
    """Evaluate a model on the classes that it shares with a dataset.

    Args:
        model: raw samples -> probabilities of `classes`.
        classes: in the order of the outputs.
        dataset: from `load`.
        kind, flip, cache: as for `evaluate.evaluate`.

    Returns:
        As `evaluate.evaluate`; its scores have the keys ``dataset`` and ``notes``, too.
    """
    shared = dataset.manifest.classes
    if tuple(classes) != shared:
        model = restrict(model, [list(classes).index(name) for name in shared])
    found = evaluation.evaluate(
        model, dataset.manifest, dataset.part, kind=kind, flip=flip, cache=cache
    )
    # the whole has no duplicate of a training image
    scores = {k: v for k, v in found.scores.items() if k != "without_duplicates"}
    return replace(found, scores=scores | {"dataset": dataset.name, "notes": [*dataset.notes]})

"""The preprocessing record of a recipe's data: read beside flow images, known for clips, or stated.

A run keeps it as ``preprocessing.json``, an export copies it into the card, and the runtime
computes its input by it (`keras_mer.kinds.Preprocessing`).
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2

import keras_mer
from keras_mer.config.recipe import Recipe
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.face.detect import HaarDetector
from keras_mer.face.prepare import MARGIN
from keras_mer.kinds import Preprocessing

_KEY = "data.preprocessing"


def of(recipe: Recipe, manifest: Manifest) -> Preprocessing | None:
    """How the input of a recipe's model is computed from frames.

    Args:
        recipe: whose model says the kind, and whose `data.preprocessing` may state it.
        manifest: the samples; of flow images, the record is searched in the folders above them.

    Returns:
        For flow images, the record beside all of them, or what the recipe states; for clips, what
        their loader does; None for images, and for flow images that neither covers.

    Raises:
        UserError: for records that disagree, or a statement that is invalid, contradicts a record,
            or belongs to a model of images.
    """
    from keras_mer import models  # imports Keras

    name = recipe.model.get("name", models.DEFAULT)
    kind = models.kind(name)
    stated = _stated(recipe)
    if kind == "image":
        if stated:
            raise UserError(f"{recipe.name}: {_KEY}: '{name}' reads images, which have none")
        return None
    if kind == "clip":
        size = recipe.model.get("size", models.defaults(name)["size"])
        return _checked(clip_defaults(size), "the clip loader", stated, recipe)
    if stated and not stated.flow:
        raise UserError(f"{recipe.name}: {_KEY}: flow: '{name}' reads flow, so name its method")
    found = list(_records(recipe, manifest))
    known = [(folder, record) for folder, record in found if record]
    if not known:
        return stated
    (first, record), *others = known
    for folder, other in others:
        if key := record.difference(other):
            raise UserError(
                f"{folder} and {first} were made with different preprocessing: {key} "
                f"{getattr(other, key)!r} and {getattr(record, key)!r} "
                f"({Preprocessing.FILE}); make one of them again, or learn from one alone"
            )
        record = _merged(record, other)
    record = _checked(record, str(first / Preprocessing.FILE), stated, recipe)
    return record if len(known) == len(found) else stated


def clip_defaults(size: int) -> Preprocessing:
    """How the loader of clips makes still faces.

    Args:
        size: side of the model's input in pixels.
    """
    return Preprocessing(
        flow="",
        side=size,
        margin=MARGIN,
        register=True,
        detector=HaarDetector.name,
        opencv=cv2.__version__,
        keras_mer=keras_mer.__version__,
    )


def _stated(recipe: Recipe) -> Preprocessing | None:
    values, where = recipe.data.preprocessing, f"{recipe.name}: {_KEY}"
    if values is None:
        return None
    if values.get("origin", "stated") != "stated":
        raise UserError(f"{where}: origin: a recipe can only state it, got {values['origin']!r}")
    return Preprocessing.from_dict(values | {"origin": "stated"}, where)


def _checked(
    record: Preprocessing, place: str, stated: Preprocessing | None, recipe: Recipe
) -> Preprocessing:
    """The record, unless the recipe states something else."""
    key = record.difference(stated) if stated else ""
    if key:
        raise UserError(
            f"{recipe.name}: {_KEY}: {key} {getattr(stated, key)!r} contradicts {place}, which has "
            f"{getattr(record, key)!r}; leave {_KEY} out (--set {_KEY}=null)"
        )
    return record


def _merged(one: Preprocessing, other: Preprocessing) -> Preprocessing:
    """The same record with the versions of both, where they differ."""
    versions = {
        key: ", ".join(dict.fromkeys(v for r in (one, other) if (v := getattr(r, key))))
        for key in ("opencv", "keras_mer")
    }
    return replace(one, detector=one.detector or other.detector, **versions)


def _records(recipe: Recipe, manifest: Manifest) -> Iterator[tuple[Path, Preprocessing | None]]:
    """The folders of flow images that hold the samples, each with its record or None."""
    sources = [
        v.get("path", "") if isinstance(v, dict) else v for v in recipe.data.sources.values()
    ]
    ends = {Path(os.path.abspath(path)) for path in sources}
    used = {
        Path(os.path.abspath(manifest.root / s.path)).parent
        for s in manifest
        if s.split != "dropped"
    }
    folders = {_dataset_folder(folder, ends) for folder in used}
    for folder in sorted(folders):
        yield folder, Preprocessing.read(folder)


def _dataset_folder(folder: Path, ends: set[Path]) -> Path:
    """The folder at or above `folder` that has a record, a table of samples, or is a source."""
    for place in (folder, *folder.parents):
        names = (Preprocessing.FILE, "samples.csv")
        if place in ends or any((place / name).is_file() for name in names):
            return place
    return folder

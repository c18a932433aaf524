"""From the sources a recipe names to one manifest that is merged, split and free of leaks."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from keras_mer import emotions
from keras_mer.data import loading, sources
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import Manifest
from keras_mer.data.split import split as split_manifest
from keras_mer.errors import UserError


def load_sources(
    spec: Mapping[str, str | os.PathLike | Mapping], vocabulary: str | Iterable[str]
) -> Manifest:
    """The sources of `spec`, merged under a vocabulary: name -> path, or -> path and options.

    The name is the source's (`keras_mer.data.sources.SOURCES`) unless the mapping says another
    with ``source: folders``: then the name is only what the manifest's source column holds.
    """
    if not spec:
        raise UserError("no data source given: name one, e.g. fer2013: data/fer2013")
    manifests = []
    for name, value in spec.items():
        options = dict(value) if isinstance(value, Mapping) else {"path": value}
        if "path" not in options:
            raise UserError(f"source {name}: the key 'path' is missing")
        loaded = sources.load(options.pop("source", name), options.pop("path"), **options)
        manifests.append(loaded.replace(replace(s, source=name) for s in loaded))
    return sources.merge(manifests, emotions.vocabulary(vocabulary))


def build(
    spec: Mapping[str, str | os.PathLike | Mapping],
    *,
    vocabulary: str | Iterable[str] = "fer7",
    split: str = "official",
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    folds: int = 5,
    fold: int = 0,
    seed: int = 0,
    drop_duplicates: bool = True,
    progress: Progress | None = None,
):
    """TODO"""
    manifest = load_sources(spec, vocabulary)
    return split_manifest(
        manifest, split, fractions=fractions, folds=folds, fold=fold, seed=seed
    ), None

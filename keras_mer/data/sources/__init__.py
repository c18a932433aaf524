"""Datasets: one module per dataset converts its files on disk to a manifest.

`load("fer2013", "data/fer2013")` detects the edition. An unusable row stays in the manifest with
``split="dropped"`` and the reason as its note.
"""

import inspect
import os
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from keras_mer import labels
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError, nearest

#: Source name -> module of this package. Each has `load(path, **options)` and `HELP`, which says
#: where to get the dataset and where to put it.
SOURCES = {
    "fer2013": "fer2013",
    "ferplus": "ferplus",
    "ckplus": "ckplus",
    "ck48": "ckplus",
    "ckextended": "ckplus",
    "rafdb": "rafdb",
    "affectnet": "affectnet",
    "expw": "expw",
    "jaffe": "jaffe",
    "pressfaces": "pressfaces",
    "folders": "folders",
    "synthetic": "synthetic",
    "flow-images": "flow_images",
    "casme2": "casme2",
    "smic": "smic",
    "samm": "samm",
    "megc2019": "megc2019",
    "mmew": "mmew",
    "casme3": "casme3",
    "clips": "clips",
}


def load(name: str, path: str | os.PathLike, **options: Any) -> Manifest:
    """Load the manifest of the dataset `name` at `path`.

    Its classes are those of the source in canonical names; its split column holds the official
    split if the source states one. For the options see the source's `load`.

    Raises:
        UserError: for an unknown source or option, a missing dataset (the message says what to
            download and where to put it), or an unknown layout.
    """
    if name not in SOURCES:
        raise UserError(
            f"unknown source '{name}'{nearest(name, SOURCES)}; known: {', '.join(SOURCES)}"
        )
    module = import_module(f"{__name__}.{SOURCES[name]}")
    path = Path(path)
    parameters = inspect.signature(module.load).parameters.values()
    known = [p.name for p in parameters if p.kind == p.KEYWORD_ONLY]
    for option in options:
        if option not in known and not any(p.kind == p.VAR_KEYWORD for p in parameters):
            has = ", ".join(known) or "none"
            raise UserError(
                f"source {name}: unknown option '{option}'{nearest(option, known)}; it has: {has}"
            )
    if not path.exists() and name != "synthetic":
        raise UserError(f"no {name} dataset at {path}: {module.HELP}")
    manifest = module.load(path, **options)
    # a composite states the dataset of each row itself
    return manifest.replace(replace(s, source=s.source or name) for s in manifest)


def relabel(manifest: Manifest, classes: Iterable[str]) -> Manifest:
    """Map a manifest to the vocabulary `classes`, by class name and `labels.merged`.

    A row whose class is not in the vocabulary (contempt, for ``fer7``) is dropped with a note.
    """
    classes = tuple(classes)
    samples = []
    for sample in manifest:
        label = labels.merged(sample.label, classes, sample.source) if sample.label else ""
        if sample.label and not label and sample.split != "dropped":
            note = f"{sample.label} is not in the vocabulary"
            sample = replace(sample, split="dropped", note=note)
        samples.append(replace(sample, label=label))
    return Manifest(tuple(samples), manifest.root, labels.vocabulary(classes))


def merge(manifests: Iterable[Manifest], classes: Iterable[str]) -> Manifest:
    """Merge several datasets into one manifest with the vocabulary `classes`, as by `relabel`.

    With more than one manifest, subjects and clips get their source as a prefix unless they have
    it already. The new root is the common parent folder of all roots.
    """
    classes = tuple(classes)
    manifests = [relabel(m, classes) for m in manifests]
    roots = [Path(os.path.abspath(m.root)) for m in manifests]
    root = Path(os.path.commonpath(roots))
    samples = []
    for manifest, own in zip(manifests, roots, strict=True):
        prefix = "" if own == root else own.relative_to(root).as_posix() + "/"
        for sample in manifest:
            named = with_prefixes(sample) if len(manifests) > 1 else sample
            samples.append(replace(named, path=prefix + sample.path))
    return Manifest(tuple(samples), root, labels.vocabulary(classes))


def with_prefixes(sample: Sample) -> Sample:
    """The sample with its source before subject and clip, unless they have it already."""
    own = f"{sample.source}:"
    named = {
        column: value if value.startswith(own) else own + value
        for column in ("subject", "clip")
        if (value := getattr(sample, column))
    }
    return replace(sample, **named)

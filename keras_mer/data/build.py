"""From the sources a recipe names to one manifest that is merged, split and free of leaks."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from keras_mer import emotions
from keras_mer.data import fingerprints, sources
from keras_mer.data.audit import Report, audit, drop_leaks, note_leaks
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import SPLITS, Manifest
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
    near: bool = False,
    progress: Progress | None = None,
) -> tuple[Manifest, Report]:
    """Load, merge, split and audit, and take the leaks out: what `make split` and training do.

    Args:
        spec, vocabulary: see `load_sources`.
        split, fractions, folds, fold, seed: see `keras_mer.data.split.split`; pixel-identical
            images stay on one side of a stratified split.
        drop_duplicates: drop a train image that is pixel-identical to one of validation or test,
            and a validation image identical to one of test. Otherwise they stay, and the note of
            the validation or test row names the train image it equals.
        near: also look for near-duplicates, which are reported and never dropped.
        progress: shows bars, e.g. `keras_mer.progress.track`.

    Returns:
        The manifest, in which every row stands (unusable ones as dropped, with a note), and the
        report of the audit before duplicates were dropped.

    Raises:
        UserError: for a missing dataset, or a class that has no sample in a split.
    """
    manifest = load_sources(spec, vocabulary)
    prints = fingerprints.take(manifest, progress=progress)
    samples = list(manifest.samples)
    for row, reason in prints.unreadable.items():
        samples[row] = replace(samples[row], split="dropped", note=reason)
    manifest = split_manifest(
        manifest.replace(samples),
        split,
        fractions=fractions,
        folds=folds,
        fold=fold,
        seed=seed,
        groups=prints.duplicated(),
    )
    report = audit(manifest, prints=prints, near=near, progress=progress)
    manifest = drop_leaks(manifest, report) if drop_duplicates else note_leaks(manifest, report)
    for name in SPLITS:
        if manifest.counts("split")[name]:
            manifest.part(name)  # says which class is missing
    return manifest, report

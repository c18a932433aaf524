"""From the sources a recipe names to one manifest that is merged, split and free of leaks."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from keras_mer import labels
from keras_mer.config.recipe import Recipe
from keras_mer.data import fingerprints, frame_sampling, sources
from keras_mer.data.audit import TWIN_NOTE, Report, audit, drop_leaks, note_leaks
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import SPLITS, Manifest
from keras_mer.data.split import split as split_manifest
from keras_mer.errors import UserError
from keras_mer.files import write_json
from keras_mer.progress import console, track


def load_sources(
    spec: Mapping[str, str | os.PathLike | Mapping], vocabulary: str | Iterable[str]
) -> Manifest:
    """The sources of `spec`, merged under a vocabulary: name -> path, or -> path and options.

    The name is the source's (`keras_mer.data.sources.SOURCES`) unless the mapping says another
    with ``source: folders``: then the name is only what the manifest's source column holds. Rows
    of a composite keep the dataset they come from. ``stills: 3`` takes the 3 frames of each clip
    that are nearest to its apex, as images (see `stills.explode`).
    """
    classes = labels.vocabulary(vocabulary)
    if not spec:
        raise UserError("no data source given: name one, e.g. fer2013: data/fer2013")
    manifests = []
    for name, value in spec.items():
        options = dict(value) if isinstance(value, Mapping) else {"path": value}
        if "path" not in options:
            raise UserError(f"source {name}: the key 'path' is missing")
        kind, frames = options.pop("source", name), options.pop("stills", 0)
        # relabelled first: what a class counts as depends on the dataset, not on its name here
        loaded = sources.relabel(sources.load(kind, options.pop("path"), **options), classes)
        if frames:
            loaded = frame_sampling.explode(loaded, frames)
        own = (replace(s, source=name) if s.source == kind else s for s in loaded)
        manifests.append(loaded.replace(own))
    return sources.merge(manifests, classes)


def prepare(
    spec: Mapping[str, str | os.PathLike | Mapping],
    *,
    vocabulary: str | Iterable[str] = "fer7",
    split: str = "official",
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    folds: int = 5,
    fold: int = 0,
    seed: int = 0,
    near: bool = False,
    progress: Progress | None = None,
) -> tuple[Manifest, Report]:
    """Load, merge, split and audit, and leave the leaks in: see `build`."""
    manifest = load_sources(spec, vocabulary)
    prints = fingerprints.take(manifest, progress=progress)
    samples = list(manifest.samples)
    for row, reason in prints.unreadable.items():
        samples[row] = replace(samples[row], split="dropped", note=reason)
    kept = [s for s in samples if s.split != "dropped"]
    if split == "official" and all(s.subject and not s.split for s in kept):
        split = "subject"  # no set of clips states a split
    manifest = split_manifest(
        manifest.replace(samples),
        split,
        fractions=fractions,
        folds=folds,
        fold=fold,
        seed=seed,
        groups=[
            a or b
            for a, b in zip(frame_sampling.shared(manifest), prints.duplicated(), strict=True)
        ],
    )
    return manifest, audit(manifest, prints=prints, near=near, progress=progress)


def build(
    spec: Mapping[str, str | os.PathLike | Mapping], *, drop_duplicates: bool = True, **how
) -> tuple[Manifest, Report]:
    """Load, merge, split and audit, and take the leaks out: what `make split` and training do.

    Args:
        spec: see `load_sources`.
        drop_duplicates: drop a train image that is pixel-identical to one of validation or test,
            and a validation image identical to one of test. Otherwise they stay, and the note of
            the later split's row names the one it equals.
        how: `prepare`'s keywords: vocabulary; split, fractions, folds, fold and seed, see
            `keras_mer.data.split.split` (identical images, and frames of a clip, stay on one
            side of a stratified split; official is by subject where no source states a split and
            all name their subjects); near, to look for near-duplicates too, which are reported
            and never dropped; progress, which shows bars, e.g. `keras_mer.progress.track`.

    Returns:
        The manifest, in which every row stands (unusable ones as dropped, with a note), and the
        report of the audit before duplicates were dropped.

    Raises:
        UserError: for a missing dataset, or a class that has no sample in a split.
    """
    manifest, report = prepare(spec, **how)
    manifest = drop_leaks(manifest, report) if drop_duplicates else note_leaks(manifest, report)
    for name in SPLITS:
        if manifest.counts("split")[name]:
            manifest.part(name)  # says which class is missing
    return manifest, report


def manifest_for(
    recipe: Recipe, path: str | os.PathLike | None = None, *, renew: bool = False
) -> Manifest:
    """A recipe's manifest: read from `path`, or built and written there if it is not there yet.

    Beside the csv stands a .json with the data settings it was built by; a csv without one (made
    by hand) is taken as it is.

    Args:
        recipe: whose `data` to build.
        path: default ``data/manifests/<recipe's name>.csv``.
        renew: build it whether it is there or not.

    Raises:
        UserError: as `build` does, and for a manifest that was built by other settings.
    """
    path = Path(path or f"data/manifests/{recipe.name}.csv")
    beside = path.with_suffix(".json")
    settings = json.loads(json.dumps(dataclasses.asdict(recipe.data), default=str))
    del settings["preprocessing"]  # says how the pixels were made, not which rows there are
    if path.is_file() and not renew:
        if beside.is_file() and (made := json.loads(beside.read_text("utf-8"))) != settings:
            changed = [
                f"{k} {made.get(k)} (now {v})" for k, v in settings.items() if made.get(k) != v
            ]
            raise UserError(
                f"{path} was built with {', '.join(changed)}: run make split with the same "
                "settings to build it again, or name another file with --manifest"
            )
        manifest = Manifest.read(path)
        labels.check_same_classes(
            labels.vocabulary(recipe.data.vocabulary), manifest.classes, where=str(path)
        )
        return manifest
    how = dict(settings)
    manifest, _ = build(how.pop("sources"), progress=track, **how)
    manifest.write(path)
    write_json(beside, settings)
    console.print(f"{describe(manifest)}\nwrote {path}", markup=False)
    return Manifest.read(path)


def describe(manifest: Manifest) -> str:
    """Samples by split and class as a text table, and what was dropped and why."""
    names = [n for n in SPLITS if manifest.counts("split")[n]]
    counts = Counter((s.split, s.label) for s in manifest)
    rows = [["", *names]]
    rows += [[c, *(f"{counts[n, c]:,}" for n in names)] for c in manifest.classes]
    rows.append(["all", *(f"{manifest.counts('split')[n]:,}" for n in names)])
    lines = [f"{row[0]:<12}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows]
    dropped = [s for s in manifest if s.split == "dropped"]
    twins = [s for s in dropped if s.note.startswith(TWIN_NOTE)]
    others = [s for s in dropped if not s.note.startswith(TWIN_NOTE)]
    if twins:
        lines.append(f"dropped as pixel-identical to one of a later split: {len(twins):,}")
    if others:
        lines.append(f"dropped as unusable: {len(others):,}")
        lines += [f"  {s.path}: {s.note}" for s in others[:5]]
        lines += [f"  and {len(others) - 5:,} more: see the manifest's notes"] * (len(others) > 5)
    return "\n".join(lines)

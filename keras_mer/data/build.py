"""Building a manifest from a recipe's sources: loaded, merged, split, without leaks."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from keras_mer import labels
from keras_mer.config.recipe import Recipe
from keras_mer.data import fingerprints, frame_sampling, sources
from keras_mer.data.audit import Report, audit, drop_leaks, dropped_for, mark_duplicates
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import SPLITS, Manifest, Sample
from keras_mer.data.split import split as split_manifest
from keras_mer.errors import UserError
from keras_mer.files import write_json
from keras_mer.progress import console, track

#: The default shares of train, validation and test.
FRACTIONS = (0.8, 0.1, 0.1)


def load_sources(
    spec: Mapping[str, str | os.PathLike | Mapping], vocabulary: str | Iterable[str]
) -> Manifest:
    """Load the sources of `spec` and merge them under one vocabulary.

    Args:
        spec: name -> path, or name -> mapping with path and options of the source. The name is
            that of a source (`keras_mer.data.sources.SOURCES`), unless the option ``source`` names
            it; then the name is only the value of the manifest's source column. Rows of a
            composite dataset keep the name of the dataset that they come from. The option
            ``stills: 3`` takes the 3 frames of each clip nearest to its apex as images (see
            `frame_sampling.explode`).
        vocabulary: name of a vocabulary, or class names.

    Raises:
        UserError: for an empty spec, a missing path, or as `sources.load`.
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
        # Relabeled first: how classes map depends on the dataset, not on its name in the spec.
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
    fractions: Sequence[float] = FRACTIONS,
    folds: int = 5,
    fold: int = 0,
    seed: int = 0,
    hold_out: float = 0.0,
    near: bool = False,
    progress: Progress | None = None,
) -> tuple[Manifest, Report]:
    """Load, merge, split and audit; leaks stay in the manifest. Arguments: see `build`."""
    manifest = load_sources(spec, vocabulary)
    prints = fingerprints.take(manifest, progress=progress)
    manifest = prints.fill(manifest)
    kept = [s for s in manifest if s.split != "dropped"]
    if split == "official" and all(s.subject and not s.split for s in kept):
        split = "subject"  # datasets of clips state no official split
    if hold_out and not any(s.split for s in kept):
        raise UserError(
            "split.hold_out has no effect: no source states its train part; set split.fractions"
        )
    changed = tuple(fractions) != FRACTIONS or (seed and not hold_out)
    if split == "official" and changed and _stated_completely(kept):
        raise UserError(
            "split.fractions and split.seed have no effect: every source states its train, "
            "validation and test parts; leave them out, or set split.method=subject or stratified"
        )
    manifest = split_manifest(
        manifest,
        split,
        fractions=fractions,
        folds=folds,
        fold=fold,
        seed=seed,
        groups=[
            a or b
            for a, b in zip(frame_sampling.clip_groups(manifest), prints.duplicated(), strict=True)
        ],
        hold_out=hold_out,
    )
    return manifest, audit(manifest, prints=prints, near=near, progress=progress)


def _stated_completely(samples: Sequence[Sample]) -> bool:
    """Whether no source leaves a part of the official split to `split.official`."""
    stated: dict[str, set[str]] = {}
    for sample in samples:
        stated.setdefault(sample.source, set()).add(sample.split)
    return all(parts - {""} and parts != {"train", "test"} for parts in stated.values())


def build(
    spec: Mapping[str, str | os.PathLike | Mapping], *, drop_duplicates: bool = True, **how
) -> tuple[Manifest, Report]:
    """Load, merge, split, audit and remove leaks, as `make split` and training do.

    Args:
        spec: see `load_sources`.
        drop_duplicates: drop train images that are pixel-identical to one of validation or test,
            and validation images identical to one of test. Otherwise they stay. Either way,
            `duplicate_of` of validation and test rows names the train row with the same pixels.
        how: keywords of `prepare`: vocabulary; split, fractions, folds, fold, seed and
            hold_out, see `keras_mer.data.split.split` (identical images, and frames of one clip,
            stay in one part of a stratified split; official is by subject where no source states a
            split and all rows have a subject); near, to search for near-duplicates too, which are
            reported and never dropped; progress, which shows bars, e.g.
            `keras_mer.progress.track`.

    Returns:
        The manifest with all rows (unusable ones as dropped, with a note), and the report of the
        audit before duplicates were dropped.

    Raises:
        UserError: for a missing dataset, or a class that has no sample in a split.
    """
    manifest, report = prepare(spec, **how)
    manifest = (drop_leaks if drop_duplicates else mark_duplicates)(manifest, report)
    for name in SPLITS:
        if manifest.counts("split")[name]:
            manifest.part(name)  # raises if a class is missing
    return manifest, report


def prepare_folds(
    manifest: Manifest, *, drop_duplicates: bool = True, progress: Progress | None = None
) -> tuple[Manifest, list[str]]:
    """Audit loaded sources before cross-validation, and remove what would leak between folds.

    Identical samples of different subjects, datasets or stated splits can be in train and test of
    a fold. The rows of one side are kept: of the latest stated split, else those that come first
    in the manifest. Repeats within one subject are never separated by folds over subjects; they
    stay, and are reported. Uniform images show nothing, hence are no duplicates of each other.

    Args:
        manifest: from `load_sources`, without folds.
        drop_duplicates: whether to drop the duplicates; otherwise they stay, with `duplicate_of`
            set, and are reported.
        progress: shows bars, e.g. `keras_mer.progress.track`.

    Returns:
        The manifest with all rows, digests filled, duplicates and unreadable rows dropped with a
        note; and the findings, a line each, empty if there is nothing to report.
    """
    prints = fingerprints.take(manifest, progress=progress)
    manifest = prints.fill(manifest)
    report, samples = audit(manifest, prints=prints, near=False), list(manifest.samples)
    leaks, repeats = [], []
    for group in report.identical:
        if not prints.clips and prints.contrast[group[0]] == 0:
            continue
        # Of rows with the same split, max returns the first.
        kept = samples[max(group, key=lambda i: ("", *SPLITS).index(samples[i].split))]
        for row in (i for i in group if samples[i] is not kept):
            if _side(samples[row]) == _side(kept):
                repeats.append((row, kept))
                continue
            leaks.append((row, kept))
            samples[row] = (
                dropped_for(samples[row], kept)
                if drop_duplicates
                else replace(samples[row], duplicate_of=kept.path)
            )
    action = "dropped" if drop_duplicates else "kept, because data.drop_duplicates is false"
    noun, findings = report.noun, []
    for found, what in (
        (leaks, f"{noun}s identical to one of another subject, dataset or split, {action}"),
        (repeats, f"{noun}s identical to one of the same subject, kept"),
    ):
        if found:
            row, kept = found[0]
            findings.append(f"{len(found):,} {what}; first: {samples[row].path} = {kept.path}")
    for rows, what in (
        ([g[0] for g in report.conflicting], f"groups of identical {noun}s with different labels"),
        (report.blank, f"blank {noun}s, kept"),
        (list(report.unreadable), f"unreadable {noun}s, dropped"),
    ):
        if rows:
            first = report.unreadable.get(rows[0], samples[rows[0]].path)
            findings.append(f"{len(rows):,} {what}; first: {first}")
    return manifest.replace(samples), findings


def _side(sample: Sample) -> tuple[str, str, str]:
    """What folds may separate: rows that are equal in this are always on one side."""
    return sample.subject, sample.source, sample.split


def manifest_for(
    recipe: Recipe, path: str | os.PathLike | None = None, *, renew: bool = False
) -> Manifest:
    """A recipe's manifest: read from `path`, or built and written there if it does not exist.

    A .json file beside the CSV holds the data settings that it was built with; a CSV without one
    (made by hand) is used as it is.

    Args:
        recipe: whose `data` to build and to divide by its `split`.
        path: default ``data/manifests/<recipe's name>.csv``.
        renew: build it even if it exists.

    Raises:
        UserError: as `build`, and for a manifest that was built with other settings.
    """
    path = Path(path or f"data/manifests/{recipe.name}.csv")
    beside = path.with_suffix(".json")
    settings = keywords(recipe)
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


def keywords(recipe: Recipe) -> dict:
    """The keywords of `build`, and of `prepare` but for drop_duplicates, with `sources` as spec."""
    data, split = recipe.data, recipe.split
    values = {
        "sources": data.sources,
        "vocabulary": data.vocabulary,
        "split": split.method,
        "fractions": split.fractions,
        "folds": split.folds,
        "fold": split.fold,
        "seed": split.seed,
        "drop_duplicates": data.drop_duplicates,
    }
    if split.hold_out:  # left out at its default, which manifests of earlier versions do not name
        values["hold_out"] = split.hold_out
    return json.loads(json.dumps(values, default=str))


def describe(manifest: Manifest) -> str:
    """Number of samples by split and class as a text table; dropped rows with reasons."""
    names = [n for n in SPLITS if manifest.counts("split")[n]]
    counts = Counter((s.split, s.label) for s in manifest)
    rows = [["", *names]]
    rows += [[c, *(f"{counts[n, c]:,}" for n in names)] for c in manifest.classes]
    rows.append(["all", *(f"{manifest.counts('split')[n]:,}" for n in names)])
    lines = [f"{row[0]:<12}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows]
    dropped = [s for s in manifest if s.split == "dropped"]
    duplicates = [s for s in dropped if s.duplicate_of]
    others = [s for s in dropped if not s.duplicate_of]
    if duplicates:
        lines.append(f"dropped as pixel-identical to one of a later split: {len(duplicates):,}")
    if others:
        lines.append(f"dropped as unusable: {len(others):,}")
        lines += [f"  {s.path}: {s.note}" for s in others[:5]]
        lines += [f"  and {len(others) - 5:,} more: see the manifest's notes"] * (len(others) > 5)
    return "\n".join(lines)

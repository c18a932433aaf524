"""Seeded splits of a manifest into train, validation and test, optionally by subject.

Dropped rows stay dropped and are ignored by every method.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from keras_mer.data.manifest import SPLITS, Manifest, Sample
from keras_mer.errors import UserError, nearest


def split(
    manifest: Manifest,
    method: str,
    *,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    folds: int = 5,
    fold: int = 0,
    seed: int = 0,
    groups: Sequence[str] | None = None,
    hold_out: float = 0.0,
) -> Manifest:
    """Fill the split column of a manifest.

    Methods:
        official: keep the split that the source states. A source that states train and test but
            no validation gets one from its train rows, of size `fractions`; one that states
            nothing is split by subject when every subject is known, else stratified.
        stratified: by class, at random.
        subject: no subject in two parts, classes as balanced as whole subjects allow.
        kfold: fold number `fold` of `folds` is test, the next one validation, the rest train; by
            subject when every subject is known, else stratified.

    Args:
        fractions: of train, validation and test; a fraction may be 0.
        folds, fold: for kfold, `fold` from 0.
        seed: of the shuffling; the same seed gives the same split.
        groups: a key for each row, ``""`` for none: rows of one key (pixel-identical images)
            stay in one part in the stratified splits.
        hold_out: for official, the share of each source's stated train rows that become
            validation (see `is_held_out`). What the source states as validation is test then, and
            what it states as test beside a validation part is dropped. Sources that state nothing
            are split by `fractions`.

    Raises:
        UserError: for an unknown method, an official split that no source states, missing subjects,
            or invalid fractions or folds.
    """
    if method not in METHODS:
        raise UserError(
            f"unknown split '{method}'{nearest(method, METHODS)}; known: {', '.join(METHODS)}"
        )
    fractions = _check_fractions(fractions)
    if method == "kfold" and not (folds >= 3 and 0 <= fold < folds):
        raise UserError(
            f"kfold: expected 3 folds or more and 0 <= fold < folds, got {fold}/{folds}"
        )
    rows = [i for i, s in enumerate(manifest) if s.split != "dropped"]
    if not rows:
        raise UserError("no sample to split: every row of the manifest is dropped")
    keys = list(groups) if groups is not None else [""] * len(manifest)
    assigned = METHODS[method](
        [manifest.samples[i] for i in rows],
        [keys[i] for i in rows],
        fractions=fractions,
        folds=folds,
        fold=fold,
        seed=seed,
        hold_out=hold_out,
    )
    samples = list(manifest.samples)
    for i, name in zip(rows, assigned, strict=True):
        note = _LEFT_OUT if name == "dropped" else samples[i].note
        samples[i] = replace(samples[i], split=name, note=note)
    return manifest.replace(samples)


_LEFT_OUT = "left out: with split.hold_out the stated validation part is the test part"


def is_held_out(sample: Sample, share: float, seed: int = 0) -> bool:
    """Whether `split.hold_out` takes a train row for validation.

    Decided by a hash of the person where known, else of the pixels: the same image is held out in
    every recipe with this share and seed, whatever its labels and the other sources are, so that a
    model is never validated on an image that its teacher or its start weights learned from.

    Args:
        sample: with its digest.
        share: expected share of the images, 0 to 1.
        seed: another seed holds out other images.
    """
    key = sample.subject or sample.digest or sample.path
    number = hashlib.sha1(f"{seed}:{key}".encode()).hexdigest()[:8]
    return int(number, 16) < share * 2**32


def subsample(manifest: Manifest, share: float, seed: int = 0) -> Manifest:
    """Keep a share of the train rows of each class, at least one; the others are dropped.

    Args:
        manifest: with its splits; validation and test are unchanged.
        share: the fraction, above 0, at most 1.
        seed: of the sampling. With the same seed, a smaller subsample is part of a larger one.

    Raises:
        UserError: for a share outside this range.
    """
    if not 0 < share <= 1:
        raise UserError(f"share: expected a number above 0, at most 1, got {share:g}")
    random = np.random.default_rng(seed)
    samples = list(manifest.samples)
    for label in manifest.classes:
        rows = [i for i, s in enumerate(samples) if s.split == "train" and s.label == label]
        for i in random.permutation(rows)[max(1, round(share * len(rows))) :]:
            note = f"left out: only {share:g} of train is used"
            samples[i] = replace(samples[i], split="dropped", note=note)
    return manifest.replace(samples)


def _official(
    samples: list[Sample], keys: list[str], *, fractions, seed, hold_out, **_
) -> list[str]:
    out = [s.split for s in samples]
    if not any(out):
        raise UserError(
            "split official: the source states no split; choose stratified, subject or kfold"
        )
    for source in sorted({s.source for s in samples}):
        rows = [i for i, s in enumerate(samples) if s.source == source]
        stated = {out[i] for i in rows}
        if not stated - {""}:
            shares = fractions
        elif hold_out and "" not in stated:
            later = {"validation": "test", "test": "dropped" if "validation" in stated else "test"}
            for i in rows:
                held = out[i] == "train" and is_held_out(samples[i], hold_out, seed)
                out[i] = "validation" if held else later.get(out[i], out[i])
            continue
        elif stated == {"train", "test"}:  # test is kept: validation comes from train
            rows = [i for i in rows if out[i] == "train"]
            whole = fractions[0] + fractions[1]
            shares = (fractions[0] / whole, fractions[1] / whole, 0.0)
        elif "" in stated:
            raise UserError(f"split official: {source} states a split for a part of its rows only")
        else:
            continue
        own = [samples[i] for i in rows]
        groups = _subjects_or_keys([keys[i] for i in rows], own)
        for i, name in zip(rows, _fractions(own, groups, shares, seed), strict=True):
            out[i] = name
    return out


def _stratified(samples: list[Sample], keys: list[str], *, fractions, seed, **_) -> list[str]:
    return _fractions(samples, keys, fractions, seed)


def _by_subject(samples: list[Sample], keys: list[str], *, fractions, seed, **_) -> list[str]:
    _require_subjects(samples)
    return _fractions(samples, [s.subject for s in samples], fractions, seed)


def _kfold(samples: list[Sample], keys: list[str], *, folds, fold, seed, **_) -> list[str]:
    groups = _subjects_or_keys(keys, samples)
    numbers = _assign_groups([s.label for s in samples], groups, [1 / folds] * folds, seed)
    names = {fold: "test", (fold + 1) % folds: "validation"}
    return [names.get(n, "train") for n in numbers]


METHODS: dict[str, Callable[..., list[str]]] = {
    "official": _official,
    "stratified": _stratified,
    "subject": _by_subject,
    "kfold": _kfold,
}


def _check_fractions(fractions: Sequence[float]) -> tuple[float, ...]:
    shares = tuple(float(f) for f in fractions)
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or shares[0] == 0:
        raise UserError(
            "fractions: expected three shares (train, validation, test) that add up to 1, "
            f"got {', '.join(f'{s:g}' for s in shares)}"
        )
    return shares


def _require_subjects(samples: list[Sample]) -> None:
    unknown = [s for s in samples if not s.subject]
    if unknown:
        raise UserError(
            f"a split by subject needs every subject: {len(unknown):,} of {len(samples):,} samples "
            f"have none, e.g. {unknown[0].path}"
        )


def _subjects_or_keys(keys: list[str], samples: list[Sample]) -> list[str]:
    return [s.subject for s in samples] if all(s.subject for s in samples) else keys


def _fractions(samples: list[Sample], keys: list[str], shares, seed: int) -> list[str]:
    return [SPLITS[part] for part in _assign_groups([s.label for s in samples], keys, shares, seed)]


def _assign_groups(
    labels: list[str], keys: list[str], shares: Sequence[float], seed: int
) -> list[int]:
    """Assign whole groups to parts of the given fractions, with classes as balanced as possible.

    Greedy: the largest groups first, in random order among equals, each to the part p where it
    reduces sum((missing[p, c] ** 2) / wanted[p, c]) over the classes c most. Rare and common
    classes have the same weight. For groups of one sample it is the Sainte-Lague method: every part
    gets its fraction of every class to within one sample. A sample without a key is a group of its
    own.
    """
    column = {name: i for i, name in enumerate(sorted(set(labels)))}
    groups: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key or f"\0{i}", []).append(i)
    members = list(groups.values())
    table = np.zeros((len(members), len(column)))
    for row, group in enumerate(members):
        for i in group:
            table[row, column[labels[i]]] += 1
    shuffled = np.random.default_rng(seed).permutation(len(members))
    order = shuffled[np.argsort(-table[shuffled].sum(1), kind="stable")]
    parts = np.flatnonzero(shares)
    wanted = np.outer(np.asarray(shares)[parts], table.sum(0))  # (parts, classes)
    missing = wanted.copy()
    out = [0] * len(labels)
    for row in order:
        lowered = ((2 * missing - table[row]) * table[row] / wanted).sum(1)
        best = int(np.argmax(lowered))
        missing[best] -= table[row]
        for i in members[row]:
            out[i] = int(parts[best])
    return out

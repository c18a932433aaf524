"""Subsets of the training rows: fewer labels, and a held-out part for model selection."""

import dataclasses
from collections import defaultdict

import numpy as np

from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError


def order(manifest: Manifest, seed: int) -> np.ndarray:
    """Row numbers in an order whose every prefix is a stratified sample: int64 (samples,).

    Each prefix has the classes in their proportions, starting with one row of each. Where every
    row has a subject, subjects follow one another, each stratified within itself: few labels are
    then labels of few people.
    """
    random = np.random.default_rng(seed)
    groups: dict[str, list[int]] = defaultdict(list)
    by_subject = all(s.subject for s in manifest)
    for row, sample in enumerate(manifest):
        groups[sample.subject if by_subject else ""].append(row)
    names = sorted(groups)
    out = [
        _stratified(manifest.samples, groups[names[i]], random)
        for i in random.permutation(len(names))
    ]
    return np.concatenate(out)


def _stratified(samples: tuple[Sample, ...], rows: list[int], random) -> np.ndarray:
    by_class: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_class[samples[row].label].append(row)
    places = []
    for name in sorted(by_class):
        own = random.permutation(by_class[name])
        # The first row of every class at the start, the others at equal distances.
        place = np.where(np.arange(len(own)) == 0, 0, (np.arange(len(own)) + random.uniform()))
        places += [(p / len(own), random.uniform(), row) for p, row in zip(place, own, strict=True)]
    return np.array([row for _, _, row in sorted(places)], np.int64)


def few_labels(manifest: Manifest, fraction: float, seed: int) -> Manifest:
    """The manifest with a fraction of its train rows; the other train rows are dropped.

    For one seed, a smaller fraction is a subset of a larger one (see `order`). A few more rows are
    kept where a class would be missing.

    Raises:
        UserError: for a fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise UserError(f"labels: expected a share above 0 and up to 1, got {fraction:g}")
    if fraction == 1:
        return manifest
    train = [i for i, s in enumerate(manifest) if s.split == "train"]
    part = manifest.replace(manifest.samples[i] for i in train)
    rows = order(part, seed)
    count = max(1, round(fraction * len(rows)))
    labels = np.array([s.label for s in part])[rows]
    missing = set(labels) - set(labels[:count])
    if missing:
        count = max(int(np.argmax(labels == name)) + 1 for name in missing)
    kept = {train[i] for i in rows[:count]}
    return manifest.replace(
        dataclasses.replace(s, split="dropped", note="label not used")
        if s.split == "train" and i not in kept
        else s
        for i, s in enumerate(manifest)
    )


def hold_out(manifest: Manifest, share: float, seed: int = 0) -> Manifest:
    """Without a test split, validation becomes test and a share of train becomes validation.

    Epochs are then selected on samples that no score is reported on. The new validation split is
    of whole subjects where every row has one. A manifest with a test split, or a share of 0, is
    returned unchanged.
    """
    if not share or manifest.counts("split")["test"]:
        return manifest
    chosen = few_labels(manifest, share, seed)
    taken = {i for i, s in enumerate(chosen) if s.split == "train"}

    def place(row: int, sample: Sample) -> Sample:
        if sample.split == "validation":
            return dataclasses.replace(sample, split="test")
        return dataclasses.replace(sample, split="validation") if row in taken else sample

    return manifest.replace(place(i, s) for i, s in enumerate(manifest))

"""Leak audit of a manifest: duplicates across splits, conflicting labels, broken rows."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from keras_mer.data import fingerprints, frame_sampling
from keras_mer.data.fingerprints import Fingerprints
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import SPLITS, Manifest, Sample
from keras_mer.files import replacing, write_text

#: Correlation of 16x16 thumbnails above which two images count as near-duplicates. Chosen by
#: inspection of FER2013: above 0.97 nearly every pair is one photograph with another crop,
#: brightness or watermark; below 0.96 pairs show different people.
NEAR = 0.97
#: Standard deviation of the gray pixels below which an image counts as blank.
BLANK = 2.0

COLUMNS = ("finding", "group", "path", "split", "label", "subject", "detail")
_RANK = {name: rank for rank, name in enumerate(SPLITS)}


@dataclass(frozen=True)
class Report:
    """Findings of an audit. Numbers are rows of `manifest`; dropped rows were not audited.

    Attributes:
        manifest: the audited manifest.
        identical: groups of pixel-identical samples, two rows or more each.
        across: the groups of `identical` that are in more than one split.
        duplicates: validation or test row -> row of an earlier split (train before validation
            before test) with the same pixels; a train row where there is one.
        conflicting: groups of `identical` whose rows have different labels.
        near: pairs (row, row, correlation) of near-duplicates, highest correlation first; None if
            they were not searched for, as for clips.
        blank: rows whose image is flat, or whose clip does not change at all.
        unreadable: row -> why it cannot be read.
        subjects: subject in more than one split -> its rows.
        single: subject with several samples of only one class -> its rows; left out alone, such
            a subject has no recall for the other classes.
        sizes: split -> number of audited samples by class.
        frames: where images are frames of clips: leaks of this split, and of a random split.
        noun: what the rows are, image or clip.
    """

    manifest: Manifest
    identical: list[list[int]]
    across: list[list[int]]
    duplicates: dict[int, int]
    conflicting: list[list[int]]
    near: list[tuple[int, int, float]] | None
    blank: list[int]
    unreadable: dict[int, str]
    subjects: dict[str, list[int]]
    single: dict[str, list[int]] = field(default_factory=dict)
    sizes: dict[str, Counter] = field(default_factory=dict)
    frames: list[frame_sampling.SplitLeak] = field(default_factory=list)
    noun: str = "image"

    def duplicates_in_train(self, split: str) -> int:
        """Number of samples of a split that are pixel-identical to a train sample."""
        samples = self.manifest.samples
        return sum(
            samples[row].split == split and samples[other].split == "train"
            for row, other in self.duplicates.items()
        )

    def near_across(self) -> list[tuple[int, int, float]]:
        """The pairs of near-duplicates in two different splits."""
        samples = self.manifest.samples
        return [p for p in self.near or [] if samples[p[0]].split != samples[p[1]].split]

    def dropped(self) -> list[int]:
        """The rows that were dropped before the audit, unreadable ones excluded."""
        rows = enumerate(self.manifest)
        return [i for i, s in rows if s.split == "dropped" and i not in self.unreadable]

    def findings(self) -> Iterator[tuple]:
        """All findings as rows of `COLUMNS`."""
        for kind, groups in (
            ("identical", self.identical),
            ("identical across splits", self.across),
            ("conflicting labels", self.conflicting),
        ):
            for number, group in enumerate(groups, 1):
                yield from (self._row(kind, number, row) for row in group)
        for number, (row, other) in enumerate(sorted(self.duplicates.items()), 1):
            yield self._row("duplicate of an earlier split", number, row, self._name(other))
        for number, (row, other, value) in enumerate(self.near or [], 1):
            yield self._row("near-duplicate", number, row, f"correlation {value:.4f}")
            yield self._row("near-duplicate", number, other, f"correlation {value:.4f}")
        for number, rows in enumerate(self.subjects.values(), 1):
            yield from (self._row("subject in two splits", number, row) for row in rows)
        for number, rows in enumerate(self.single.values(), 1):
            yield from (self._row("subject with a single class", number, row) for row in rows)
        for number, row in enumerate(self.blank, 1):
            yield self._row("blank", number, row)
        for number, (row, reason) in enumerate(self.unreadable.items(), 1):
            yield self._row("unreadable", number, row, reason)
        for number, row in enumerate(self.dropped(), 1):
            yield self._row("dropped before", number, row, self.manifest.samples[row].note)

    def _row(self, kind: str, group: int, row: int, detail: str = "") -> tuple:
        s = self.manifest.samples[row]
        return kind, group, s.path, s.split, s.label, s.subject, detail

    def _name(self, row: int) -> str:
        s = self.manifest.samples[row]
        return f"{s.path} ({s.split})" if s.split else s.path

    def summary(self) -> list[tuple[str, int | None]]:
        """Description and count of each kind of finding; None for what was not searched for."""
        lines: list[tuple[str, int | None]] = [
            (f"groups of pixel-identical {self.noun}s", len(self.identical)),
            ("such groups across splits", len(self.across)),
        ]
        lines += [
            (
                f"{split} {self.noun}s pixel-identical to a train {self.noun}",
                self.duplicates_in_train(split),
            )
            for split in SPLITS[1:]
            if split in self.sizes
        ]
        lines += [
            (f"groups of identical {self.noun}s with conflicting labels", len(self.conflicting)),
            (f"near-duplicate pairs (correlation above {NEAR})", _count(self.near)),
            (
                "such pairs across splits",
                None if self.near is None else len(self.near_across()),
            ),
            ("subjects in more than one split", len(self.subjects)),
            ("subjects with a single class", len(self.single)),
            (f"{self._blank()} (pixel std below {BLANK:g})", len(self.blank)),
            (f"unreadable {self.noun}s", len(self.unreadable)),
            ("rows dropped before the audit", len(self.dropped())),
        ]
        return lines

    def _blank(self) -> str:
        return "blank images" if self.noun == "image" else "blank or frozen clips"

    def markdown(self) -> str:
        """The report as a Markdown page: counts, class balance, first rows of each finding."""
        out = ["# Audit", "", "| finding | count |", "| --- | ---: |"]
        out += [
            f"| {what} | {'not searched for' if n is None else f'{n:,}'} |"
            for what, n in self.summary()
        ]
        names = list(self.sizes)
        out += ["", "## Classes", "", f"| class | {' | '.join(n or 'no split' for n in names)} |"]
        out.append(f"| --- |{' ---: |' * len(names)}")
        for label in self.manifest.classes:
            cells = (
                f"{self.sizes[n][label]:,} ({self.sizes[n][label] / self.sizes[n].total():.1%})"
                for n in names
            )
            out.append(f"| {label} | {' | '.join(cells)} |")
        totals = " | ".join(f"{self.sizes[n].total():,}" for n in names)
        out += [f"| all | {totals} |", ""]
        if self.frames:
            out += ["", "## Frames of clips", "", *frame_sampling.table(self.frames), ""]
        shown: Counter = Counter()
        for kind, group, path, split, label, _, detail in self.findings():
            shown[kind] += 1
            if shown[kind] == 1:
                out += ["", f"## {kind.capitalize()}", ""]
            if shown[kind] <= 10:
                what = ", ".join(filter(None, (split, label, detail)))
                out.append(f"- {group}: `{path}` ({what})")
            if shown[kind] == 11:
                out.append("- and more: see findings.csv")
        return "\n".join(out) + "\n"

    def write(self, folder: str | os.PathLike) -> tuple[Path, Path]:
        """Write audit.md and findings.csv (one line per row of a finding); return both paths."""
        page, table = Path(folder) / "audit.md", Path(folder) / "findings.csv"
        write_text(page, self.markdown())
        with replacing(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(self.findings())
        return page, table


def _count(rows: list | None) -> int | None:
    return None if rows is None else len(rows)


def audit(
    manifest: Manifest,
    *,
    prints: Fingerprints | None = None,
    near: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Search the rows that are not dropped for leaks and broken samples.

    Args:
        manifest: with or without splits; without, findings about splits are empty.
        prints: the fingerprints of these rows, if they were taken before.
        near: also search for near-duplicates: a comparison of all pairs, some seconds for 32,000
            images and quadratic in their number.
        progress: shows progress bars, e.g. `keras_mer.progress.track`.
    """
    if prints is None:
        prints = fingerprints.take(manifest, progress=progress)
    samples = manifest.samples
    rows = [i for i, s in enumerate(samples) if s.split != "dropped"]
    groups: dict[str, list[int]] = defaultdict(list)
    people: dict[str, list[int]] = defaultdict(list)
    sizes: dict[str, Counter] = {name: Counter() for name in (*SPLITS, "")}
    for i in rows:
        sizes[samples[i].split][samples[i].label] += 1
        if prints.digest[i]:
            groups[prints.digest[i]].append(i)
        if samples[i].subject:
            people[samples[i].subject].append(i)
    identical = [group for group in groups.values() if len(group) > 1]
    duplicates = {}
    for group in identical:
        placed = [i for i in group if samples[i].split]
        ranked = sorted(placed, key=lambda i: _RANK[samples[i].split])
        for i in ranked:
            if samples[ranked[0]].split != samples[i].split:
                duplicates[i] = ranked[0]
    pairs = None
    if near and not prints.clips:
        found, values = fingerprints.near_pairs(prints, NEAR, progress=progress)
        pairs = [(int(a), int(b), float(v)) for (a, b), v in zip(found, values, strict=True)]
    return Report(
        manifest=manifest,
        identical=identical,
        across=[g for g in identical if len({samples[i].split for i in g}) > 1],
        duplicates=duplicates,
        conflicting=[g for g in identical if len({samples[i].label for i in g}) > 1],
        near=pairs,
        blank=[i for i in rows if prints.contrast[i] < BLANK],
        unreadable=prints.unreadable,
        subjects={
            name: found
            for name, found in sorted(people.items())
            if len({samples[i].split for i in found}) > 1
        },
        single={
            name: found
            for name, found in sorted(people.items())
            if len(found) > 1 and len({samples[i].label for i in found}) == 1
        },
        sizes={name: count for name, count in sizes.items() if count},
        frames=frame_sampling.compare(manifest, prints),
        noun="clip" if prints.clips else "image",
    )


def mark_duplicates(manifest: Manifest, report: Report) -> Manifest:
    """The manifest with `duplicate_of` set in the rows whose pixels are also in train."""
    samples = list(manifest.samples)
    for row, other in report.duplicates.items():
        if samples[other].split == "train":
            samples[row] = replace(samples[row], duplicate_of=samples[other].path)
    return manifest.replace(samples)


def drop_leaks(manifest: Manifest, report: Report) -> Manifest:
    """Drop the rows whose pixels are also in a later split; `mark_duplicates` the others.

    A train row identical to one of validation or test, and a validation row identical to one of
    test, is dropped; its `duplicate_of` names the row of the later split. All test rows stay, and
    so do duplicates within a split.
    """
    samples = list(mark_duplicates(manifest, report).samples)
    for group in report.across:
        last = max(group, key=lambda i: _RANK[samples[i].split])
        for i in group:
            if samples[i].split != samples[last].split:
                samples[i] = dropped_for(samples[i], samples[last])
    return manifest.replace(samples)


def dropped_for(sample: Sample, kept: Sample) -> Sample:
    """`sample`, dropped as a duplicate of `kept`."""
    note = f"pixel-identical to {kept.path}" + f" ({kept.split})" * bool(kept.split)
    return replace(sample, split="dropped", note=note, duplicate_of=kept.path)

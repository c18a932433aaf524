"""What leaks between the splits of a manifest, and what is broken in it, row by row."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from keras_mer.data import fingerprints, frame_sampling
from keras_mer.data.fingerprints import Fingerprints
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import SPLITS, Manifest
from keras_mer.files import replacing, write_text

#: Correlation of 16x16 thumbnails above which two images count as near-duplicates. Chosen by eye
#: on FER2013: above 0.97 nearly every pair is one photograph cropped, lit or stamped differently;
#: from 0.96 down different people appear.
NEAR = 0.97
#: Standard deviation of the grey pixels below which an image shows nothing.
BLANK = 2.0
#: How the note of a row begins whose very pixels stand in another split.
TWIN_NOTE = "pixel-identical to "

COLUMNS = ("finding", "group", "path", "split", "label", "subject", "detail")
_RANK = {name: rank for rank, name in enumerate(SPLITS)}


@dataclass(frozen=True)
class Report:
    """The findings. Numbers are rows of `manifest`; rows it had dropped before were not looked at.

    Attributes:
        manifest: what was audited.
        identical: groups of pixel-identical images, each of two rows or more.
        across: those of them that stand in more than one split.
        twins: a validation or test row -> a row of an earlier split (train before validation
            before test) with the same pixels; train where there is one.
        conflicting: groups of `identical` whose rows do not all have the same label.
        near: pairs (row, row, correlation) of near-duplicates, the most alike first; None when
            they were not looked for, as among clips.
        blank: rows whose image is flat, or whose clip shows no change at all.
        unreadable: row -> why.
        subjects: each subject who stands in more than one split -> its rows.
        single: each subject of several samples who shows one class only -> its rows; left out
            alone, such a subject has no recall of the others.
        sizes: samples looked at, by split and class.
        frames: where images are frames of clips, what this split of them gives away, and what one
            dealt at random would.
        noun: what the rows are, image or clip.
    """

    manifest: Manifest
    identical: list[list[int]]
    across: list[list[int]]
    twins: dict[int, int]
    conflicting: list[list[int]]
    near: list[tuple[int, int, float]] | None
    blank: list[int]
    unreadable: dict[int, str]
    subjects: dict[str, list[int]]
    single: dict[str, list[int]] = field(default_factory=dict)
    sizes: dict[str, Counter] = field(default_factory=dict)
    frames: list[frame_sampling.Deal] = field(default_factory=list)
    noun: str = "image"

    def twins_in_train(self, split: str) -> int:
        """How many samples of a split are pixel-identical to one in train."""
        samples = self.manifest.samples
        return sum(
            samples[row].split == split and samples[twin].split == "train"
            for row, twin in self.twins.items()
        )

    def near_across(self) -> list[tuple[int, int, float]]:
        """The near-duplicates that stand in two splits."""
        samples = self.manifest.samples
        return [p for p in self.near or [] if samples[p[0]].split != samples[p[1]].split]

    def dropped(self) -> list[int]:
        """The rows that were dropped before for another reason than being unreadable."""
        rows = enumerate(self.manifest)
        return [i for i, s in rows if s.split == "dropped" and i not in self.unreadable]

    def findings(self) -> Iterator[tuple]:
        """Every finding as rows of `COLUMNS`."""
        for kind, groups in (
            ("identical", self.identical),
            ("identical across splits", self.across),
            ("conflicting labels", self.conflicting),
        ):
            for number, group in enumerate(groups, 1):
                yield from (self._row(kind, number, row) for row in group)
        for number, (row, twin) in enumerate(sorted(self.twins.items()), 1):
            yield self._row("twin in an earlier split", number, row, self._name(twin))
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
        """Each kind of finding and its count, in words; None for what was not looked for."""
        lines: list[tuple[str, int | None]] = [
            (f"groups of pixel-identical {self.noun}s", len(self.identical)),
            ("such groups across splits", len(self.across)),
        ]
        lines += [
            (
                f"{split} {self.noun}s pixel-identical to a train {self.noun}",
                self.twins_in_train(split),
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
        """The report as a Markdown page: counts, class balance and the first rows of a finding."""
        out = ["# Audit", "", "| finding | count |", "| --- | ---: |"]
        out += [
            f"| {what} | {'not looked for' if n is None else f'{n:,}'} |"
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
        """Write audit.md and findings.csv (a line a row of a finding); return both paths."""
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
    """Look for leaks and broken rows among the rows that are not dropped.

    Args:
        manifest: split or not; what concerns splits is empty when it is not.
        prints: the fingerprints of these very rows, where they were taken before.
        near: also look for near-duplicates: a comparison of all pairs, which takes some seconds
            at 32,000 images and grows with their square.
        progress: shows bars, e.g. `keras_mer.progress.track`.
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
    twins = {}
    for group in identical:
        placed = [i for i in group if samples[i].split]
        ranked = sorted(placed, key=lambda i: _RANK[samples[i].split])
        for i in ranked:
            if samples[ranked[0]].split != samples[i].split:
                twins[i] = ranked[0]
    pairs = None
    if near and not prints.clips:
        found, values = fingerprints.near_pairs(prints, NEAR, progress=progress)
        pairs = [(int(a), int(b), float(v)) for (a, b), v in zip(found, values, strict=True)]
    return Report(
        manifest=manifest,
        identical=identical,
        across=[g for g in identical if len({samples[i].split for i in g}) > 1],
        twins=twins,
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


def drop_leaks(manifest: Manifest, report: Report) -> Manifest:
    """Drop every row whose pixels also stand in a split that judges it.

    A train row identical to one of validation or test, and a validation row identical to one of
    test, becomes dropped, with a note that names its twin; test stays whole. Duplicates within a
    split stay.
    """
    samples = list(manifest.samples)
    for group in report.across:
        last = max(group, key=lambda i: _RANK[samples[i].split])
        for i in group:
            if samples[i].split != samples[last].split:
                note = f"{TWIN_NOTE}{samples[last].path} ({samples[last].split})"
                samples[i] = replace(samples[i], split="dropped", note=note)
    return manifest.replace(samples)


def note_leaks(manifest: Manifest, report: Report) -> Manifest:
    """Keep every row, and name in the note of a row of `report.twins` the one that it equals."""
    samples = list(manifest.samples)
    for row, twin in report.twins.items():
        note = f"{TWIN_NOTE}{samples[twin].path} ({samples[twin].split})"
        samples[row] = replace(samples[row], note=note)
    return manifest.replace(samples)

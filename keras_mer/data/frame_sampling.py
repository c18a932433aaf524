"""Frames of clips used as images: rows of them, and what dealing them at random would leak.

Frames of one recording are all but equal, so a network that has learnt one of them knows the
others by heart: dealt frame by frame, a split scores memory.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_mer.data import clips
from keras_mer.data.fingerprints import Fingerprints
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError

_DEALS = 10  # random ones, whose mean is reported


def explode(manifest: Manifest, count: int) -> Manifest:
    """Each clip as the `count` frames nearest to its apex, each an image of its own.

    Where the apex is not annotated, the middle of the clip stands for it. Subject, clip, label and
    split stay; a row that cannot be used stays dropped, and so does a video, whose frames are no
    files.

    Raises:
        UserError: for a count below 1.
    """
    if count < 1:
        raise UserError(f"stills: expected 1 frame of a clip or more, got {count}")
    out = []
    for sample in manifest:
        folder = manifest.root / sample.path
        files = clips.frame_files(folder) if folder.is_dir() else {}
        if sample.split == "dropped":
            out.append(sample)
        elif not files:
            note = f"{sample.path}: stills are taken from folders of numbered frames"
            out.append(replace(sample, split="dropped", note=note))
        else:
            low = min(files) if sample.onset is None else sample.onset
            high = max(files) if sample.offset is None else sample.offset
            middle = (low + high) / 2 if sample.apex is None else sample.apex
            near = sorted(sorted(files, key=lambda n, m=middle: abs(n - m))[:count])
            own = replace(
                sample, clip=sample.clip or sample.path, onset=None, apex=None, offset=None
            )
            out += [replace(own, path=f"{sample.path}/{files[n].name}") for n in near]
    return manifest.replace(out)


def shared(manifest: Manifest) -> list[str]:
    """The clip of each row that is one of several images of it, ``""`` for every other row."""
    named = [_recording(s) if s.split != "dropped" else "" for s in manifest]
    count = Counter(named)
    return [name if name and count[name] > 1 else "" for name in named]


def _recording(sample: Sample) -> str:
    """A clip's name, which in CASME II is unique for each person only; ``""`` if unknown."""
    return f"{sample.source}:{sample.subject}:{sample.clip}" if sample.clip else ""


@dataclass(frozen=True)
class Deal:
    """What a way of dealing images to the splits gives away.

    Attributes:
        name: which way.
        held: images that are judged.
        clip, subject: shares of them whose clip, whose person is learnt from, too.
        accuracy, uar: of the nearest neighbour among 16x16 thumbnails, which knows nothing of
            expressions but what it remembers.
    """

    name: str
    held: int
    clip: float
    subject: float
    accuracy: float
    uar: float


def compare(manifest: Manifest, prints: Fingerprints, seed: int = 0) -> list[Deal]:
    """The manifest's own split of frames beside one of the same sizes, dealt frame by frame.

    Validation is judged, and test only where there is no validation.

    Returns:
        The manifest's deal and the random one; nothing where no two images share a clip, or where
        there is no split.
    """
    rows = np.array([i for i, d in enumerate(prints.digest) if d and manifest.samples[i].split])
    groups = shared(manifest) if not prints.clips else []
    splits = np.array([manifest.samples[i].split for i in rows])
    judged = "validation" if "validation" in splits else "test"
    if not any(groups) or not {"train", judged} <= set(splits):
        return []
    random = np.random.default_rng(seed)
    mine = _deal("this split", manifest, prints, rows, splits, judged)
    dealt = [
        _deal("frames dealt at random", manifest, prints, rows, random.permutation(splits), judged)
        for _ in range(_DEALS)
    ]
    means = {
        key: float(np.mean([getattr(d, key) for d in dealt]))
        for key in ("clip", "subject", "accuracy", "uar")
    }
    return [mine, replace(dealt[0], **means)]


def _deal(
    name: str,
    manifest: Manifest,
    prints: Fingerprints,
    rows: np.ndarray,
    splits: np.ndarray,
    judged: str,
) -> Deal:
    learnt, held = rows[splits == "train"], rows[splits == judged]
    nearest = learnt[(prints.thumbnail[held] @ prints.thumbnail[learnt].T).argmax(1)]
    samples = manifest.samples
    truth = np.array([samples[i].label for i in held])
    right = truth == [samples[i].label for i in nearest]
    return Deal(
        name,
        len(held),
        _known([_recording(samples[i]) for i in learnt], [_recording(samples[i]) for i in held]),
        _known([samples[i].subject for i in learnt], [samples[i].subject for i in held]),
        float(right.mean()),
        float(np.mean([right[truth == label].mean() for label in np.unique(truth)])),
    )


def _known(learnt: Sequence[str], held: Sequence[str]) -> float:
    known = set(learnt) - {""}
    return float(np.mean([name in known for name in held]))


def table(deals: Sequence[Deal]) -> list[str]:
    """The deals as lines of a Markdown table, with a sentence."""
    if not deals:
        return []
    lines = [
        f"| {deals[0].held:,} images held out | whose clip is learnt | whose person is "
        "| nearest neighbour: accuracy | UAR |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {d.name} | {d.clip:.1%} | {d.subject:.1%} | {d.accuracy:.1%} | {d.uar:.1%} |"
        for d in deals
    ]
    gain = 100 * (deals[1].accuracy - deals[0].accuracy)
    return [
        *lines,
        "",
        f"Dealt at random, frames of clips would flatter the nearest neighbour by {gain:.1f} "
        "points of accuracy: what a network gains likewise is memory of these very clips.",
    ]

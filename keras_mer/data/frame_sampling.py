"""Frames of clips used as images: sampling them, and measuring what their split leaks.

Frames of one recording are nearly equal. If a random split puts some of them in train and others
in test, the score measures memorization of the recordings.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_mer.data import clips
from keras_mer.data.fingerprints import Fingerprints
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError

_RANDOM_SPLITS = 10  # whose mean is reported


def explode(manifest: Manifest, count: int) -> Manifest:
    """Replace each clip by the `count` frames nearest to its apex, one image row per frame.

    Where the apex is not annotated, the middle of the clip is used. Subject, clip, label and split
    are kept. Dropped rows stay dropped; videos are dropped, because their frames are not files.

    Raises:
        UserError: for a count below 1.
    """
    if count < 1:
        raise UserError(f"stills: expected 1 frame per clip or more, got {count}")
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


def clip_groups(manifest: Manifest) -> list[str]:
    """For each row, its clip if other rows are frames of the same clip, else ``""``."""
    named = [_recording(s) if s.split != "dropped" else "" for s in manifest]
    count = Counter(named)
    return [name if name and count[name] > 1 else "" for name in named]


def _recording(sample: Sample) -> str:
    """A unique name of the sample's clip, or ``""``; CASME II repeats names between subjects."""
    return f"{sample.source}:{sample.subject}:{sample.clip}" if sample.clip else ""


@dataclass(frozen=True)
class SplitLeak:
    """What a split of frames leaks from train to the evaluated split.

    Attributes:
        name: description of the split.
        samples: number of images in the evaluated split.
        clip, subject: share of them whose clip, or whose subject, is also in train.
        accuracy, uar: of the nearest neighbor among 16x16 thumbnails, which can only recognize
            images that it has seen.
    """

    name: str
    samples: int
    clip: float
    subject: float
    accuracy: float
    uar: float


def compare(manifest: Manifest, prints: Fingerprints, seed: int = 0) -> list[SplitLeak]:
    """Compare the manifest's split with random splits of single frames, of the same sizes.

    The evaluated split is validation, or test if there is no validation.

    Returns:
        The leak of the manifest's split and the mean leak of random splits; an empty list if no
        two images share a clip, or if there is no split.
    """
    rows = np.array([i for i, d in enumerate(prints.digest) if d and manifest.samples[i].split])
    groups = clip_groups(manifest) if not prints.clips else []
    splits = np.array([manifest.samples[i].split for i in rows])
    eval_split = "validation" if "validation" in splits else "test"
    if not any(groups) or not {"train", eval_split} <= set(splits):
        return []
    random = np.random.default_rng(seed)
    own = _leak("this split", manifest, prints, rows, splits, eval_split)
    shuffled = [
        _leak("random frames", manifest, prints, rows, random.permutation(splits), eval_split)
        for _ in range(_RANDOM_SPLITS)
    ]
    means = {
        key: float(np.mean([getattr(leak, key) for leak in shuffled]))
        for key in ("clip", "subject", "accuracy", "uar")
    }
    return [own, replace(shuffled[0], **means)]


def _leak(
    name: str,
    manifest: Manifest,
    prints: Fingerprints,
    rows: np.ndarray,
    splits: np.ndarray,
    eval_split: str,
) -> SplitLeak:
    train, held_out = rows[splits == "train"], rows[splits == eval_split]
    nearest = train[(prints.thumbnail[held_out] @ prints.thumbnail[train].T).argmax(1)]
    samples = manifest.samples
    truth = np.array([samples[i].label for i in held_out])
    right = truth == [samples[i].label for i in nearest]
    return SplitLeak(
        name,
        len(held_out),
        _share_in(
            [_recording(samples[i]) for i in held_out], [_recording(samples[i]) for i in train]
        ),
        _share_in([samples[i].subject for i in held_out], [samples[i].subject for i in train]),
        float(right.mean()),
        float(np.mean([right[truth == label].mean() for label in np.unique(truth)])),
    )


def _share_in(names: Sequence[str], others: Sequence[str]) -> float:
    """The share of `names` that are also in `others`; ``""`` is in none."""
    known = set(others) - {""}
    return float(np.mean([name in known for name in names]))


def table(leaks: Sequence[SplitLeak]) -> list[str]:
    """The result of `compare` as lines of a Markdown table, with a sentence."""
    if not leaks:
        return []
    lines = [
        f"| {leaks[0].samples:,} images evaluated | clip also in train | subject also in train "
        "| nearest neighbor: accuracy | UAR |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {leak.name} | {leak.clip:.1%} | {leak.subject:.1%} | {leak.accuracy:.1%} "
        f"| {leak.uar:.1%} |"
        for leak in leaks
    ]
    gain = 100 * (leaks[1].accuracy - leaks[0].accuracy)
    return [
        *lines,
        "",
        f"A random split of frames would raise the accuracy of the nearest neighbor by {gain:.1f} "
        "points: a network can gain as much by memorizing the clips.",
    ]

"""Fingerprints of images and clips: digest of the pixels, contrast, thumbnail."""

import hashlib
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from keras_mer.data import clips, loading
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from keras_mer.images import convert

THUMBNAIL = 16
#: Number of frames that a clip is identified by, its onset and offset among them.
CLIP_FRAMES = 5
_BLOCK = 4096


@dataclass
class Fingerprints:
    """Fingerprints of a manifest's images and clips; entry i belongs to the manifest's row i.

    Attributes:
        digest: SHA-1 of the gray pixels at native size and of that size; of `CLIP_FRAMES` frames
            of a clip; ``""`` for a row that is dropped or cannot be read.
        contrast: float32 (samples,), standard deviation of the gray pixels; 0 for a clip whose
            frames are all equal, NaN where not read.
        thumbnail: float32 (samples, 256), 16x16 gray, zero mean and unit norm; zeros where the
            image is flat or not read, and for clips, because all clips of a person look alike.
        unreadable: row -> why it cannot be read.
        clips: number of rows that are clips.
    """

    digest: list[str]
    contrast: np.ndarray
    thumbnail: np.ndarray
    unreadable: dict[int, str] = field(default_factory=dict)
    clips: int = 0

    def duplicated(self) -> list[str]:
        """The digest of each row that shares its pixels with another row, else ``""``."""
        count: dict[str, int] = {}
        for digest in self.digest:
            count[digest] = count.get(digest, 0) + 1
        return [d if count[d] > 1 else "" for d in self.digest]

    def fill(self, manifest: Manifest) -> Manifest:
        """The manifest with its digest column filled, and unreadable rows dropped with a note."""
        samples = [
            replace(sample, digest=digest)
            for sample, digest in zip(manifest, self.digest, strict=True)
        ]
        for row, reason in self.unreadable.items():
            samples[row] = replace(samples[row], split="dropped", note=reason)
        return manifest.replace(samples)


def take(manifest: Manifest, *, progress: Progress | None = None) -> Fingerprints:
    """Read each image that is not dropped, and `CLIP_FRAMES` frames of each such clip, once."""
    kept = [i for i, s in enumerate(manifest) if s.split != "dropped"]
    clip_rows = [i for i in kept if clips.is_clip(manifest.root / manifest.samples[i].path)]
    rows = sorted(set(kept) - set(clip_rows))
    out = Fingerprints(
        digest=[""] * len(manifest),
        contrast=np.full(len(manifest), np.nan, np.float32),
        thumbnail=np.zeros((len(manifest), THUMBNAIL**2), np.float32),
        clips=len(clip_rows),
    )
    if progress and clip_rows:
        clip_rows = progress(clip_rows, "Reading clips", len(clip_rows))
    for row in clip_rows:
        try:
            frames = _clip_frames(manifest, manifest.samples[row])
        except UserError as error:
            out.unreadable[row] = str(error)
            continue
        out.digest[row] = _digest(*frames)
        frozen = all((frame == frames[0]).all() for frame in frames)
        out.contrast[row] = 0 if frozen else np.mean([frame.std() for frame in frames])
    images = manifest.replace(manifest.samples[i] for i in rows)
    for k, image in loading.load_native(images, progress=progress) if rows else ():
        row = rows[k]
        if isinstance(image, UserError):
            out.unreadable[row] = str(image)
            continue
        out.digest[row] = _digest(image)
        out.contrast[row] = image.std()
        out.thumbnail[row] = _thumbnail(image)
    out.unreadable = dict(sorted(out.unreadable.items()))
    return out


def _clip_frames(manifest: Manifest, sample: Sample) -> list[np.ndarray]:
    """Gray frames of a clip, uint8 (h, w) each, from onset to offset where annotated."""
    path = manifest.root / sample.path
    frames = clips.read(path, sample.onset, sample.offset, most=CLIP_FRAMES)
    if len(frames) < 2:
        raise UserError(f"{path}: a clip of one frame")
    return [convert(frame, 1)[..., 0] for frame in frames.images]


def _digest(*images: np.ndarray) -> str:
    sha1 = hashlib.sha1(repr(images[0].shape).encode())
    for image in images:
        sha1.update(np.ascontiguousarray(image))
    return sha1.hexdigest()


def _thumbnail(image: np.ndarray) -> np.ndarray:
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    vector = small.astype(np.float32).ravel()
    vector -= vector.mean()
    norm = float(np.linalg.norm(vector))
    return (
        vector / norm if norm > THUMBNAIL else np.zeros_like(vector)
    )  # flat: standard deviation of 1 or less


def near_pairs(
    prints: Fingerprints, threshold: float, *, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows with different pixels whose thumbnails correlate above `threshold`.

    A blocked matrix product over all pairs: 32,000 images take some seconds on two cores.

    Returns:
        int64 (pairs, 2), the earlier row first, and float32 (pairs,), their correlation; sorted
        by correlation, highest first.
    """
    vectors = prints.thumbnail
    identity = np.unique(prints.digest, return_inverse=True)[1]
    starts = range(0, len(vectors), _BLOCK)
    pairs, values = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for i in progress(starts, "Comparing images") if progress else starts:
        for j in range(i, len(vectors), _BLOCK):
            correlation = vectors[i : i + _BLOCK] @ vectors[j : j + _BLOCK].T
            found = np.argwhere(correlation > threshold)
            rows = found + np.array([i, j])
            wanted = (rows[:, 0] < rows[:, 1]) & (identity[rows[:, 0]] != identity[rows[:, 1]])
            pairs.append(rows[wanted])
            values.append(correlation[tuple(found[wanted].T)])
    pair, value = np.concatenate(pairs), np.minimum(np.concatenate(values), 1)
    order = np.lexsort((pair[:, 1], pair[:, 0], -value))
    return pair[order], value[order]

"""What identifies an image or a clip: its exact pixels, a small likeness, whether it shows much."""

import hashlib
from dataclasses import dataclass, field

import cv2
import numpy as np

from keras_mer.data import clips, loading
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from keras_mer.images import convert

THUMBNAIL = 16
#: Frames of a clip that are looked at, onset and offset among them.
GLIMPSES = 5
_BLOCK = 4096


@dataclass
class Fingerprints:
    """One reading of a manifest's images and clips; row i belongs to the manifest's row i.

    Attributes:
        digest: SHA-1 of the grey pixels at native size and of that size, of a clip's `GLIMPSES`;
            ``""`` for a row that is dropped or cannot be read.
        contrast: float32 (samples,), standard deviation of the grey pixels; 0 for a clip in which
            nothing changes at all, NaN where not read.
        thumbnail: float32 (samples, 256), 16x16 grey, zero mean and unit norm; zeros where the
            image is flat or not read, and for clips, of which those of a person all look alike.
        unreadable: row -> why it cannot be read.
        clips: how many rows are clips.
    """

    digest: list[str]
    contrast: np.ndarray
    thumbnail: np.ndarray
    unreadable: dict[int, str] = field(default_factory=dict)
    clips: int = 0

    def duplicated(self) -> list[str]:
        """The digest of each row whose pixels another row has too, ``""`` for every other row."""
        count: dict[str, int] = {}
        for digest in self.digest:
            count[digest] = count.get(digest, 0) + 1
        return [d if count[d] > 1 else "" for d in self.digest]


def take(manifest: Manifest, *, progress: Progress | None = None) -> Fingerprints:
    """Read every image that is not dropped, and some frames of every such clip, once."""
    kept = [i for i, s in enumerate(manifest) if s.split != "dropped"]
    films = [i for i in kept if clips.is_clip(manifest.root / manifest.samples[i].path)]
    rows = sorted(set(kept) - set(films))
    out = Fingerprints(
        digest=[""] * len(manifest),
        contrast=np.full(len(manifest), np.nan, np.float32),
        thumbnail=np.zeros((len(manifest), THUMBNAIL**2), np.float32),
        clips=len(films),
    )
    for row in progress(films, "Reading clips", len(films)) if progress and films else films:
        try:
            frames = _glimpse(manifest, manifest.samples[row])
        except UserError as error:
            out.unreadable[row] = str(error)
            continue
        out.digest[row] = _digest(*frames)
        frozen = all((frame == frames[0]).all() for frame in frames)
        out.contrast[row] = 0 if frozen else np.mean([frame.std() for frame in frames])
    pictures = manifest.replace(manifest.samples[i] for i in rows)
    for k, image in loading.load_native(pictures, progress=progress) if rows else ():
        row = rows[k]
        if isinstance(image, UserError):
            out.unreadable[row] = str(image)
            continue
        out.digest[row] = _digest(image)
        out.contrast[row] = image.std()
        out.thumbnail[row] = _thumbnail(image)
    out.unreadable = dict(sorted(out.unreadable.items()))
    return out


def _glimpse(manifest: Manifest, sample: Sample) -> list[np.ndarray]:
    """Grey frames of a clip, uint8 (h, w) each, from its onset to its offset where annotated."""
    path = manifest.root / sample.path
    frames = clips.read(path, sample.onset, sample.offset, most=GLIMPSES)
    if len(frames) < 2:
        raise UserError(f"{path}: a clip of one frame")
    return [convert(frame, 1)[..., 0] for frame in frames.images]


def _digest(*pictures: np.ndarray) -> str:
    sha1 = hashlib.sha1(repr(pictures[0].shape).encode())
    for picture in pictures:
        sha1.update(np.ascontiguousarray(picture))
    return sha1.hexdigest()


def _thumbnail(image: np.ndarray) -> np.ndarray:
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    vector = small.astype(np.float32).ravel()
    vector -= vector.mean()
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm > THUMBNAIL else np.zeros_like(vector)  # std of 1 or less: flat


def near_pairs(
    prints: Fingerprints, threshold: float, *, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows whose thumbnails correlate above `threshold` though their pixels differ.

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
            likeness = vectors[i : i + _BLOCK] @ vectors[j : j + _BLOCK].T
            found = np.argwhere(likeness > threshold)
            rows = found + np.array([i, j])
            wanted = (rows[:, 0] < rows[:, 1]) & (identity[rows[:, 0]] != identity[rows[:, 1]])
            pairs.append(rows[wanted])
            values.append(likeness[tuple(found[wanted].T)])
    pair, value = np.concatenate(pairs), np.minimum(np.concatenate(values), 1)
    order = np.lexsort((pair[:, 1], pair[:, 0], -value))
    return pair[order], value[order]

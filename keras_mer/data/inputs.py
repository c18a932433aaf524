"""A manifest's samples as arrays that a model of a given kind takes."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_mer.data import clips, loading
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.face import motion, prepare


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and targets of a dataset, in the manifest's order.

    Attributes:
        inputs: uint8 (samples, ...), pixels 0..255; may be a read-only memory map.
        targets: float32 (samples, classes), rows that add up to 1.
        labels: class indices, int64 (samples,).
        classes: class names, in the order of the targets' columns.
    """

    inputs: np.ndarray
    targets: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.inputs)


def load(
    manifest: Manifest,
    kind: str,
    shape: tuple[int, ...],
    *,
    cache: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Read every sample as a model of `kind` takes it.

    Args:
        manifest: its rows, in order; leave dropped rows out first.
        kind: a key of `LOADERS`.
        shape: of one sample, as `keras_mer.models.input_shape` gives it.
        cache: folder for the decoded array.
        progress: shows a bar, e.g. `keras_mer.progress.track`.

    Returns:
        uint8 (samples, *shape).

    Raises:
        UserError: naming the first sample that cannot be read.
    """
    return LOADERS[kind](manifest, shape, cache=cache, progress=progress)


def samples(manifest: Manifest, kind: str, shape: tuple[int, ...], **options) -> Samples:
    """Inputs and targets of a manifest; arguments as for `load`."""
    loaded = load(manifest, kind, shape, **options)
    return Samples(loaded, manifest.targets(), manifest.labels(), manifest.classes)


def _images(manifest: Manifest, shape: tuple[int, ...], **options) -> np.ndarray:
    return loading.load_images(manifest, *shape, **options)


def _clips(manifest: Manifest, shape: tuple[int, ...], **options) -> np.ndarray:
    """Onset to offset of each clip: the face detected, aligned and registered, then resampled."""
    frames, size, _, channels = shape

    def still_face(clip: clips.Frames, sample: Sample) -> np.ndarray:
        face = prepare.prepare(clip.images, size, fps=clip.fps).frames
        resampled = motion.resample(face, frames)[..., np.newaxis]
        return np.repeat(resampled, channels, axis=-1)

    name = f"still faces, {size} pixels, {frames} frames, {channels} channels"
    return clips.load_clips(manifest, still_face, name, **options)


#: By kind: (manifest, shape, cache=, progress=) -> uint8 (samples, *shape).
LOADERS: dict[str, Callable[..., np.ndarray]] = {
    "image": _images,
    "flow": _images,
    "clip": _clips,
}

"""Clips as model input: registered gray faces, resampled to one length."""

import os

import numpy as np

from keras_mer.data import clips
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from keras_mer.face import motion
from keras_mer.face.detect import Detector
from keras_mer.face.prepare import prepare


def load_faces(
    manifest: Manifest,
    length: int = 16,
    side: int = 64,
    margin: float = 0.15,
    *,
    which: str = "expression",
    window: int = 0,
    interpolation: str = "linear",
    magnify: float = 0.0,
    detector: Detector | None = None,
    cache: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Load every clip as a registered face: uint8, (samples, length, side, side, 1).

    Args:
        manifest: its rows, in order; remove dropped rows first.
        length: frames of each clip, interpolated in time (`motion.resample`).
        side, margin, detector: see `keras_mer.face.prepare.prepare`.
        which, window: which frames, see `keras_mer.data.clips.load`.
        interpolation: ``linear`` or ``tim``.
        magnify: factor of motion magnification (`motion.magnify`); 0 for none.
        cache: a folder that stores the array for the next call.
        progress: shows a bar, e.g. `keras_mer.progress.track`.

    Raises:
        UserError: naming the first clip that cannot be read.
    """
    if length < 1 or side < 16:
        raise UserError(f"expected 1 frame and 16 pixels or more, got {length} and {side}")

    def faces(frames: clips.Frames, sample: Sample) -> np.ndarray:
        registered = prepare(frames.images, side, margin, fps=frames.fps, detector=detector).frames
        if magnify and len(registered) > 2:
            fps = frames.fps or 100.0
            registered = motion.magnify(registered, fps, magnify, (0.5, min(8.0, 0.45 * fps)))
        return motion.resample(registered, length, interpolation)[..., None]

    name = f"faces {length} {side} {margin} {interpolation} {magnify} {type(detector).__name__}"
    return clips.load_clips(
        manifest, faces, name, which=which, window=window, cache=cache, progress=progress
    )

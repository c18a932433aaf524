"""Loading of clips, folders of numbered images or video files, as arrays of frames."""

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer import images
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError, nearest
from keras_mer.files import replacing
from keras_mer.images import frame_files, is_video

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of a clip.

    Attributes:
        images: uint8, (h, w) gray or (h, w, 3) BGR each, all of one size.
        numbers: int64, (frames,), ascending: each frame's number in the dataset.
        fps: frames per second, or None when neither the dataset nor the video states it.
    """

    images: list[np.ndarray]
    numbers: np.ndarray
    fps: float | None

    def __len__(self) -> int:
        return len(self.images)


def is_clip(path: Path) -> bool:
    """Whether a sample's path is a clip: a folder of frames, or a video by its name."""
    return is_video(path) or path.is_dir()


def read(
    path: Path, first: int | None = None, last: int | None = None, *, most: int | None = None
) -> Frames:
    """Read the frames of a clip, or those from number `first` to number `last`.

    Frames of a video count from 0. With `most`, at most that many evenly spaced frames, including
    the first and the last.

    Raises:
        UserError: for a missing clip, no frames in the range, or a frame that is unreadable or of
            another size.
    """
    low = -np.inf if first is None else first
    high = np.inf if last is None else last
    fps = None
    if path.is_dir():
        files = frame_files(path)
        numbers = _evenly_spaced([n for n in files if low <= n <= high], most)
        pictures = [images.read(files[n]) for n in numbers]
    elif path.is_file() and is_video(path):
        numbers, pictures, fps = _read_video(path, low, high)
        numbers, pictures = _evenly_spaced(numbers, most), _evenly_spaced(pictures, most)
    else:
        raise UserError(f"{path}: no folder of frames and no video file")
    if not pictures:
        wanted = "" if first is last is None else f" from {first} to {last}"
        raise UserError(f"{path}: no frames{wanted}")
    for number, picture in zip(numbers, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            raise UserError(
                f"{path}: frame {number} is {_size(picture)}, frame {numbers[0]} "
                f"{_size(pictures[0])}"
            )
    return Frames(pictures, np.array(numbers, np.int64), fps)


def _evenly_spaced(items: list, most: int | None) -> list:
    if most is None or len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _size(picture: np.ndarray) -> str:
    kind = "color" if picture.ndim == 3 else "gray"
    return f"{picture.shape[1]}x{picture.shape[0]} {kind}"


def _read_video(path: Path, low: float, high: float) -> tuple[list[int], list[np.ndarray], float]:
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise UserError(f"{path}: not a video that OpenCV can read")
        fps = video.get(cv2.CAP_PROP_FPS)
        numbers, pictures, number = [], [], 0
        while number <= high and video.grab():  # seeking by number is inexact in some codecs
            if number >= low:
                numbers.append(number)
                pictures.append(video.retrieve()[1])
            number += 1
    finally:
        video.release()
    return numbers, pictures, fps if fps > 0 else None


def count_video(path: Path) -> int:
    """Number of decodable frames of a video; 0 for another file."""
    video = cv2.VideoCapture(str(path))
    count = 0
    while video.isOpened() and video.grab():
        count += 1
    video.release()
    return count


def load(manifest: Manifest, sample: Sample, which: str = "all", window: int = 0) -> Frames:
    """Load a sample's frames.

    Args:
        manifest: its root is the base of the sample's path.
        sample: one of its rows.
        which: ``all``; ``expression``, onset to offset; ``rise``, onset to apex; ``apex``, the
            apex and `window` frames before and after it. A missing onset, apex or offset is taken
            as the clip's first, middle or last frame.
        window: see ``apex``; otherwise, number of additional frames at both ends.

    Raises:
        UserError: as `read`, and for an unknown `which`.
    """
    if which not in SELECTIONS:
        raise UserError(
            f"unknown selection of frames '{which}'{nearest(which, SELECTIONS)}; "
            f"known: {', '.join(SELECTIONS)}"
        )
    path = manifest.root / sample.path
    onset, apex, offset = sample.onset, sample.apex, sample.offset
    if which == "all":
        frames = read(path)
    elif which == "apex" and apex is not None:
        frames = read(path, apex - window, apex + window)
    elif which != "apex" and onset is not None and (which == "expression" or apex is not None):
        end = offset if which == "expression" else apex
        frames = read(path, onset - window, None if end is None else end + window)
    else:
        frames = _select(read(path), sample, which, window)
    return Frames(frames.images, frames.numbers, sample.fps or frames.fps)


SELECTIONS = ("all", "expression", "rise", "apex")


def _select(frames: Frames, sample: Sample, which: str, window: int) -> Frames:
    first, last = int(frames.numbers[0]), int(frames.numbers[-1])
    onset = first if sample.onset is None else sample.onset
    offset = last if sample.offset is None else sample.offset
    apex = (onset + offset) // 2 if sample.apex is None else sample.apex
    low, high = {"expression": (onset, offset), "rise": (onset, apex), "apex": (apex, apex)}[which]
    keep = np.flatnonzero((frames.numbers >= low - window) & (frames.numbers <= high + window))
    return Frames([frames.images[i] for i in keep], frames.numbers[keep], frames.fps)


def load_clips(
    manifest: Manifest,
    function: Callable[[Frames, Sample], np.ndarray],
    name: str,
    *,
    which: str = "expression",
    window: int = 0,
    cache: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Apply `function` to the frames of every clip and stack the results: (samples, ...).

    Args:
        manifest: its rows, in order; remove dropped rows first.
        function: maps the frames to an array of the same shape for all clips, e.g.
            `keras_mer.face.prepare.prepare` and then `keras_mer.face.motion.resample`.
        name: identifies `function` and its settings: part of the cache key.
        which, window: see `load`.
        cache: a folder for the array. The next call with the same clips (by path, annotation, and
            name, size and time of their files) and name memory-maps it, read-only.
        progress: shows a bar, e.g. `keras_mer.progress.track`.

    Raises:
        UserError: naming the first clip that cannot be read or prepared.
    """
    file = None
    if cache is not None:
        file = Path(cache) / f"clips-{_fingerprint(manifest, name, which, window)}.npy"
        if file.is_file():
            return np.load(file, mmap_mode="r")
    samples: Sequence[Sample] = manifest.samples
    if progress is not None:
        samples = progress(samples, "Reading clips", len(manifest))
    out = []
    for sample in samples:
        out.append(function(load(manifest, sample, which, window), sample))
        if out[-1].shape != out[0].shape:
            raise UserError(
                f"{sample.path}: an array of {out[-1].shape} where the first clip gave "
                f"{out[0].shape}"
            )
    stacked = np.stack(out)
    if file is not None:
        try:
            with replacing(file) as temporary:
                np.save(temporary, stacked)
        except OSError as error:  # a failed cache write must not stop the run
            _log.warning("the clips are not cached in %s: %s", cache, error.strerror)
    return stacked


def _fingerprint(manifest: Manifest, *settings: object) -> str:
    digest = hashlib.sha256(repr((os.path.realpath(manifest.root), settings)).encode())
    for s in manifest:
        path = manifest.root / s.path
        files = list(frame_files(path).values()) if path.is_dir() else [path]
        try:
            seen = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        except OSError:
            raise UserError(f"{path}: no such clip") from None
        digest.update(f"{s.path}\0{s.onset},{s.apex},{s.offset},{s.fps}\0{seen}\n".encode())
    return digest.hexdigest()[:20]

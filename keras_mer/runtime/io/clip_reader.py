"""Clips as frames in time order: a video file, or a folder of numbered images."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_mer import images
from keras_mer.errors import UserError
from keras_mer.runtime.io.video import VideoFile

#: Frames per second assumed for a folder of images, which does not state it.
FPS = 100.0
#: Most that a frame differs from the next, in gray levels at 16x16 pixels; photographs of two faces
#: in the same place differ by more than twice as much.
NEXT_FRAME = 5.0


@dataclass
class ClipReader:
    """Iterable over the frames of one clip, from its start to its end.

    Attributes:
        path: the video, or the folder.
        fps: frames per second.
        numbers: for a folder, the images' own numbers, ascending; empty for a video, whose frames
            count from 0.
        expected: number of frames; 0 when unknown.
        fault: one line that says why the clip ended early, else None; set at the end.
    """

    path: Path
    fps: float
    numbers: list[int] = field(default_factory=list)
    expected: int = 0
    fault: str | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames: uint8, gray or BGR.

        Raises:
            UserError: for an image that cannot be read.
        """
        if self.numbers:
            for file in images.frame_files(self.path).values():
                yield images.read(file)
            return
        video = VideoFile(self.path)
        try:
            while (frame := video.read()) is not None:
                yield frame.image
            self.fault = video.fault
        finally:
            video.close()

    def number(self, position: int) -> int:
        """The clip's own number for the frame at a position counted from 0."""
        return self.numbers[position] if self.numbers else position


def is_clip(path: str | os.PathLike) -> bool:
    """Whether a path is a video, by its name, or a folder that holds numbered images."""
    path = Path(path)
    return images.is_video(path) or (path.is_dir() and bool(images.frame_files(path)))


def is_recording(path: str | os.PathLike) -> bool:
    """Whether a path is a video, or a folder of numbered frames that continue each other.

    A folder of numbered photographs is none: in a recording a frame looks like the one before it.
    """
    path = Path(path)
    if images.is_video(path):
        return True
    files = list(images.frame_files(path).values()) if path.is_dir() else []
    if len(files) < 6:
        return False
    middle = len(files) // 2
    try:
        pairs = [(images.read(files[k]), images.read(files[k + 1])) for k in (0, middle)]
    except UserError:
        return False
    return all(_alike(*pair) for pair in pairs)


def recordings(path: str | os.PathLike) -> list[Path]:
    """The recordings that a path is or holds; none where it also holds other images."""
    path = Path(path)
    if is_recording(path):
        return [path]
    if not path.is_dir():
        return []
    inside = [p for p in sorted(path.rglob("*")) if not p.name.startswith(".")]
    found = [p for p in inside if is_clip(p) and is_recording(p)]
    loose = (p for p in inside if p.suffix.lower() in images.SUFFIXES and p.parent not in found)
    return [] if next(loose, None) else found


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    small = [images.resize(images.convert(i, 1), 16, 16).astype(float) for i in (one, other)]
    return bool(np.abs(small[0] - small[1]).mean() < NEXT_FRAME)


def open_clip(path: str | os.PathLike, fps: float | None = None) -> ClipReader:
    """Open a clip for reading.

    Args:
        path: a video file, or a folder of numbered images.
        fps: frames per second, overriding what a video states; `FPS` for a folder by default.

    Raises:
        UserError: when it is neither, or OpenCV cannot read it.
    """
    path = Path(path)
    if fps is not None and not 1 <= fps <= 10_000:
        raise UserError(f"expected 1 to 10,000 frames a second, got {fps:g}")
    if path.is_dir():
        numbers = list(images.frame_files(path))
        if not numbers:
            raise UserError(f"{path}: no numbered images in this folder")
        return ClipReader(path, fps or FPS, numbers, len(numbers))
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    video = VideoFile(path)
    clip = ClipReader(path, fps or video.fps, expected=video.expected)
    video.close()
    return clip


def find_clips(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The clips among the paths and in the folders among them, without repetition.

    A folder that holds numbered images is a clip; any other folder is searched.

    Raises:
        UserError: when there is none.
    """
    found: dict[Path, None] = {}
    paths = [Path(path) for path in paths]
    for path in paths:
        if not path.is_dir() or is_clip(path):
            found[path] = None
            continue
        inside = sorted(p for p in path.rglob("*") if not p.name.startswith("."))
        found.update(dict.fromkeys(p for p in inside if is_clip(p)))
    if not found:
        raise UserError(
            f"no clips in {', '.join(map(str, paths))}; expected videos, or folders of numbered "
            "images"
        )
    return list(found)

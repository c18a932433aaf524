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

"""Recordings as frames in time order: a video file, or a folder of numbered images."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_mer import images
from keras_mer.errors import UserError
from keras_mer.runtime.io.video import VideoFile

#: Frames a second of a folder of images, which does not say it.
FPS = 100.0


@dataclass
class Film:
    """A recording, read once, from its start to its end.

    Attributes:
        path: the video, or the folder.
        fps: frames a second.
        numbers: of a folder, the images' own numbers, rising; empty for a video, whose frames
            count from 0.
        expected: how many frames there are; 0 when unknown.
        fault: one line that says why it ended too early, else None; known at the end.
    """

    path: Path
    fps: float
    numbers: list[int] = field(default_factory=list)
    expected: int = 0
    fault: str | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames: uint8, grey or BGR.

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
        """What the recording itself calls the frame at a position counted from 0."""
        return self.numbers[position] if self.numbers else position


def is_film(path: str | os.PathLike) -> bool:
    """Whether a path leads to a video by its name, or to a folder with numbered images in it."""
    path = Path(path)
    return images.is_video(path) or (path.is_dir() and bool(images.frame_files(path)))


def open_film(path: str | os.PathLike, fps: float | None = None) -> Film:
    """A recording, ready to be read.

    Args:
        path: a video file, or a folder of numbered images.
        fps: frames a second, whatever a video says; of a folder, `FPS` by default.

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
        return Film(path, fps or FPS, numbers, len(numbers))
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    video = VideoFile(path)
    film = Film(path, fps or video.fps, expected=video.expected)
    video.close()
    return film


def find(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The recordings named, and those in the folders named, each once.

    A folder with numbered images of its own is a recording; any other is searched.

    Raises:
        UserError: when there is none.
    """
    found: dict[Path, None] = {}
    paths = [Path(path) for path in paths]
    for path in paths:
        if not path.is_dir() or is_film(path):
            found[path] = None
            continue
        inside = sorted(p for p in path.rglob("*") if not p.name.startswith("."))
        found.update(dict.fromkeys(p for p in inside if is_film(p)))
    if not found:
        raise UserError(
            f"no clips in {', '.join(map(str, paths))}; expected videos, or folders of numbered "
            "images"
        )
    return list(found)

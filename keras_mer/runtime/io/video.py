"""Sources of frames: video files, folders of images, and `open_source` for these and cameras."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from keras_mer import images
from keras_mer.errors import UserError
from keras_mer.runtime.io.camera import Camera
from keras_mer.runtime.io.frame_reader import Frame, Source

# FFmpeg reads it when the first video is opened; errors are reported by this module instead.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class VideoFile:
    """Every frame of a video file, in order. Attributes as of `frame_reader.Source`.

    Raises:
        UserError: when OpenCV cannot read the file.
    """

    live = False

    def __init__(self, path: str | os.PathLike):
        self.name, self.fault = str(path), None
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise UserError(f"{path}: not a video OpenCV can read")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else 25.0
        self.expected = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._index = 0

    def read(self) -> Frame | None:
        """The next frame, or None at the end."""
        good, image = self._capture.read()
        if not good:
            # Containers round their frame counts; more than 5 % missing means damage.
            if self._index < 0.95 * self.expected:
                self.fault = (
                    f"{self.name}: ended after {self._index} of {self.expected} frames; "
                    "the file is cut off or damaged"
                )
            return None
        frame = Frame(image, self._index, self._index / self.fps, time.monotonic())
        self._index += 1
        return frame

    def close(self) -> None:
        """Release the file."""
        self._capture.release()


class ImageFolder:
    """The images of a folder in the order of their names; unreadable files are skipped.

    Args:
        folder: the folder, searched recursively, or a single image.
        fps: frames per second.
        log: called with one line about each skipped file.

    Raises:
        UserError: when there is no image.
    """

    live = False

    def __init__(
        self, folder: str | os.PathLike, fps: float = 1.0, log: Callable[[str], object] = print
    ):
        self.name, self.fault, self.fps = str(folder), None, fps
        self._log = log
        paths = [Path(folder)] if Path(folder).is_file() else sorted(Path(folder).rglob("*"))
        files = [p for p in paths if p.suffix.lower() in images.SUFFIXES]
        if not files:
            raise UserError(f"{folder}: no images in this folder")
        self._files, self.expected = iter(files), len(files)
        self._index = 0

    def read(self) -> Frame | None:
        """The next readable image, or None after the last."""
        for file in self._files:
            try:
                image = images.convert(images.read(file), 3)
            except UserError as error:
                self._log(f"skipped {error}")
                continue
            frame = Frame(image, self._index, self._index / self.fps, time.monotonic(), cut=True)
            self._index += 1
            return frame
        return None

    def close(self) -> None:
        """Do nothing: no file stays open."""


class Replay:
    """A file played like a camera: in real time, and from its start again at its end.

    Args:
        path: a video file or a folder of images.
        fps: frames per second; None takes the file's.
        loops: how often it is played; None repeats without end.
    """

    live = True
    expected = 0

    def __init__(self, path: str | os.PathLike, fps: float | None = None, loops: int | None = None):
        self._path, self._loops = path, loops
        self._source = _open_file(path)
        self.name, self.fault = f"{path} as a camera", None
        self.fps = fps or self._source.fps
        self._start = time.monotonic()
        self._index = 0

    def read(self) -> Frame | None:
        """The next frame when it is due, or None after the last loop."""
        frame = self._source.read()
        if frame is None:
            if self._loops is not None:
                self._loops -= 1
                if self._loops <= 0:
                    return None
            self._source.close()
            self._source = _open_file(self._path)
            frame = self._source.read()
            if frame is None:
                self.fault = f"{self.name}: no frame in it"
                return None
        due = self._start + self._index / self.fps
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        frame = Frame(frame.image, self._index, now - self._start, now, frame.cut)
        self._index += 1
        return frame

    def close(self) -> None:
        """Release the file."""
        self._source.close()


def open_source(
    spec: str, *, as_camera: bool = False, log: Callable[[str], object] = print
) -> Source:
    """Open a source by its name: ``"0"`` a camera, an address with ``://`` a stream, else a path.

    Args:
        spec: camera number, address, video file, image or folder of images.
        as_camera: play a file or folder in real time and repeatedly, like a camera.
        log: called with lines about retries and skipped files.

    Raises:
        UserError: when it cannot be opened.
    """
    if spec.isdigit():
        return Camera(int(spec), log)
    if "://" in spec:
        return Camera(spec, log)
    return Replay(spec) if as_camera else _open_file(spec, log)


def _open_file(
    path: str | os.PathLike, log: Callable[[str], object] = print
) -> VideoFile | ImageFolder:
    path = Path(path)
    if not path.exists():
        raise UserError(
            f"{path}: no such source; expected a camera number, a video file, a folder of images "
            "or an address such as rtsp://..."
        )
    if path.is_dir() or path.suffix.lower() in images.SUFFIXES:
        return ImageFolder(path, log=log)
    return VideoFile(path)

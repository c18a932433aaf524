"""Where frames come from: a camera, a stream, a video file or a folder of images."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer import images
from keras_mer.errors import UserError

# FFmpeg reads it once, when the first video is opened; this module says itself what went wrong.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

# Where OpenCV's log level is set: in cv2 itself (4.11), or in cv2.utils.logging (4.14).
_log = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging

# How often a live source is opened again before it is given up, and the pause before each try.
_RETRIES = 3
_PAUSE = 0.5
# Seconds of nothing but black before a camera counts as covered or taken.
_BLACK_SECONDS = 3.0


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: uint8, (height, width, 3) BGR.
        index: its number in the source, from 0.
        time: seconds since the source's first frame; of a file, by its frame rate.
        grabbed: `time.monotonic()` at which it was read.
        cut: whether it does not continue the frame before it (an image of a folder).
    """

    image: np.ndarray
    index: int
    time: float
    grabbed: float
    cut: bool = False


class VideoFile:
    """Every frame of a video file, in order.

    Attributes (of every source):
        name: what to call it in a message.
        live: whether frames come at their own pace and are lost when nobody takes them.
        fps: frames a second; 0 when unknown.
        expected: how many frames there are; 0 when unknown.
        fault: one line saying why it ended, None for a regular end.
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
            # Containers round their counts; more than a twentieth missing is damage.
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
    """The images of a folder in the order of their names; what cannot be read is skipped."""

    live = False

    def __init__(self, folder: str | os.PathLike, fps: float = 1.0, say: Callable = print):
        self.name, self.fault, self.fps = str(folder), None, fps
        self._say = say
        paths = [Path(folder)] if Path(folder).is_file() else sorted(Path(folder).rglob("*"))
        files = [p for p in paths if p.suffix.lower() in images.SUFFIXES]
        if not files:
            raise UserError(f"{folder}: no images in this folder")
        self._files, self.expected = iter(files), len(files)
        self._index = 0

    def read(self) -> Frame | None:
        """The next image that can be read, or None after the last."""
        for file in self._files:
            try:
                image = images.convert(images.read(file), 3)
            except UserError as error:
                self._say(f"skipped {error}")
                continue
            frame = Frame(image, self._index, self._index / self.fps, time.monotonic(), cut=True)
            self._index += 1
            return frame
        return None

    def close(self) -> None:
        """Nothing is held open."""


class Camera:
    """A camera by its number, or a stream by its address.

    A read that fails, and black frames for some seconds, make it open the source again, a few
    times; then it ends, with the reason in `fault`.

    Raises:
        UserError: when it cannot be opened, or gives no first frame.
    """

    live = True
    expected = 0

    def __init__(self, source: int | str, say: Callable = print):
        self.name = f"camera {source}" if isinstance(source, int) else str(source)
        self._source, self._say, self.fault = source, say, None
        self._capture: cv2.VideoCapture | None = None
        self._first = self._waiting = self._open()
        if self._first is None:
            busy = "missing, or another program has it" if isinstance(source, int) else "no answer"
            raise UserError(f"{self.name}: gives no picture ({busy}; tried {_RETRIES + 1} times)")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else 0.0
        self._start = time.monotonic()
        self._index = 0
        self._black_since: float | None = None
        self._black_tries = 0

    def read(self) -> Frame | None:
        """The next frame, or None when the source is given up."""
        image, self._waiting = self._waiting, None
        if image is None:
            image = self._grab()
        if image is None:
            self._say(f"{self.name}: lost the picture, trying again")
            image = self._open()
            if image is None:
                self.fault = (
                    f"{self.name}: gone after {self._index} frames (unplugged, or the stream "
                    f"ended); {_RETRIES + 1} tries to open it again failed"
                )
                return None
        now = time.monotonic()
        if not self._black_ended(image, now):
            frame = Frame(image, self._index, now - self._start, now)
            self._index += 1
            return frame
        return None

    def close(self) -> None:
        """Release the device."""
        if self._capture is not None:
            self._capture.release()

    def _black_ended(self, image: np.ndarray, now: float) -> bool:
        """Keep watch for black frames; True when the camera is given up for them."""
        if image[::16, ::16].max() > 12:
            self._black_since, self._black_tries = None, 0
            return False
        if self._black_since is None:
            self._black_since = now
        if now - self._black_since < _BLACK_SECONDS:
            return False
        self._black_since = now
        self._black_tries += 1
        if self._black_tries <= _RETRIES:
            self._say(f"{self.name}: gives only black frames, opening it again")
            self._waiting = self._open()
            return False
        self.fault = f"{self.name}: gives only black frames (lens covered, or camera switched off?)"
        return True

    def _open(self) -> np.ndarray | None:
        """Open it, with retries, and give its first picture; None when that fails."""
        for attempt in range(_RETRIES + 1):
            if attempt:
                time.sleep(_PAUSE * attempt)
            self.close()
            self._capture = _open_capture(self._source)
            image = self._grab()
            if image is not None:
                return image
        return None

    def _grab(self) -> np.ndarray | None:
        try:
            good, image = self._capture.read()
        except cv2.error:  # some drivers throw when the device goes away
            return None
        return image if good and image is not None and image.size else None


class Replay:
    """A file played as if it were a camera: at its own pace, again from its start at its end.

    Args:
        path: a video file or a folder of images.
        fps: frames a second; None takes the file's.
        loops: how often it is played; None never stops.
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
        """The next frame at its moment, or None after the last round."""
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


Source = VideoFile | ImageFolder | Camera | Replay


def open_source(spec: str, *, as_camera: bool = False, say: Callable = print) -> Source:
    """Open what a user named: ``"0"`` a camera, an address with ``://`` a stream, else a path.

    Args:
        spec: camera number, address, video file, image or folder of images.
        as_camera: play a file or folder at its pace, over and over, like a camera.
        say: where lines about retries and skipped files go.

    Raises:
        UserError: when it cannot be opened.
    """
    if spec.isdigit():
        return Camera(int(spec), say)
    if "://" in spec:
        return Camera(spec, say)
    return Replay(spec) if as_camera else _open_file(spec, say)


def _open_file(path: str | os.PathLike, say: Callable = print) -> VideoFile | ImageFolder:
    path = Path(path)
    if not path.exists():
        raise UserError(
            f"{path}: no such source; expected a camera number, a video file, a folder of images "
            "or an address such as rtsp://..."
        )
    if path.is_dir() or path.suffix.lower() in images.SUFFIXES:
        return ImageFolder(path, say=say)
    return VideoFile(path)


def _open_capture(source: int | str) -> cv2.VideoCapture:
    """Open a device or stream without OpenCV's own lines about what it tried."""
    before = _log.getLogLevel()
    _log.setLogLevel(0)
    try:
        if isinstance(source, int):
            capture = cv2.VideoCapture(source)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 5000]
            capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    finally:
        _log.setLogLevel(before)
    # A queue inside the driver would hand over old pictures.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture

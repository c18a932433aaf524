"""A camera or network stream as a source of frames, reopened when it fails."""

import time
from collections.abc import Callable

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.runtime.io.frame_reader import Frame

# Where OpenCV's log level is set: in cv2 itself (4.11), or in cv2.utils.logging (4.14).
_opencv_logging = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging

# How often a source is reopened before it counts as lost, and the pause before each attempt in s.
_RETRIES = 3
_PAUSE = 0.5
# Seconds of only black frames after which a camera counts as covered or taken.
_BLACK_SECONDS = 3.0


class Camera:
    """A camera by its number, or a stream by its address.

    A failed read, or black frames for some seconds, reopen the source a few times; then it ends,
    with the reason in `fault`. Attributes as of `frame_reader.Source`.

    Args:
        source: camera number or stream address.
        log: called with one line about each attempt to reopen it.

    Raises:
        UserError: when it cannot be opened, or gives no first frame.
    """

    live = True
    expected = 0

    def __init__(self, source: int | str, log: Callable[[str], object] = print):
        self.name = f"camera {source}" if isinstance(source, int) else str(source)
        self._source, self._log, self.fault = source, log, None
        self._capture: cv2.VideoCapture | None = None
        self._pending = self._open()  # a frame that was read while opening
        if self._pending is None:
            busy = "missing, or another program has it" if isinstance(source, int) else "no answer"
            raise UserError(f"{self.name}: gives no picture ({busy}; tried {_RETRIES + 1} times)")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else 0.0
        self._start = time.monotonic()
        self._index = 0
        self._black_since: float | None = None
        self._black_tries = 0

    def read(self) -> Frame | None:
        """The next frame, or None when the source is lost."""
        image, self._pending = self._pending, None
        if image is None:
            image = self._read_image()
        if image is None:
            self._log(f"{self.name}: lost the picture, trying again")
            image = self._open()
            if image is None:
                self.fault = (
                    f"{self.name}: gone after {self._index} frames (unplugged, or the stream "
                    f"ended); {_RETRIES + 1} tries to open it again failed"
                )
                return None
        now = time.monotonic()
        if not self._black_too_long(image, now):
            frame = Frame(image, self._index, now - self._start, now)
            self._index += 1
            return frame
        return None

    def close(self) -> None:
        """Release the device."""
        if self._capture is not None:
            self._capture.release()

    def _black_too_long(self, image: np.ndarray, now: float) -> bool:
        """Reopen the source after `_BLACK_SECONDS` of black frames; True after the last retry."""
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
            self._log(f"{self.name}: gives only black frames, opening it again")
            self._pending = self._open()
            return False
        self.fault = f"{self.name}: gives only black frames (lens covered, or camera switched off?)"
        return True

    def _open(self) -> np.ndarray | None:
        """Open the source with retries and return its first image; None when that fails."""
        for attempt in range(_RETRIES + 1):
            if attempt:
                time.sleep(_PAUSE * attempt)
            self.close()
            self._capture = _open_capture(self._source)
            image = self._read_image()
            if image is not None:
                return image
        return None

    def _read_image(self) -> np.ndarray | None:
        try:
            good, image = self._capture.read()
        except cv2.error:  # some drivers throw when the device goes away
            return None
        return image if good and image is not None and image.size else None


def _open_capture(source: int | str) -> cv2.VideoCapture:
    """Open a device or stream with OpenCV's own log lines switched off."""
    before = _opencv_logging.getLogLevel()
    _opencv_logging.setLogLevel(0)
    try:
        if isinstance(source, int):
            capture = cv2.VideoCapture(source)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 5000]
            capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    finally:
        _opencv_logging.setLogLevel(before)
    # A queue inside the driver would return outdated frames.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture

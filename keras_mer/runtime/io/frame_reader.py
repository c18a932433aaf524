"""Frames of a source, read in a background thread so that decoding does not delay the consumer."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One frame of a source.

    Attributes:
        image: uint8, (height, width, 3) BGR.
        index: its number in the source, from 0.
        time: seconds since the source's first frame; for a file, by its frame rate.
        read_at: `time.monotonic()` at which it was read.
        cut: whether it does not continue the previous frame (an image of a folder).
    """

    image: np.ndarray
    index: int
    time: float
    read_at: float
    cut: bool = False


class Source(Protocol):
    """Anything that yields frames: a camera, a stream, a video file or a folder of images.

    Attributes:
        name: its name in messages.
        live: whether frames arrive at their own pace and are lost when they are not read in time.
        fps: frames per second; 0 when unknown.
        expected: number of frames; 0 when unknown.
        fault: one line that says why the source ended early; None for a regular end.
    """

    name: str
    live: bool
    fps: float
    expected: int
    fault: str | None

    def read(self) -> Frame | None:
        """The next frame, or None at the end."""
        ...

    def close(self) -> None:
        """Release the source."""
        ...


class FrameReader:
    """Iterator over a source's frames: the newest of a live source, every one of a file.

    While the consumer is busy, older frames of a live source are dropped, so that no lag builds
    up; for a file the thread waits instead. Usable as a context manager.

    Args:
        source: closed together with the reader.
        timeout: seconds without a frame after which a live source counts as dead.

    Attributes:
        dropped: number of frames of a live source that were never read.
        fault: why the source ended, None for a regular end.
    """

    def __init__(self, source: Source, timeout: float = 15.0):
        self.source, self.timeout = source, timeout
        self.dropped, self.fault = 0, None
        self._frames: deque[Frame] = deque()
        self._capacity = 1 if source.live else 4
        self._changed = threading.Condition()
        self._ended = self._closing = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="frame-reader", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        """Wait for the next frame and return it; None when the source has ended.

        Raises:
            Exception: what the source raised in the thread.
        """
        with self._changed:
            timeout = self.timeout if self.source.live else None
            ready = self._changed.wait_for(lambda: self._frames or self._ended, timeout)
            if self._frames:
                frame = self._frames.popleft()
                self._changed.notify_all()
                return frame
            if self._error is not None:
                raise self._error
            self.fault = (
                self.source.fault
                if ready
                else f"{self.source.name}: gave no frame for {self.timeout:g} s"
            )
            return None

    def poll(self) -> Frame | None:
        """The next frame if it is available without waiting, else None; see `ended`."""
        return None if not self._frames and not self.ended else self.read()

    @property
    def ended(self) -> bool:
        """Whether no more frames will follow those already read by the thread."""
        return self._ended

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame

    def close(self) -> None:
        """Stop the thread and release the source."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=2.0)
        # A thread blocked in a driver still uses the device: releasing it now would crash.
        if not self._thread.is_alive():
            self.source.close()

    def __enter__(self) -> "FrameReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        try:
            while not self._closing:
                frame = self.source.read()
                with self._changed:
                    if frame is None:
                        break
                    if self.source.live:
                        self.dropped += len(self._frames)
                        self._frames.clear()
                    else:
                        self._changed.wait_for(
                            lambda: len(self._frames) < self._capacity or self._closing
                        )
                    self._frames.append(frame)
                    self._changed.notify_all()
        except Exception as error:  # passed on to the consumer, which raises it
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

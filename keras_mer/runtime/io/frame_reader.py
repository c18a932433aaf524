"""A thread that reads a source, so that decoding and waiting cost the picture no time."""

import threading
from collections import deque
from collections.abc import Iterator

from keras_mer.runtime.io.video import Frame, Source


class Grabber:
    """Iterate over a source's frames: the newest of a live source, every one of a file.

    While the consumer works, a live source's older frames are dropped, so that no lag builds up; a
    file's reader waits instead. Use it as a context manager.

    Args:
        source: it is closed with the grabber.
        patience: seconds without any frame after which a live source counts as dead.

    Attributes:
        dropped: frames of a live source that nobody took.
        fault: why the source ended, None for a regular end.
    """

    def __init__(self, source: Source, patience: float = 15.0):
        self.source, self.patience = source, patience
        self.dropped, self.fault = 0, None
        self._frames: deque[Frame] = deque()
        self._room = 1 if source.live else 4
        self._changed = threading.Condition()
        self._ended = self._closing = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="grabber", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        """The next frame to show, waiting for it; None when the source has ended.

        Raises:
            Exception: what the source raised in its thread.
        """
        with self._changed:
            patience = self.patience if self.source.live else None
            ready = self._changed.wait_for(lambda: self._frames or self._ended, patience)
            if self._frames:
                frame = self._frames.popleft()
                self._changed.notify_all()
                return frame
            if self._error is not None:
                raise self._error
            self.fault = (
                self.source.fault
                if ready
                else f"{self.source.name}: gave no frame for {self.patience:g} s"
            )
            return None

    def poll(self) -> Frame | None:
        """The next frame if it is there already, without waiting; see `ended` for its absence."""
        return None if not self._frames and not self.ended else self.read()

    @property
    def ended(self) -> bool:
        """Whether no more frames will come after those already grabbed."""
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
        # A thread stuck in a driver still holds the device: releasing it under its feet crashes.
        if not self._thread.is_alive():
            self.source.close()

    def __enter__(self) -> "Grabber":
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
                            lambda: len(self._frames) < self._room or self._closing
                        )
                    self._frames.append(frame)
                    self._changed.notify_all()
        except Exception as error:  # handed to the consumer, which raises it
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

"""Spotting of the brief expressions of every face in a stream of frames."""

from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from keras_mer.face.detection import Detection
from keras_mer.face.prepare import place_of
from keras_mer.images import convert
from keras_mer.runtime.spotting import WINDOW_SECONDS, ExpressionInterval, Spotter

#: Fewest frames in which a face is searched for a brief expression.
_LEAST = 6


@dataclass(frozen=True, eq=False)
class SpottedInterval:
    """A brief expression of one face of a stream.

    Attributes:
        face: identity of the track.
        onset, apex, offset: in seconds.
        interval: the same with positions that count the stream's frames from 0.
    """

    face: int
    onset: float
    apex: float
    offset: float
    interval: ExpressionInterval


class FaceSpotter:
    """Spots the brief expressions of all tracked faces while the frames of a stream come in.

    A window of `WINDOW_SECONDS` slides over the stream, half of it at a time. Every face in it is
    searched on its own, from the first to the last frame in which it was detected.

    Args:
        spotter: its model and thresholds are used.
        background: search in a thread of its own, so that a live view does not wait; results come
            some frames later, and a window that begins while another is searched is left out.

    Attributes:
        found: what was spotted so far, in the order of the onsets; no two of a face overlap.
        skipped: number of windows that were left out.
    """

    def __init__(self, spotter: Spotter, *, background: bool = False):
        self.spotter = spotter
        self.found: list[SpottedInterval] = []
        self.skipped = 0
        self._window: deque[tuple[int, float, np.ndarray, dict[int, Detection]]] = deque()
        self._fresh = 0  # frames of the window that no search has seen
        self._next = 0
        self._pool = ThreadPoolExecutor(1) if background else None
        self._running: Future | None = None

    def add(
        self, image: np.ndarray, time: float, faces: Sequence[tuple[int, Detection]]
    ) -> list[SpottedInterval]:
        """Take the next frame.

        Args:
            image: uint8, (height, width, 3) BGR or (height, width) gray.
            time: seconds, increasing.
            faces: identity and detection of each face, in pixels of `image`.

        Returns:
            The brief expressions that are new.
        """
        grey = convert(image, 1)[..., 0]
        if self._window and self._window[-1][2].shape != grey.shape:
            self._window.clear()
            self._fresh = 0
        self._window.append((self._next, time, grey, dict(faces)))
        self._next += 1
        self._fresh += 1
        new = self._collect(wait=False)
        # of n frames each 1/fps apart, the last one ends 1/fps after it begins
        span = time - self._window[0][1]
        if span + span / max(len(self._window) - 1, 1) >= WINDOW_SECONDS - 1e-6:
            new += self._search()
            middle = self._window[0][1] + WINDOW_SECONDS / 2 - 1e-6
            while self._window and self._window[0][1] < middle:
                self._window.popleft()
            self._fresh = 0
        return new

    def finish(self) -> list[SpottedInterval]:
        """Search what is left of the stream; the new ones are returned, all are in `found`."""
        new = self._collect(wait=True)
        if self._fresh:
            new += self._search() + self._collect(wait=True)
        if self._pool:
            self._pool.shutdown()
        return new

    def _search(self) -> list[SpottedInterval]:
        frames = list(self._window)
        if self._pool is None:
            return self._keep(self._spot(frames))
        if self._running is not None:
            self.skipped += 1
            return []
        self._running = self._pool.submit(self._spot, frames)
        return []

    def _collect(self, wait: bool) -> list[SpottedInterval]:
        if self._running is None or not (wait or self._running.done()):
            return []
        done, self._running = self._running.result(), None
        return self._keep(done)

    def _spot(self, frames: list) -> list[SpottedInterval]:
        """Search every face of a window."""
        spotted = []
        counts = Counter(face for *_, faces in frames for face in faces)
        for face, count in counts.items():
            seen = [k for k, (*_, faces) in enumerate(frames) if face in faces]
            part = frames[seen[0] : seen[-1] + 1]
            if count < max(_LEAST, len(frames) / 2):
                continue
            times = np.array([time for _, time, *_ in part])
            fps = (len(times) - 1) / (times[-1] - times[0])
            images = [image for _, _, image, _ in part]
            place = place_of(images[0], part[0][3][face])
            start = part[0][0]
            for one in self.spotter.spot_window(images, start, fps, place):
                seconds = (float(times[k - start]) for k in (one.onset, one.apex, one.offset))
                spotted.append(SpottedInterval(face, *seconds, one))
        return spotted

    def _keep(self, spotted: list[SpottedInterval]) -> list[SpottedInterval]:
        """Of overlapping intervals of a face, the one that agrees best."""
        new = []
        for one in spotted:
            others = [
                k
                for k in self.found
                if k.face == one.face and one.onset < k.offset and k.onset < one.offset
            ]
            if any(k.interval.agreement >= one.interval.agreement for k in others):
                continue
            # the same movement, seen by the next window: it is not reported as a new one
            self.found = [k for k in self.found if k not in others] + [one]
            new += [] if others else [one]
        self.found.sort(key=lambda k: k.onset)
        return new

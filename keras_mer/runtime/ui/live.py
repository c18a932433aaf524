"""The live run: frames in, faces out, on screen and on disk, until a key or the source ends it."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from keras_mer import images
from keras_mer.runtime.io.frame_reader import Grabber
from keras_mer.runtime.io.outputs import Log, Recorder
from keras_mer.runtime.io.video import Frame, Source
from keras_mer.runtime.pipeline import Pipeline, TrackedFace
from keras_mer.runtime.ui import overlay
from keras_mer.runtime.ui.window import ESCAPE, Window


@dataclass
class Summary:
    """What a run has seen.

    Attributes:
        frames, with_face: how many were processed, and how many of them had a face.
        dropped: frames of a live source that came while the last one was worked on.
        seconds: how long it ran.
        labels: how many frames each identity spent with each label.
        age: seconds from grabbing a frame to its being shown, median over the last thousand.
        age_high: the 99th percentile of it.
        fault: why the source ended, None for a regular end.
        files: what was written.
    """

    frames: int = 0
    with_face: int = 0
    dropped: int = 0
    seconds: float = 0.0
    labels: dict[int, Counter] = field(default_factory=dict)
    age: float = 0.0
    age_high: float = 0.0
    fault: str | None = None
    files: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        rate = self.frames / self.seconds if self.seconds else 0.0
        share = self.with_face / self.frames if self.frames else 0.0
        lines = [
            f"{self.frames} frames in {self.seconds:.1f} s ({rate:.1f} a second"
            f"{f', {self.dropped} dropped' if self.dropped else ''}), a face in {share:.1%}; "
            f"{self.age * 1000:.0f} ms from the camera to the end of the work"
        ]
        for identity, counts in sorted(self.labels.items()):
            total = counts.total()
            parts = ", ".join(f"{name} {n / total:.0%}" for name, n in counts.most_common())
            lines.append(f"face {identity}: {total} frames: {parts}")
        lines += [f"wrote {path}" for path in self.files]
        return "\n".join(lines)


class Live:
    """Runs a pipeline over a source.

    Keys in the window: `q` or Esc ends, `s` saves the frame, `r` starts and stops a recording.

    Args:
        pipeline: what finds and names the faces.
        source: where the frames come from; it is closed at the end.
        window: where they are shown; None shows nothing.
        log: gets every face of every frame.
        output: records everything, as shown.
        folder: where saved frames and recordings go.
        span: seconds that the strip under the picture shows; 0 leaves it out.
        say: where lines for the user go.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        *,
        window: Window | None = None,
        log: Log | None = None,
        output: Recorder | None = None,
        folder: str | Path = "captures",
        span: float = 10.0,
        say: Callable[[str], None] = print,
    ):
        self.pipeline, self.source, self.window = pipeline, source, window
        self.log, self.output, self.folder = log, output, Path(folder)
        self.span, self._say = span, say
        self.summary = Summary()
        self._recorder: Recorder | None = None
        self._history: deque[tuple[float, tuple[float, ...]]] = deque()
        self._shown: int | None = None
        self._interval = 0.0

    def run(self) -> Summary:
        """Work until the source ends, a key says so, or Ctrl-C; what was written is whole then."""
        started = before = time.monotonic()
        ages: deque[float] = deque(maxlen=1000)
        grabber = Grabber(self.source)
        try:
            for frame in grabber:
                faces = self.pipeline.process(frame.image, frame.time, frame.cut)
                self._count(faces)
                if self.log:
                    self.log.add(frame.time, frame.index, faces)
                key = self._show(frame, faces, started)
                now = time.monotonic()
                ages.append(now - frame.grabbed)
                interval, before = now - before, now
                self._interval = (
                    0.9 * self._interval + 0.1 * interval if self._interval else interval
                )
                if key in (ord("q"), ESCAPE):
                    break
        except KeyboardInterrupt:
            self._say("stopped")
        finally:
            self.summary.seconds = time.monotonic() - started
            self.summary.dropped, self.summary.fault = grabber.dropped, grabber.fault
            if ages:
                self.summary.age, self.summary.age_high = map(float, np.percentile(ages, [50, 99]))
            self._close(grabber)
        return self.summary

    def _show(self, frame: Frame, faces: list[TrackedFace], started: float) -> int | None:
        """Draw, show and record; the key pressed, or None."""
        if self.window is None and self.output is None:
            return None
        canvas = self.compose(frame.image, faces, frame.time)
        pace = frame.time if self.source.live else None
        for recorder in (self.output, self._recorder):
            if recorder:
                recorder.add(canvas, pace)
        if self.window is None:
            return None
        if self._recorder:
            overlay.text(canvas, "REC", (canvas.shape[1] - 60, 4), 16, (60, 60, 230))
        # A file is shown at its own pace.
        ahead = 0.0 if self.source.live else started + frame.time - time.monotonic()
        key = self.window.show(canvas, ahead)
        if key == ord("s"):
            path = self._path("frame", ".png")
            images.write(path, canvas)
            self._wrote(path)
        elif key == ord("r"):
            self._toggle()
        return key

    def compose(self, image: np.ndarray, faces: list[TrackedFace], now: float) -> np.ndarray:
        """The picture to show: the frame with its faces drawn in, and the strip under it."""
        height, width = image.shape[:2]
        below = max(90, height // 5) if self.span > 0 else 0
        canvas = np.empty((height + below, width, 3), np.uint8)
        canvas[:height] = image
        overlay.draw_faces(canvas[:height], faces)
        if self._interval:
            overlay.text(canvas, f"{1 / self._interval:.0f} fps", (4, 4), max(11, height / 32))
        if below:
            self._remember(faces, now, width)
            times = [moment for moment, _ in self._history]
            rows = [row for _, row in self._history]
            classes = self.pipeline.recogniser.classes
            canvas[height:] = overlay.strip(width, below, classes, times, rows, self.span)
        return canvas

    def _remember(self, faces: list[TrackedFace], now: float, width: int) -> None:
        """Keep the last seconds of the longest known face, a point for every two pixels."""
        if faces:
            if faces[0].id != self._shown:
                self._history.clear()
                self._shown = faces[0].id
            if self._history and now - self._history[-1][0] < 2 * self.span / width:
                self._history.pop()
            self._history.append((now, tuple(faces[0].probabilities.values())))
        while self._history and self._history[0][0] < now - self.span:
            self._history.popleft()

    def _count(self, faces: list[TrackedFace]) -> None:
        self.summary.frames += 1
        self.summary.with_face += bool(faces)
        for face in faces:
            self.summary.labels.setdefault(face.id, Counter())[face.label] += 1

    def _toggle(self) -> None:
        if self._recorder is None:
            rate = self.source.fps or min(max(1 / max(self._interval, 0.01), 5.0), 60.0)
            self._recorder = Recorder(self._path("recording", ".mp4"), rate)
            self._say(f"recording {self._recorder.path}")
        else:
            self._recorder.close()
            self._wrote(self._recorder.path)
            self._recorder = None

    def _path(self, kind: str, suffix: str) -> Path:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
        return self.folder / f"{kind}-{stamp}{suffix}"

    def _wrote(self, path: Path) -> None:
        self.summary.files.append(path)
        self._say(f"wrote {path}")

    def _close(self, grabber: Grabber) -> None:
        grabber.close()
        for sink in (self.log, self.output, self._recorder):
            if sink:
                sink.close()
                self.summary.files.append(sink.path)
        if self.window:
            self.window.close()

"""Live recognition: processes a source, shows and records the result, until it ends or a key."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from keras_mer import images
from keras_mer.runtime.face_spotting import FaceSpotter, SpottedInterval
from keras_mer.runtime.io.frame_reader import Frame, FrameReader, Source
from keras_mer.runtime.io.outputs import PredictionLog, Recorder
from keras_mer.runtime.pipeline import Pipeline, TrackedFace
from keras_mer.runtime.ui import overlay
from keras_mer.runtime.ui.layout import letter_size
from keras_mer.runtime.ui.window import ESCAPE, Window

#: How long a brief expression is named after its offset; a window of a second is searched first.
BRIEF_SECONDS = 3.0


@dataclass
class Summary:
    """Statistics of a run.

    Attributes:
        frames, with_face: number of processed frames, and of those with a face.
        dropped: frames of a live source that arrived while another was processed.
        seconds: duration of the run.
        labels: for each identity, the number of frames with each label.
        brief: for each identity, the number of brief expressions of each class.
        latency: median latency from reading a frame to showing it, in s, over the last 1000 frames.
        latency_p99: 99th percentile of the latency, in s.
        fault: why the source ended, None for a regular end.
        files: the files written.
    """

    frames: int = 0
    with_face: int = 0
    dropped: int = 0
    seconds: float = 0.0
    labels: dict[int, Counter] = field(default_factory=dict)
    brief: dict[int, Counter] = field(default_factory=dict)
    latency: float = 0.0
    latency_p99: float = 0.0
    fault: str | None = None
    files: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        rate = self.frames / self.seconds if self.seconds else 0.0
        share = self.with_face / self.frames if self.frames else 0.0
        lines = [
            f"{self.frames} frames in {self.seconds:.1f} s ({rate:.1f} a second"
            f"{f', {self.dropped} dropped' if self.dropped else ''}), a face in {share:.1%}; "
            f"{self.latency * 1000:.0f} ms latency from reading to showing a frame"
        ]
        for identity, counts in sorted(self.labels.items()):
            total = counts.total()
            parts = ", ".join(f"{name} {n / total:.0%}" for name, n in counts.most_common())
            lines.append(f"face {identity}: {total} frames: {parts}")
        for identity, counts in sorted(self.brief.items()):
            parts = ", ".join(f"{n} {name}" for name, n in counts.most_common())
            lines.append(f"face {identity}: brief expressions: {parts}")
        lines += [f"wrote {path}" for path in self.files]
        return "\n".join(lines)


class Live:
    """A pipeline that runs over a source and shows, logs and records its output.

    Keys in the window: `q` or Esc ends, `s` saves the frame, `r` starts and stops a recording.

    Args:
        pipeline: detects and classifies the faces.
        source: of the frames; closed at the end.
        window: shows the frames; None shows nothing.
        predictions: receives every face of every frame.
        output: records every frame as shown.
        folder: for saved frames and recordings.
        span: seconds shown by the probability strip under the image; 0 omits it.
        log: called with messages for the user.
        brief: spots brief expressions; each is logged, and named in the face for some seconds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        *,
        window: Window | None = None,
        predictions: PredictionLog | None = None,
        output: Recorder | None = None,
        folder: str | Path = "captures",
        span: float = 10.0,
        log: Callable[[str], object] = print,
        brief: FaceSpotter | None = None,
    ):
        self.pipeline, self.source, self.window = pipeline, source, window
        self.predictions, self.output, self.folder = predictions, output, Path(folder)
        self.span, self._log, self.brief = span, log, brief
        self._named: dict[int, SpottedInterval] = {}
        self.summary = Summary()
        self._recorder: Recorder | None = None
        self._history: deque[tuple[float, tuple[float, ...]]] = deque()
        self._shown: int | None = None
        self._interval = 0.0

    def run(self) -> Summary:
        """Run until the source ends, a key or Ctrl-C stops it; then all files are complete."""
        started = before = time.monotonic()
        latencies: deque[float] = deque(maxlen=1000)
        reader = FrameReader(self.source)
        try:
            for frame in reader:
                faces = self.pipeline.process(frame.image, frame.time, frame.cut)
                self._count(faces)
                if self.brief and not frame.cut:
                    seen = [(face.id, face) for face in faces]
                    self._report_brief(self.brief.add(frame.image, frame.time, seen))
                if self.predictions:
                    self.predictions.add(frame.time, frame.index, faces)
                key = self._show(frame, faces, started)
                now = time.monotonic()
                latencies.append(now - frame.read_at)
                interval, before = now - before, now
                self._interval = (
                    0.9 * self._interval + 0.1 * interval if self._interval else interval
                )
                if key in (ord("q"), ESCAPE):
                    break
        except KeyboardInterrupt:
            self._log("stopped")
        finally:
            self.summary.seconds = time.monotonic() - started
            self.summary.dropped, self.summary.fault = reader.dropped, reader.fault
            if latencies:
                self.summary.latency, self.summary.latency_p99 = map(
                    float, np.percentile(latencies, [50, 99])
                )
            if self.brief:
                self._report_brief(self.brief.finish())
            self._close(reader)
        return self.summary

    def _show(self, frame: Frame, faces: list[TrackedFace], started: float) -> int | None:
        """Draw, show and record a frame; return the key pressed, or None."""
        if self.window is None and self.output is None:
            return None
        canvas = self.compose(frame.image, faces, frame.time)
        timestamp = frame.time if self.source.live else None
        for recorder in (self.output, self._recorder):
            if recorder:
                recorder.add(canvas, timestamp)
        if self.window is None:
            return None
        if self._recorder:
            size = letter_size(frame.image.shape)
            overlay.text(canvas, "REC", (canvas.shape[1], round(size / 3)), size, (60, 60, 230))
        # A file is shown in real time.
        ahead = 0.0 if self.source.live else started + frame.time - time.monotonic()
        key = self.window.show(canvas, ahead)
        if key == ord("s"):
            path = self._path("frame", ".png")
            images.write(path, canvas)
            self._report_file(path)
        elif key == ord("r"):
            self._toggle_recording()
        return key

    def compose(self, image: np.ndarray, faces: list[TrackedFace], now: float) -> np.ndarray:
        """The image to show: the frame with its faces, and the probability strip below."""
        height, width = image.shape[:2]
        below = max(90, height // 5) if self.span > 0 else 0
        canvas = np.empty((height + below, width, 3), np.uint8)
        canvas[:height] = image
        avoid = []
        if self._interval:
            size = letter_size(image.shape)
            rate = f"{1 / self._interval:.0f} fps"
            corner = round(size / 3)
            avoid.append(overlay.text(canvas, rate, (corner, corner), 0.75 * size))
        overlay.draw_faces(canvas[:height], faces, avoid=avoid)
        self._draw_brief(canvas[:height], faces, now)
        if below:
            self._update_history(faces, now, width)
            times = [time for time, _ in self._history]
            rows = [row for _, row in self._history]
            classes = self.pipeline.recogniser.classes
            canvas[height:] = overlay.strip(width, below, classes, times, rows, self.span)
        return canvas

    def _report_brief(self, new: list[SpottedInterval]) -> None:
        for one in new:
            expression = one.interval.expression
            self._named[one.face] = one
            self.summary.brief.setdefault(one.face, Counter())[expression.label] += 1
            self._log(
                f"{one.apex:.2f} s, face {one.face}: brief {expression.label} "
                f"{expression.confidence:.0%}"
            )

    def _draw_brief(self, image: np.ndarray, faces: list[TrackedFace], now: float) -> None:
        """Name each face's last brief expression at its chin."""
        size = 0.75 * letter_size(image.shape)
        for face in faces:
            one = self._named.get(face.id)
            if one is None or now - one.offset > BRIEF_SECONDS:
                continue
            x, y, _, height = face.box
            words = f"brief: {one.interval.expression.label}"
            ink = overlay.color(one.interval.expression.label)
            overlay.text(image, words, (x + 2, round(y + height - 2.2 * size)), size, ink)

    def _update_history(self, faces: list[TrackedFace], now: float, width: int) -> None:
        """Keep the last seconds of the face tracked longest, one point for every two pixels."""
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

    def _toggle_recording(self) -> None:
        if self._recorder is None:
            rate = self.source.fps or min(max(1 / max(self._interval, 0.01), 5.0), 60.0)
            self._recorder = Recorder(self._path("recording", ".mp4"), rate)
            self._log(f"recording {self._recorder.path}")
        else:
            self._recorder.close()
            self._report_file(self._recorder.path)
            self._recorder = None

    def _path(self, kind: str, suffix: str) -> Path:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
        return self.folder / f"{kind}-{stamp}{suffix}"

    def _report_file(self, path: Path) -> None:
        self.summary.files.append(path)
        self._log(f"wrote {path}")

    def _close(self, reader: FrameReader) -> None:
        reader.close()
        for sink in (self.predictions, self.output, self._recorder):
            if sink:
                sink.close()
                self.summary.files.append(sink.path)
        if self.window:
            self.window.close()

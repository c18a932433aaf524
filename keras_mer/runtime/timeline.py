"""Timelines: predictions of each face over a whole video, their changes, and spotted intervals."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from keras_mer import images
from keras_mer.runtime.io.frame_reader import FrameReader, Source
from keras_mer.runtime.io.outputs import PredictionLog
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.smoothing import Smoother
from keras_mer.runtime.spotting import ExpressionInterval
from keras_mer.runtime.ui import overlay

_INK, _PAPER, _GRID = (60, 60, 60), (255, 255, 255), (228, 228, 228)
_LEFT, _RIGHT, _PANEL, _PLOT = 60, 110, 300, 170


@dataclass(frozen=True)
class Change:
    """A change of the predicted expression at a time in seconds."""

    time: float
    before: str
    after: str


@dataclass
class FaceTrack:
    """Predictions of one tracked face over a video.

    Attributes:
        id: identity of the track.
        times: timestamps of its frames in seconds, increasing.
        probabilities: of these frames, without smoothing, each (classes,).
    """

    id: int
    times: list[float] = field(default_factory=list)
    probabilities: list[np.ndarray] = field(default_factory=list)

    def smoothed(self, half_life: float) -> np.ndarray:
        """(frames, classes) probabilities, smoothed forward and backward and so without delay."""
        passes = []
        for step in (1, -1):
            smoother = Smoother(half_life)
            pairs = zip(self.times[::step], self.probabilities[::step], strict=True)
            passes.append([smoother.update(row, step * time) for time, row in pairs][::step])
        return np.mean(passes, axis=0)


def analyze(
    source: Source,
    pipeline: Pipeline,
    log: PredictionLog | None = None,
    progress: Callable[[int], None] = lambda frames: None,
) -> tuple[list[FaceTrack], float]:
    """Run a video through a pipeline.

    Args:
        source: closed at the end.
        pipeline: its smoothing applies to the log; the tracks hold unsmoothed predictions.
        log: receives every face of every frame.
        progress: called with the number of frames done.

    Returns:
        The track of each face, the longest first, and the video's length in seconds.
    """
    tracks: dict[int, FaceTrack] = {}
    end = 0.0
    with FrameReader(source) as reader:
        for frame in reader:
            faces = pipeline.process(frame.image, frame.time, frame.cut)
            for face in faces:
                track = tracks.setdefault(face.id, FaceTrack(face.id))
                track.times.append(frame.time)
                track.probabilities.append(np.array(list(face.raw.probabilities.values())))
            if log:
                log.add(frame.time, frame.index, faces)
            end = frame.time
            progress(frame.index + 1)
    return sorted(tracks.values(), key=lambda t: -len(t.times)), end


def find_changes(times: Sequence[float], labels: Sequence[str], hold: float = 0.4) -> list[Change]:
    """Changes of the label that last for at least `hold` seconds.

    Args:
        times: seconds, increasing.
        labels: the label at each of them.
        hold: another label that lasts a shorter time is ignored.
    """
    changes: list[Change] = []
    starts = [i for i in range(len(labels)) if i == 0 or labels[i] != labels[i - 1]]
    ends = [times[i] for i in starts[1:]] + list(times[-1:])
    current = labels[0] if len(labels) else ""
    for start, end in zip(starts, ends, strict=True):
        if labels[start] != current and end - times[start] >= hold:
            changes.append(Change(times[start], current, labels[start]))
            current = labels[start]
    return changes


def draw(
    tracks: Sequence[FaceTrack],
    classes: Sequence[str],
    end: float,
    title: str,
    half_life: float = 0.4,
    hold: float = 0.4,
    width: int = 1400,
    max_faces: int = 4,
) -> tuple[np.ndarray, dict[int, list[Change]]]:
    """Draw the timeline of the faces that are longest in view.

    Args:
        tracks: as returned by `analyze`.
        classes: class names, in the order of the probabilities.
        end: length of the video in seconds.
        title: the heading.
        half_life: of the smoothing, in seconds.
        hold: see `find_changes`.
        width: of the picture in pixels.
        max_faces: number of faces that are drawn.

    Returns:
        uint8 BGR picture, and the changes of each face drawn.
    """
    shown = tracks[:max_faces]
    out = np.full((44 + _PANEL * max(1, len(shown)), width, 3), 255, np.uint8)
    overlay.text(out, title, (_LEFT, 12), 15, _INK, False)
    changes = {}
    for number, track in enumerate(shown):
        panel = out[44 + number * _PANEL : 44 + (number + 1) * _PANEL]
        changes[track.id] = _draw_track(panel, track, classes, end, half_life, hold)
    if not shown:
        overlay.text(out, "no face in this video", (_LEFT, 150), 15, _INK, False)
    return out, changes


def draw_intervals(
    intervals: Sequence[ExpressionInterval], fps: float, end: float, title: str, width: int = 1400
) -> np.ndarray:
    """Draw the spotted expressions of a clip: intensity, and onset, apex and offset of each.

    Args:
        intervals: as returned by `Spotter.spot`.
        fps: frames per second.
        end: length of the clip in seconds.
        title: the heading.
        width: of the picture in pixels.

    Returns:
        uint8 BGR picture.
    """
    out = np.full((44 + _PANEL, width, 3), 255, np.uint8)
    overlay.text(out, title, (_LEFT, 12), 15, _INK, False)
    panel, top = out[44:], 78
    to_x, inner = _draw_axis(panel, max(end, 1e-3), top)
    bottom = top + _PLOT
    free = [0, 0, 0]
    for m in intervals:
        color = overlay.color(m.expression.label)
        times = (m.window_start + np.arange(len(m.intensity))) / fps
        heights = bottom - np.clip(m.intensity, 0, 1) * _PLOT
        line = np.stack([[to_x(t) for t in times], heights.round()], 1).astype(np.int32)
        cv2.polylines(panel, [line], False, _GRID, 2, cv2.LINE_AA)
        part = line[m.onset - m.window_start : m.offset - m.window_start + 1]
        cv2.polylines(panel, [part], False, color, 2, cv2.LINE_AA)
        left, peak, right = (to_x(k / fps) for k in (m.onset, m.apex, m.offset))
        cv2.rectangle(panel, (left, 56), (max(right, left + 1), 70), color, -1)
        for x in (left, right):
            cv2.line(panel, (x, 52), (x, bottom), (170, 170, 170), 1)
        cv2.line(panel, (peak, 52), (peak, bottom), _INK, 1)
        words = f"{m.apex / fps:.2f} s {m.expression.label} {m.expression.confidence:.0%}"
        row = next((r for r, x in enumerate(free) if x <= left), None)
        if row is not None:
            overlay.text(panel, words, (left, 38 - 15 * row), 11, _INK, False)
            free[row] = left + 8 * len(words)
    if not intervals:
        overlay.text(panel, "no brief expression found", (_LEFT, 20), 13, _INK, False)
    overlay.text(panel, "apex", (8, top - 6), 11, _INK, False)
    overlay.text(panel, "rest", (8, bottom - 6), 11, _INK, False)
    cv2.line(panel, (_LEFT, bottom), (_LEFT + inner, bottom), _GRID, 1)
    return out


def write(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write the picture as an image file, atomically."""
    images.write(path, picture)


def _draw_track(
    panel: np.ndarray,
    track: FaceTrack,
    classes: Sequence[str],
    end: float,
    half_life: float,
    hold: float,
) -> list[Change]:
    smoothed = track.smoothed(half_life)
    best = smoothed.argmax(1)
    labels = [classes[i] for i in best]
    changes = find_changes(track.times, labels, hold)
    top = 78
    to_x, inner = _draw_axis(panel, max(end, 1e-3), top)
    shares = ", ".join(f"{n} {c / len(labels):.0%}" for n, c in Counter(labels).most_common(3))
    heading = f"face {track.id}: {shares}; {len(changes)} changes"
    overlay.text(panel, heading, (_LEFT, 4), 13, _INK, False)
    for share in (0, 0.5, 1):
        level = top + round((1 - share) * _PLOT)
        cv2.line(panel, (_LEFT, level), (_LEFT + inner, level), _GRID, 1)
        overlay.text(panel, f"{share:.0%}", (8, level - 6), 11, _INK, False)
    # No line across gaps in which the face was out of view.
    gap = 5 * max(float(np.median(np.diff(track.times))) if len(track.times) > 1 else 0, 0.1)
    pieces = np.split(np.arange(len(labels)), np.flatnonzero(np.diff(track.times) > gap) + 1)
    xs = np.array([to_x(time) for time in track.times])
    for piece in pieces:
        for column, name in enumerate(classes):
            levels = top + ((1 - smoothed[piece, column]) * _PLOT).round().astype(int)
            points = np.stack([xs[piece], levels], 1).astype(np.int32)
            cv2.polylines(panel, [points], False, overlay.color(name), 2, cv2.LINE_AA)
        for i, following in zip(piece, [*piece[1:], piece[-1]], strict=True):
            right = max(xs[following], xs[i] + 1)
            cv2.rectangle(panel, (int(xs[i]), 56), (int(right), 70), overlay.color(labels[i]), -1)
    _draw_changes(panel, changes, to_x, top)
    for row, name in enumerate(classes):
        y = top + row * min(20, _PLOT // len(classes))
        x = _LEFT + inner + 12
        cv2.rectangle(panel, (x, y + 2), (x + 10, y + 12), overlay.color(name), -1)
        overlay.text(panel, name, (x + 15, y), 12, _INK, False)
    return changes


def _draw_axis(panel: np.ndarray, span: float, top: int) -> tuple[Callable[[float], int], int]:
    """Draw the time axis of `span` seconds; return the map from time to x and its length in px."""
    inner = panel.shape[1] - _LEFT - _RIGHT

    def to_x(time: float) -> int:
        return _LEFT + round(time / span * inner)

    step = _tick_step(span)
    for count in range(int(span / step) + 1):
        x = to_x(count * step)
        cv2.line(panel, (x, top + _PLOT), (x, top + _PLOT + 5), _INK, 1)
        overlay.text(panel, f"{count * step:g} s", (x - 10, top + _PLOT + 8), 11, _INK, False)
    return to_x, inner


def _draw_changes(
    panel: np.ndarray, changes: Sequence[Change], to_x: Callable[[float], int], top: int
) -> None:
    """Draw a line at each change, with its time and the new label where there is space."""
    free = [0, 0]
    for change in changes:
        x = to_x(change.time)
        cv2.line(panel, (x, 52), (x, top + _PLOT), (130, 130, 130), 1)
        words = f"{change.time:.1f} {change.after}"
        row = 0 if free[0] <= x else 1
        if free[row] <= x:
            overlay.text(panel, words, (x, 38 - 15 * row), 10, _INK, False)
            free[row] = x + 7 * len(words)


def _tick_step(span: float) -> float:
    """A round tick distance in seconds that gives about ten ticks."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600):
        if span / step <= 12:
            return step
    return 1800

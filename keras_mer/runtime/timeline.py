"""A whole video's expressions over time: what each face shows when, and when that changes."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from keras_mer import images
from keras_mer.runtime.io.frame_reader import Grabber
from keras_mer.runtime.io.outputs import Log
from keras_mer.runtime.io.video import Source
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.smoothing import Smoother
from keras_mer.runtime.spotting import Moment
from keras_mer.runtime.ui import overlay

_INK, _PAPER, _GRID = (60, 60, 60), (255, 255, 255), (228, 228, 228)
_LEFT, _RIGHT, _PANEL, _PLOT = 60, 110, 300, 170


@dataclass(frozen=True)
class Change:
    """A moment, in seconds, at which an expression gives way to another."""

    time: float
    before: str
    after: str


@dataclass
class Course:
    """One face through a video.

    Attributes:
        id: its identity.
        times: seconds of the frames it is in, rising.
        rows: the model's probabilities in these frames, each (classes,).
    """

    id: int
    times: list[float] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)

    def calm(self, half_life: float) -> np.ndarray:
        """(frames, classes) probabilities smoothed from both sides, so that nothing comes late."""
        ways = []
        for step in (1, -1):
            smoother = Smoother(half_life)
            pairs = zip(self.times[::step], self.rows[::step], strict=True)
            ways.append([smoother.update(row, step * time) for time, row in pairs][::step])
        return np.mean(ways, axis=0)


def analyse(
    source: Source,
    pipeline: Pipeline,
    log: Log | None = None,
    progress: Callable[[int], None] = lambda frames: None,
) -> tuple[list[Course], float]:
    """Run a video through a pipeline.

    Args:
        source: it is closed at the end.
        pipeline: its smoothing goes into the log; the courses hold what each frame says alone.
        log: gets every face of every frame.
        progress: is called with the number of frames done.

    Returns:
        The course of each face, the longest first, and the video's length in seconds.
    """
    courses: dict[int, Course] = {}
    end = 0.0
    with Grabber(source) as grabber:
        for frame in grabber:
            faces = pipeline.process(frame.image, frame.time, frame.cut)
            for face in faces:
                course = courses.setdefault(face.id, Course(face.id))
                course.times.append(frame.time)
                course.rows.append(np.array(list(face.raw.probabilities.values())))
            if log:
                log.add(frame.time, frame.index, faces)
            end = frame.time
            progress(frame.index + 1)
    return sorted(courses.values(), key=lambda c: -len(c.times)), end


def find_changes(times: Sequence[float], labels: Sequence[str], hold: float = 0.4) -> list[Change]:
    """The moments at which the label changes and then stays for at least `hold` seconds.

    Args:
        times: seconds, rising.
        labels: the label at each of them.
        hold: shorter visits to another label do not count.
    """
    changes: list[Change] = []
    starts = [i for i in range(len(labels)) if i == 0 or labels[i] != labels[i - 1]]
    ends = [times[i] for i in starts[1:]] + list(times[-1:])
    now = labels[0] if len(labels) else ""
    for start, end in zip(starts, ends, strict=True):
        if labels[start] != now and end - times[start] >= hold:
            changes.append(Change(times[start], now, labels[start]))
            now = labels[start]
    return changes


def draw(
    courses: Sequence[Course],
    classes: Sequence[str],
    end: float,
    title: str,
    half_life: float = 0.4,
    hold: float = 0.4,
    width: int = 1400,
    most: int = 4,
) -> tuple[np.ndarray, dict[int, list[Change]]]:
    """Draw the timeline of the faces seen longest.

    Args:
        courses: as `analyse` gives them.
        classes: class names, in the order of the probabilities.
        end: length of the video in seconds.
        title: stands above.
        half_life: seconds of the smoothing from both sides.
        hold: see `find_changes`.
        width: of the picture in pixels.
        most: how many faces are drawn.

    Returns:
        uint8 BGR picture, and the changes of each face drawn.
    """
    shown = courses[:most]
    out = np.full((44 + _PANEL * max(1, len(shown)), width, 3), 255, np.uint8)
    overlay.text(out, title, (_LEFT, 12), 15, _INK, None)
    changes = {}
    for number, course in enumerate(shown):
        panel = out[44 + number * _PANEL : 44 + (number + 1) * _PANEL]
        changes[course.id] = _draw_course(panel, course, classes, end, half_life, hold)
    if not shown:
        overlay.text(out, "no face in this video", (_LEFT, 150), 15, _INK, None)
    return out, changes


def draw_moments(
    moments: Sequence[Moment], fps: float, end: float, title: str, width: int = 1400
) -> np.ndarray:
    """Draw the brief expressions of a recording: what moved, and onset, apex, offset of each.

    Args:
        moments: as `Moments.search` gives them.
        fps: frames a second.
        end: length of the recording in seconds.
        title: stands above.
        width: of the picture in pixels.

    Returns:
        uint8 BGR picture.
    """
    out = np.full((44 + _PANEL, width, 3), 255, np.uint8)
    overlay.text(out, title, (_LEFT, 12), 15, _INK, None)
    panel, top = out[44:], 78
    across, inner = _axis(panel, max(end, 1e-3), top)
    low = top + _PLOT
    free = [0, 0, 0]
    for m in moments:
        tint = overlay.colour(m.expression.label)
        times = (m.start + np.arange(len(m.course))) / fps
        heights = low - np.clip(m.course, 0, 1) * _PLOT
        line = np.stack([[across(t) for t in times], heights.round()], 1).astype(np.int32)
        cv2.polylines(panel, [line], False, _GRID, 2, cv2.LINE_AA)
        cv2.polylines(
            panel, [line[m.onset - m.start : m.offset - m.start + 1]], False, tint, 2, cv2.LINE_AA
        )
        left, peak, right = (across(k / fps) for k in (m.onset, m.apex, m.offset))
        cv2.rectangle(panel, (left, 56), (max(right, left + 1), 70), tint, -1)
        for x in (left, right):
            cv2.line(panel, (x, 52), (x, low), (170, 170, 170), 1)
        cv2.line(panel, (peak, 52), (peak, low), _INK, 1)
        words = f"{m.apex / fps:.2f} s {m.expression.label} {m.expression.confidence:.0%}"
        row = next((r for r, x in enumerate(free) if x <= left), None)
        if row is not None:
            overlay.text(panel, words, (left, 38 - 15 * row), 11, _INK, None)
            free[row] = left + 8 * len(words)
    if not moments:
        overlay.text(panel, "no brief expression found", (_LEFT, 20), 13, _INK, None)
    overlay.text(panel, "apex", (8, top - 6), 11, _INK, None)
    overlay.text(panel, "rest", (8, low - 6), 11, _INK, None)
    cv2.line(panel, (_LEFT, low), (_LEFT + inner, low), _GRID, 1)
    return out


def write(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write the picture, whole or not at all."""
    images.write(path, picture)


def _draw_course(
    panel: np.ndarray,
    course: Course,
    classes: Sequence[str],
    end: float,
    half_life: float,
    hold: float,
) -> list[Change]:
    calm = course.calm(half_life)
    best = calm.argmax(1)
    labels = [classes[i] for i in best]
    changes = find_changes(course.times, labels, hold)
    top = 78
    across, inner = _axis(panel, max(end, 1e-3), top)
    shares = ", ".join(f"{n} {c / len(labels):.0%}" for n, c in Counter(labels).most_common(3))
    head = f"face {course.id}: {shares}; {len(changes)} changes"
    overlay.text(panel, head, (_LEFT, 4), 13, _INK, None)
    for share in (0, 0.5, 1):
        level = top + round((1 - share) * _PLOT)
        cv2.line(panel, (_LEFT, level), (_LEFT + inner, level), _GRID, 1)
        overlay.text(panel, f"{share:.0%}", (8, level - 6), 11, _INK, None)
    # The face may be out of view for a while: no line across the gap.
    gap = 5 * max(float(np.median(np.diff(course.times))) if len(course.times) > 1 else 0, 0.1)
    pieces = np.split(np.arange(len(labels)), np.flatnonzero(np.diff(course.times) > gap) + 1)
    xs = np.array([across(time) for time in course.times])
    for piece in pieces:
        for column, name in enumerate(classes):
            levels = top + ((1 - calm[piece, column]) * _PLOT).round().astype(int)
            points = np.stack([xs[piece], levels], 1).astype(np.int32)
            cv2.polylines(panel, [points], False, overlay.colour(name), 2, cv2.LINE_AA)
        for i, following in zip(piece, [*piece[1:], piece[-1]], strict=True):
            right = max(xs[following], xs[i] + 1)
            cv2.rectangle(panel, (int(xs[i]), 56), (int(right), 70), overlay.colour(labels[i]), -1)
    _draw_changes(panel, changes, across, top)
    for row, name in enumerate(classes):
        y = top + row * min(20, _PLOT // len(classes))
        x = _LEFT + inner + 12
        cv2.rectangle(panel, (x, y + 2), (x + 10, y + 12), overlay.colour(name), -1)
        overlay.text(panel, name, (x + 15, y), 12, _INK, None)
    return changes


def _axis(panel: np.ndarray, span: float, top: int) -> tuple[Callable[[float], int], int]:
    """Draw the axis of `span` seconds; gives the x of a time, and the axis's length in pixels."""
    inner = panel.shape[1] - _LEFT - _RIGHT

    def across(time: float) -> int:
        return _LEFT + round(time / span * inner)

    step = _tick(span)
    for count in range(int(span / step) + 1):
        x = across(count * step)
        cv2.line(panel, (x, top + _PLOT), (x, top + _PLOT + 5), _INK, 1)
        overlay.text(panel, f"{count * step:g} s", (x - 10, top + _PLOT + 8), 11, _INK, None)
    return across, inner


def _draw_changes(
    panel: np.ndarray, changes: Sequence[Change], across: Callable[[float], int], top: int
) -> None:
    """A line at each change, and beside it the moment and the new label where they fit."""
    free = [0, 0]
    for change in changes:
        x = across(change.time)
        cv2.line(panel, (x, 52), (x, top + _PLOT), (130, 130, 130), 1)
        words = f"{change.time:.1f} {change.after}"
        row = 0 if free[0] <= x else 1
        if free[row] <= x:
            overlay.text(panel, words, (x, 38 - 15 * row), 10, _INK, None)
            free[row] = x + 7 * len(words)


def _tick(span: float) -> float:
    """A round distance in seconds that gives about ten marks."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600):
        if span / step <= 12:
            return step
    return 1800

"""Drawing of spotted intervals, and of the time axis that they share with timelines."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from keras_mer.runtime.face_spotting import SpottedInterval
from keras_mer.runtime.ui import overlay

INK, GRID = (60, 60, 60), (228, 228, 228)
#: Pixels left and right of a plot, height of a panel, of its plot, and of a line of intervals.
LEFT, RIGHT, PANEL, PLOT, LANE = 60, 110, 300, 170, 44


def draw_intervals(
    found: Sequence[SpottedInterval], end: float, title: str, width: int = 1400
) -> np.ndarray:
    """Draw the spotted expressions of a clip, a panel for each face with any.

    Each shows the intensity, and onset, apex and offset.

    Args:
        found: brief expressions, as `FaceSpotter` finds them.
        end: length of the clip in seconds.
        title: the heading.
        width: of the picture in pixels.

    Returns:
        uint8 BGR picture.
    """
    faces = sorted({one.face for one in found}) or [0]
    out = np.full((44 + len(faces) * PANEL, width, 3), 255, np.uint8)
    overlay.text(out, title, (LEFT, 12), 15, INK, False)
    for number, face in enumerate(faces):
        panel = out[44 + number * PANEL : 44 + (number + 1) * PANEL]
        if len(faces) > 1:
            overlay.text(panel, f"face {face}", (4, 56), 11, INK, False)
        _draw_intensity(panel, [one for one in found if one.face == face], end)
    return out


def _draw_intensity(panel: np.ndarray, found: Sequence[SpottedInterval], end: float) -> None:
    top = 78
    to_x, inner = draw_axis(panel, max(end, 1e-3), top)
    bottom = top + PLOT
    free = [0, 0, 0]
    for one in found:
        m = one.interval
        color = overlay.color(m.expression.label)
        frame = (one.offset - one.onset) / max(m.offset - m.onset, 1)  # seconds
        start = one.onset - (m.onset - m.window_start) * frame
        heights = bottom - np.clip(m.intensity, 0, 1) * PLOT
        xs = [to_x(start + k * frame) for k in range(len(m.intensity))]
        line = np.stack([xs, heights.round()], 1).astype(np.int32)
        cv2.polylines(panel, [line], False, GRID, 2, cv2.LINE_AA)
        part = line[m.onset - m.window_start : m.offset - m.window_start + 1]
        cv2.polylines(panel, [part], False, color, 2, cv2.LINE_AA)
        left, peak, right = (to_x(time) for time in (one.onset, one.apex, one.offset))
        cv2.rectangle(panel, (left, 56), (max(right, left + 1), 70), color, -1)
        for x in (left, right):
            cv2.line(panel, (x, 52), (x, bottom), (170, 170, 170), 1)
        cv2.line(panel, (peak, 52), (peak, bottom), INK, 1)
        words = _words(one)
        row = next((r for r, x in enumerate(free) if x <= left), None)
        if row is not None:
            overlay.text(panel, words, (left, 38 - 15 * row), 11, INK, False)
            free[row] = left + 8 * len(words)
    if not found:
        overlay.text(panel, "no brief expression found", (LEFT, 20), 13, INK, False)
    overlay.text(panel, "apex", (8, top - 6), 11, INK, False)
    overlay.text(panel, "rest", (8, bottom - 6), 11, INK, False)
    cv2.line(panel, (LEFT, bottom), (LEFT + inner, bottom), GRID, 1)


def draw_lane(lane: np.ndarray, found: Sequence[SpottedInterval], end: float) -> None:
    """Draw a line of brief expressions: a bar from onset to offset, its name below or beside."""
    inner = lane.shape[1] - LEFT - RIGHT
    overlay.text(lane, "brief", (8, 1), 11, INK, False)
    cv2.rectangle(lane, (LEFT, 2), (LEFT + inner, 14), (245, 245, 245), -1)
    free = [0, 0]
    for one in found:
        left, right = (LEFT + round(t / end * inner) for t in (one.onset, one.offset))
        ink = overlay.color(one.interval.expression.label)
        cv2.rectangle(lane, (left, 2), (max(right, left + 2), 14), ink, -1)
        words = _words(one)
        row = next((r for r, x in enumerate(free) if x <= left), None)
        if row is not None:
            overlay.text(lane, words, (left, 19 + 15 * row), 10, INK, False)
            free[row] = left + 7 * len(words)
    if not found:
        overlay.text(lane, "none found", (LEFT, 19), 10, INK, False)


def _words(one: SpottedInterval) -> str:
    expression = one.interval.expression
    return f"{one.apex:.2f} s {expression.label} {expression.confidence:.0%}"


def draw_axis(panel: np.ndarray, span: float, top: int) -> tuple[Callable[[float], int], int]:
    """Draw the time axis of `span` seconds; return the map from time to x and its length in px."""
    inner = panel.shape[1] - LEFT - RIGHT

    def to_x(time: float) -> int:
        return LEFT + round(time / span * inner)

    step = _tick_step(span)
    for count in range(int(span / step) + 1):
        x = to_x(count * step)
        cv2.line(panel, (x, top + PLOT), (x, top + PLOT + 5), INK, 1)
        overlay.text(panel, f"{count * step:g} s", (x - 10, top + PLOT + 8), 11, INK, False)
    return to_x, inner


def _tick_step(span: float) -> float:
    """A round tick distance in seconds that gives about ten ticks."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600):
        if span / step <= 12:
            return step
    return 1800

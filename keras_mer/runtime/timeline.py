"""Timelines: predictions of each face over a whole video, their changes, and spotted intervals."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from keras_mer import images
from keras_mer.runtime.face_spotting import FaceSpotter, SpottedInterval
from keras_mer.runtime.interval_plot import (
    GRID,
    INK,
    LANE,
    LEFT,
    PANEL,
    PLOT,
    draw_axis,
    draw_lane,
)
from keras_mer.runtime.io.frame_reader import FrameReader, Source
from keras_mer.runtime.io.outputs import PredictionLog
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.smoothing import Smoother
from keras_mer.runtime.ui import overlay


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
    spotter: FaceSpotter | None = None,
) -> tuple[list[FaceTrack], float]:
    """Run a video through a pipeline.

    Args:
        source: closed at the end.
        pipeline: its smoothing applies to the log; the tracks hold unsmoothed predictions.
        log: receives every face of every frame.
        progress: called with the number of frames done.
        spotter: receives every frame of a video and its faces, and is finished at the end.

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
            if spotter and not frame.cut:
                spotter.add(frame.image, frame.time, [(face.id, face) for face in faces])
            if log:
                log.add(frame.time, frame.index, faces)
            end = frame.time
            progress(frame.index + 1)
    if spotter:
        spotter.finish()
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
    brief: Sequence[SpottedInterval] | None = None,
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
        brief: the spotted brief expressions, drawn below each face's probabilities; None draws no
            line for them.

    Returns:
        uint8 BGR picture, and the changes of each face drawn.
    """
    shown = tracks[:max_faces]
    height = PANEL + (0 if brief is None else LANE)
    out = np.full((44 + height * max(1, len(shown)), width, 3), 255, np.uint8)
    overlay.text(out, title, (LEFT, 12), 15, INK, False)
    changes = {}
    for number, track in enumerate(shown):
        panel = out[44 + number * height : 44 + (number + 1) * height]
        changes[track.id] = _draw_track(panel, track, classes, end, half_life, hold)
        if brief is not None:
            own = [one for one in brief if one.face == track.id]
            draw_lane(panel[PANEL - 18 :], own, max(end, 1e-3))
    if not shown:
        overlay.text(out, "no face in this video", (LEFT, 150), 15, INK, False)
    return out, changes


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
    to_x, inner = draw_axis(panel, max(end, 1e-3), top)
    shares = ", ".join(f"{n} {c / len(labels):.0%}" for n, c in Counter(labels).most_common(3))
    heading = f"face {track.id}: {shares}; {len(changes)} changes"
    overlay.text(panel, heading, (LEFT, 4), 13, INK, False)
    for share in (0, 0.5, 1):
        level = top + round((1 - share) * PLOT)
        cv2.line(panel, (LEFT, level), (LEFT + inner, level), GRID, 1)
        overlay.text(panel, f"{share:.0%}", (8, level - 6), 11, INK, False)
    # No line across gaps in which the face was out of view.
    gap = 5 * max(float(np.median(np.diff(track.times))) if len(track.times) > 1 else 0, 0.1)
    pieces = np.split(np.arange(len(labels)), np.flatnonzero(np.diff(track.times) > gap) + 1)
    xs = np.array([to_x(time) for time in track.times])
    for piece in pieces:
        for column, name in enumerate(classes):
            levels = top + ((1 - smoothed[piece, column]) * PLOT).round().astype(int)
            points = np.stack([xs[piece], levels], 1).astype(np.int32)
            cv2.polylines(panel, [points], False, overlay.color(name), 2, cv2.LINE_AA)
        for i, following in zip(piece, [*piece[1:], piece[-1]], strict=True):
            right = max(xs[following], xs[i] + 1)
            cv2.rectangle(panel, (int(xs[i]), 56), (int(right), 70), overlay.color(labels[i]), -1)
    _draw_changes(panel, changes, to_x, top)
    for row, name in enumerate(classes):
        y = top + row * min(20, PLOT // len(classes))
        x = LEFT + inner + 12
        cv2.rectangle(panel, (x, y + 2), (x + 10, y + 12), overlay.color(name), -1)
        overlay.text(panel, name, (x + 15, y), 12, INK, False)
    return changes


def _draw_changes(
    panel: np.ndarray, changes: Sequence[Change], to_x: Callable[[float], int], top: int
) -> None:
    """Draw a line at each change, with its time and the new label where there is space."""
    free = [0, 0]
    for change in changes:
        x = to_x(change.time)
        cv2.line(panel, (x, 52), (x, top + PLOT), (130, 130, 130), 1)
        words = f"{change.time:.1f} {change.after}"
        row = 0 if free[0] <= x else 1
        if free[row] <= x:
            overlay.text(panel, words, (x, 38 - 15 * row), 10, INK, False)
            free[row] = x + 7 * len(words)

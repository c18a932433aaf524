"""Multi-face tracking: identities from frame to frame, and box motion between detections.

Between detections a box moves with the median optical flow of a grid of points inside it; where
the flow is unreliable it continues at its last velocity. A detection is assigned to the track whose
box it overlaps most. A hidden track keeps its identity for some seconds, so that a short occlusion
does not create a new identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from keras_mer.face.detect import Detection

_GRID = np.stack(np.meshgrid(np.linspace(0.2, 0.8, 6), np.linspace(0.2, 0.8, 6)), -1).reshape(-1, 2)
_FLOW = {"winSize": (15, 15), "maxLevel": 2, "criteria": (3, 10, 0.03)}


@dataclass
class Track:
    """One tracked face.

    Attributes:
        id: its identity, from 1.
        box: x, y, width, height in pixels of the frame, as floats.
        detection: its last detection, moved along with the box.
        hits: number of detections so far.
        missed: detector runs since the last detection.
        last_seen: time of the last detection in seconds.
        velocity: pixels per frame, (x, y).
    """

    id: int
    box: np.ndarray
    detection: Detection
    last_seen: float
    hits: int = 1
    missed: int = 0
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def shift(self, step: np.ndarray) -> None:
        """Move by (x, y) pixels."""
        self.box[:2] += step
        self.velocity = 0.5 * self.velocity + 0.5 * step
        self._update_detection(step)

    def accept(self, detection: Detection, time: float) -> None:
        """Update with a new detection; small changes (detector jitter) are halved."""
        found = np.asarray(detection.box, np.float64)
        jump = np.abs(found - self.box).max() / max(self.box[2], 1)
        weight = 0.5 if jump < 0.12 else 1.0
        self.box = (1 - weight) * self.box + weight * found
        self.detection = detection
        self.hits, self.missed, self.last_seen = self.hits + 1, 0, time
        self._update_detection(np.zeros(2))

    def _update_detection(self, step: np.ndarray) -> None:
        points = self.detection.landmarks
        if points is not None:
            points = tuple((x + float(step[0]), y + float(step[1])) for x, y in points)
        box = tuple(round(float(v)) for v in self.box)
        self.detection = replace(self.detection, box=box, landmarks=points)


class Tracker:
    """Tracker for any number of faces.

    Args:
        min_hits: detections that confirm a track, so that single false positives are not shown.
        max_missed: detector runs without the face after which it is hidden.
        max_age: seconds for which a hidden face keeps its identity.
    """

    def __init__(self, min_hits: int = 2, max_missed: int = 3, max_age: float = 2.0):
        self.min_hits, self.max_missed, self.max_age = min_hits, max_missed, max_age
        self._tracks: list[Track] = []
        self._next = 1
        self._before: np.ndarray | None = None

    @property
    def visible(self) -> list[Track]:
        """The confirmed tracks in view, the oldest first."""
        return [t for t in self._tracks if t.hits >= self.min_hits and t.missed <= self.max_missed]

    @property
    def identities(self) -> set[int]:
        """The identities that are in view or may still return."""
        return {t.id for t in self._tracks}

    @property
    def needs_detection(self) -> bool:
        """Whether an unconfirmed or recently missed track awaits a detector run."""
        return any(t.hits < self.min_hits or 0 < t.missed <= self.max_missed for t in self._tracks)

    def reset(self) -> None:
        """Remove every track, as at a cut; identities are not reused."""
        self._tracks, self._before = [], None

    def move(self, gray: np.ndarray, scale: float) -> None:
        """Move the boxes to the next frame by optical flow.

        Args:
            gray: uint8, (height, width), the frame or a scaled-down copy of it.
            scale: pixels of `gray` for each pixel of the boxes.
        """
        before, self._before = self._before, gray
        shown = [t for t in self._tracks if t.missed <= self.max_missed]
        if before is None or before.shape != gray.shape or not shown:
            return
        starts = [(t.box[:2] + _GRID * t.box[2:]) * scale for t in shown]
        points = np.concatenate(starts).astype(np.float32).reshape(-1, 1, 2)
        ahead, found, _ = cv2.calcOpticalFlowPyrLK(before, gray, points, None, **_FLOW)
        back, found_back, _ = cv2.calcOpticalFlowPyrLK(gray, before, ahead, None, **_FLOW)
        error = np.linalg.norm(back - points, axis=2).ravel()
        good = (found.ravel() == 1) & (found_back.ravel() == 1) & (error < 1.0)
        steps = (ahead - points).reshape(-1, 2) / scale
        for number, track in enumerate(shown):
            part = slice(number * len(_GRID), (number + 1) * len(_GRID))
            if good[part].sum() >= len(_GRID) // 4:
                track.shift(np.median(steps[part][good[part]], axis=0))
            else:
                track.shift(0.8 * track.velocity)

    def update(self, detections: Sequence[Detection], time: float) -> None:
        """Assign the detections of the current frame to tracks; the rest start new tracks."""
        pairs = sorted(
            (
                (_match_score(track.box, np.asarray(face.box, np.float64)), t, d)
                for t, track in enumerate(self._tracks)
                for d, face in enumerate(detections)
            ),
            reverse=True,
        )
        tracks, faces = set(range(len(self._tracks))), set(range(len(detections)))
        for score, t, d in pairs:
            if score > 0 and t in tracks and d in faces:
                self._tracks[t].accept(detections[d], time)
                tracks.discard(t)
                faces.discard(d)
        for t in tracks:
            self._tracks[t].missed += 1
        self._tracks = [
            t
            for t in self._tracks
            if (t.hits >= self.min_hits and time - t.last_seen <= self.max_age) or t.missed == 0
        ]
        for d in sorted(faces):
            face = detections[d]
            box = np.asarray(face.box, np.float64)
            self._tracks.append(Track(0, box, face, time))
        for track in self._tracks:
            # Numbered when confirmed, so that a false positive uses up no identity.
            if track.id == 0 and track.hits >= self.min_hits:
                track.id, self._next = self._next, self._next + 1


def _match_score(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes; at most 0.2 for close boxes of similar size; else 0."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    overlap = shared / max(float(one[2] * one[3] + other[2] * other[3]) - shared, 1e-9)
    if overlap > 0.2:
        return overlap
    distance = np.linalg.norm(one[:2] + one[2:] / 2 - other[:2] - other[2:] / 2)
    similar = 0.6 < one[2] / max(other[2], 1e-9) < 1.7
    side = (one[2] + other[2]) / 2
    return float(0.2 * max(0.0, 1 - distance / side)) if similar else 0.0

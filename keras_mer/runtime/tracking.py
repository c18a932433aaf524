"""Who is who from frame to frame, and where a face goes between two detections.

Between detections a face moves with the median optical flow of a grid of points inside its box;
where the flow cannot be trusted it goes on at its last speed. A detection belongs to the track
whose box it overlaps most. A track that was lost keeps its identity for a while, so that a hand
before the face does not make a new person.
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
    """A face followed through time.

    Attributes:
        id: its identity, from 1.
        box: x, y, width, height in pixels of the frame, as floats.
        detection: the last detection of it, moved along with the box.
        hits: detections so far.
        missed: detector runs since the last one.
        seen: time of the last one in seconds.
        speed: pixels a frame, (x, y).
    """

    id: int
    box: np.ndarray
    detection: Detection
    seen: float
    hits: int = 1
    missed: int = 0
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def shift(self, step: np.ndarray) -> None:
        """Move by (x, y) pixels."""
        self.box[:2] += step
        self.speed = 0.5 * self.speed + 0.5 * step
        self._settle(step)

    def accept(self, detection: Detection, time: float) -> None:
        """Take in a new detection; the detector's jitter is halved, a real move is followed."""
        found = np.asarray(detection.box, np.float64)
        jump = np.abs(found - self.box).max() / max(self.box[2], 1)
        weight = 0.5 if jump < 0.12 else 1.0
        self.box = (1 - weight) * self.box + weight * found
        self.detection = detection
        self.hits, self.missed, self.seen = self.hits + 1, 0, time
        self._settle(np.zeros(2))

    def _settle(self, step: np.ndarray) -> None:
        points = self.detection.landmarks
        if points is not None:
            points = tuple((x + float(step[0]), y + float(step[1])) for x, y in points)
        box = tuple(round(float(v)) for v in self.box)
        self.detection = replace(self.detection, box=box, landmarks=points)


class Tracker:
    """Follows any number of faces.

    Args:
        confirm: detections before a face counts, which keeps the detector's slips out.
        patience: detector runs without the face before it is hidden.
        memory: seconds for which a hidden face keeps its identity.
    """

    def __init__(self, confirm: int = 2, patience: int = 3, memory: float = 2.0):
        self.confirm, self.patience, self.memory = confirm, patience, memory
        self._tracks: list[Track] = []
        self._next = 1
        self._before: np.ndarray | None = None

    @property
    def visible(self) -> list[Track]:
        """The confirmed faces in view, the oldest first."""
        return [t for t in self._tracks if t.hits >= self.confirm and t.missed <= self.patience]

    @property
    def identities(self) -> set[int]:
        """The identities that are in view or may still come back."""
        return {t.id for t in self._tracks}

    @property
    def undecided(self) -> bool:
        """Whether a detector run now would confirm a new face or find a hidden one again."""
        return any(t.hits < self.confirm or 0 < t.missed <= self.patience for t in self._tracks)

    def reset(self) -> None:
        """Forget every face, as at a cut; identities already given are not given again."""
        self._tracks, self._before = [], None

    def move(self, grey: np.ndarray, scale: float) -> None:
        """Carry the faces into the next frame.

        Args:
            grey: uint8, (height, width), the frame or a scaled-down copy of it.
            scale: pixels of `grey` for each pixel of the boxes.
        """
        before, self._before = self._before, grey
        shown = [t for t in self._tracks if t.missed <= self.patience]
        if before is None or before.shape != grey.shape or not shown:
            return
        starts = [(t.box[:2] + _GRID * t.box[2:]) * scale for t in shown]
        points = np.concatenate(starts).astype(np.float32).reshape(-1, 1, 2)
        ahead, there, _ = cv2.calcOpticalFlowPyrLK(before, grey, points, None, **_FLOW)
        back, again, _ = cv2.calcOpticalFlowPyrLK(grey, before, ahead, None, **_FLOW)
        error = np.linalg.norm(back - points, axis=2).ravel()
        good = (there.ravel() == 1) & (again.ravel() == 1) & (error < 1.0)
        steps = (ahead - points).reshape(-1, 2) / scale
        for number, track in enumerate(shown):
            part = slice(number * len(_GRID), (number + 1) * len(_GRID))
            if good[part].sum() >= len(_GRID) // 4:
                track.shift(np.median(steps[part][good[part]], axis=0))
            else:
                track.shift(0.8 * track.speed)

    def update(self, detections: Sequence[Detection], time: float) -> None:
        """Match a detector run, made on the frame last moved to, with the faces known."""
        pairs = sorted(
            (
                (_likeness(track.box, np.asarray(face.box, np.float64)), t, d)
                for t, track in enumerate(self._tracks)
                for d, face in enumerate(detections)
            ),
            reverse=True,
        )
        tracks, faces = set(range(len(self._tracks))), set(range(len(detections)))
        for likeness, t, d in pairs:
            if likeness > 0 and t in tracks and d in faces:
                self._tracks[t].accept(detections[d], time)
                tracks.discard(t)
                faces.discard(d)
        for t in tracks:
            self._tracks[t].missed += 1
        self._tracks = [
            t
            for t in self._tracks
            if (t.hits >= self.confirm and time - t.seen <= self.memory) or t.missed == 0
        ]
        for d in sorted(faces):
            face = detections[d]
            box = np.asarray(face.box, np.float64)
            self._tracks.append(Track(0, box, face, time))
        for track in self._tracks:
            # Numbered when confirmed, so that a slip of the detector uses up no identity.
            if track.id == 0 and track.hits >= self.confirm:
                track.id, self._next = self._next, self._next + 1


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Overlap of two boxes in 0..1, or less for near misses of like size; 0 for strangers."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    overlap = shared / max(float(one[2] * one[3] + other[2] * other[3]) - shared, 1e-9)
    if overlap > 0.2:
        return overlap
    distance = np.linalg.norm(one[:2] + one[2:] / 2 - other[:2] - other[2:] / 2)
    alike = 0.6 < one[2] / max(other[2], 1e-9) < 1.7
    side = (one[2] + other[2]) / 2
    return float(0.2 * max(0.0, 1 - distance / side)) if alike else 0.0

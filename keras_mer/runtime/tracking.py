"""Multi-face tracking: identities and steady boxes from frame to frame.

Every frame is searched for faces. A detection is assigned to the track whose box it overlaps most.
A hidden track keeps its identity for some seconds, so that a short occlusion does not create a new
identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_mer.face.detection import Detection

# Detectors jitter by 1 % of the box; following a face at once needs no damping.
_STEADY, _MOVING = 0.04, 0.12


@dataclass
class Track:
    """One tracked face.

    Attributes:
        id: its identity, from 1.
        box: x, y, width, height in pixels of the frame, as floats.
        detection: its last detection, with the steadied box and the landmarks as detected.
        hits: number of detections so far.
        missed: frames since the last detection.
        last_seen: time of the last detection in seconds.
    """

    id: int
    box: np.ndarray
    detection: Detection
    last_seen: float
    hits: int = 1
    missed: int = 0

    def accept(self, detection: Detection, time: float) -> None:
        """Update with a new detection; small changes of the box (detector jitter) are halved."""
        found = np.asarray(detection.box, np.float64)
        jump = np.abs(found - self.box).max() / max(self.box[2], 1)
        weight = np.interp(jump, (_STEADY, _MOVING), (0.5, 1))
        self.box = (1 - weight) * self.box + weight * found
        self.detection = replace(detection, box=tuple(round(float(v)) for v in self.box))
        self.hits, self.missed, self.last_seen = self.hits + 1, 0, time


class Tracker:
    """Tracker for any number of faces.

    Args:
        min_hits: detections that confirm a track, so that single false positives are not shown.
        max_missed: frames without the face after which it is hidden.
        max_age: seconds for which a hidden face keeps its identity.
    """

    def __init__(self, min_hits: int = 2, max_missed: int = 3, max_age: float = 2.0):
        self.min_hits, self.max_missed, self.max_age = min_hits, max_missed, max_age
        self._tracks: list[Track] = []
        self._next = 1

    @property
    def visible(self) -> list[Track]:
        """The confirmed tracks in view, the oldest first."""
        return [t for t in self._tracks if t.hits >= self.min_hits and t.missed <= self.max_missed]

    @property
    def identities(self) -> set[int]:
        """The identities that are in view or may still return."""
        return {t.id for t in self._tracks}

    def reset(self) -> None:
        """Remove every track, as at a cut; identities are not reused."""
        self._tracks = []

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

"""Tracked faces with smoothed predictions from a stream of frames."""

import time as clock
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.face.detection import VIDEO_SIDE, Detection, Detector, shrink
from keras_mer.face.prepare import place_of, prepare
from keras_mer.runtime.card import video_preprocessing
from keras_mer.runtime.recogniser import Expression, Face, Recogniser
from keras_mer.runtime.smoothing import Smoother
from keras_mer.runtime.tracking import Track, Tracker


@dataclass(frozen=True)
class TrackedFace(Face):
    """A face in a stream, with label and probabilities smoothed over time.

    Attributes:
        id: identity of the track, constant from frame to frame.
        raw: the prediction for this frame alone, without smoothing.
    """

    id: int = 0
    raw: Expression | None = None


class FaceFollower:
    """Face detection in every frame, and tracking.

    Args:
        detector: of faces; its `max_side` is the longest side of the copy that is searched.

    Attributes:
        tracker: of the faces.
        small, scale: the copy of the last frame that was searched, and its size relative to it.
    """

    def __init__(self, detector: Detector):
        self.detector, self.tracker = detector, Tracker()
        self.small, self.scale = np.empty((0, 0, 3), np.uint8), 1.0
        self._side = getattr(detector, "max_side", VIDEO_SIDE)

    def update(self, image: np.ndarray, time: float, cut: bool = False) -> list[Track]:
        """The confirmed faces of the next frame; arguments as of `Pipeline.process`."""
        if cut:
            self.tracker.reset()
        self.small, self.scale = shrink(image, self._side)
        found = [_scaled(face, 1 / self.scale) for face in self.detector.detect(self.small)]
        self.tracker.update(found, time)
        if cut:  # no later frame can confirm a face of a single image
            self.tracker.update(found, time)
        return self.tracker.visible


class Pipeline:
    """Face detection in every frame, tracking, classification and smoothing.

    Args:
        recogniser: model and detector; load it with ``max_side=VIDEO_SIDE``.
        smoothing: half-life in seconds of the moving average of the probabilities; 0 disables it.

    Raises:
        UserError: for a model that reads flow, and for one that reads clips whose preprocessing is
            unknown.

    Attributes:
        seconds: duration of each step for the last frame: detect, crop, model.
    """

    def __init__(self, recogniser: Recogniser, smoothing: float = 0.4):
        if recogniser.card.task == "flow":
            raise UserError(
                f"{recogniser.card.name} reads flow from onset to apex, which a live view does not "
                "know: name it as --micro (MICRO), beside a model of single images"
            )
        self.recogniser = recogniser
        self._preprocessing = None
        if recogniser.card.task == "clip":
            self._preprocessing = video_preprocessing(recogniser.card, recogniser.detector)
        self.smoothing = smoothing
        self.follower = FaceFollower(recogniser.detector)
        self.seconds: dict[str, float] = {}
        self._smoothers: dict[int, Smoother] = {}
        self._clips: dict[int, deque[tuple[np.ndarray, Detection, float]]] = {}

    def process(self, image: np.ndarray, time: float, cut: bool = False) -> list[TrackedFace]:
        """Find and classify the faces of the next frame.

        Args:
            image: uint8, (height, width, 3) BGR.
            time: seconds, increasing from frame to frame.
            cut: whether the frame does not continue the previous one.

        Returns:
            The confirmed faces, those tracked longest first.
        """
        ticks = [clock.perf_counter()]
        tracks = self.follower.update(image, time, cut)
        ticks.append(clock.perf_counter())
        if self._preprocessing:
            grey = cv2.cvtColor(self.follower.small, cv2.COLOR_BGR2GRAY)
            samples = [self._clip(track, grey, self.follower.scale, time) for track in tracks]
        else:
            samples = [self.recogniser.crop(image, track.detection) for track in tracks]
        ticks.append(clock.perf_counter())
        if self._preprocessing:
            raws = [self.recogniser.predict_clip(clip) for clip in samples]
        else:
            raws = self.recogniser.predict_faces(samples)
        ticks.append(clock.perf_counter())
        faces = [self._face(t, raw, time) for t, raw in zip(tracks, raws, strict=True)]
        self._remove_lost()
        parts = np.diff(ticks)
        self.seconds = dict(zip(("detect", "crop", "model"), parts, strict=True))
        return faces

    def _clip(self, track: Track, grey: np.ndarray, scale: float, time: float) -> np.ndarray:
        """A face's last frames, prepared as the model's card says: uint8 (frames, side, side).

        They are cut from the copy that is searched for faces, whose registration costs a fraction
        of the full image's.
        """
        made = self._preprocessing
        clip = self._clips.setdefault(track.id, deque(maxlen=self.recogniser.card.frames))
        if clip and clip[-1][0].shape != grey.shape:
            clip.clear()
        clip.append((grey, _scaled(track.detection, scale), time))
        images, faces, times = zip(*clip, strict=True)
        fps = (len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else None
        return prepare(
            images, made.side, made.margin, fps=fps, place=place_of(images[0], faces[0]),
            register=made.register,
        ).frames  # fmt: skip

    def _face(self, track: Track, raw: Expression, time: float) -> TrackedFace:
        smoother = self._smoothers.setdefault(track.id, Smoother(self.smoothing))
        smoothed = smoother.update(np.array(list(raw.probabilities.values())), time)
        expression = self.recogniser.expression(smoothed)
        face = track.detection
        return TrackedFace(
            label=expression.label,
            confidence=expression.confidence,
            probabilities=expression.probabilities,
            box=face.box,
            score=face.score,
            landmarks=face.landmarks,
            id=track.id,
            raw=raw,
        )

    def _remove_lost(self) -> None:
        """Delete the state of lost tracks, so that memory does not grow."""
        known = self.follower.tracker.identities
        for table in (self._smoothers, self._clips):
            for lost in [identity for identity in table if identity not in known]:
                del table[lost]


def _scaled(face: Detection, factor: float) -> Detection:
    box = tuple(round(v * factor) for v in face.box)
    points = face.landmarks
    if points is not None:
        points = tuple((x * factor, y * factor) for x, y in points)
    return Detection(box, face.score, points)

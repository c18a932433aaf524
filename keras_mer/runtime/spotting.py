"""Micro-expression spotting: intervals found by facial motion, classified by a clip or flow model.

A window slides over the clip. In each window the face is located and registered, and brief rises
and falls are searched (`keras_mer.face.brief`). One is accepted when the face returns the way it
moved: the difference between apex and onset must agree with the difference between apex and offset.
Head drift, changing light and noise do not pass this test. Nor may the rest of the face keep moving
around it (speech, longer expressions), the eyes alone move (a blink) or the head (a nod).
"""

import csv
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.face import apex, brief, motion
from keras_mer.face.align import EYES
from keras_mer.face.detection import Detector
from keras_mer.face.prepare import MARGIN, SIDE, Place, Prepared, prepare
from keras_mer.files import replacing
from keras_mer.images import convert
from keras_mer.kinds import FLOW_METHODS
from keras_mer.runtime.card import video_preprocessing
from keras_mer.runtime.io.clip_reader import ClipReader
from keras_mer.runtime.recogniser import Expression, Recogniser

#: Window length and step in seconds: a micro-expression, which lasts half a second at most, lies
#: with some rest around it entirely in one of them.
WINDOW_SECONDS, STEP_SECONDS = 2.5, 1.5
#: Longest interval in seconds: half a second, and the uncertainty of onset and offset.
MAX_SECONDS = 0.6
#: Bounds of the attributes of `keras_mer.face.brief.Movement`: least agreement, most unrest, share
#: of the eyes and motion of the head. Chosen on drawn recordings of four people (seed 5).
AGREEMENT, UNREST, EYE_SHARE, HEAD = 0.8, 0.2, 0.4, 0.01


@dataclass(frozen=True, eq=False)
class ExpressionInterval:
    """A spotted expression with its classification; positions count frames from 0.

    Attributes:
        onset, apex, offset: first, strongest and last frame.
        expression: the model's prediction, None without a model.
        agreement: cosine similarity of the differences apex - onset and apex - offset, -1 to 1; 1
            for a face that returns exactly the way it moved.
        amplitude: the strongest motion from onset to apex, as a fraction of the face's width.
        box: x, y, width, height of the face at the onset, in pixels.
        intensity: float64, (frames of the window,), about 1 at the apex.
        window_start: position of the window's first frame.
    """

    onset: int
    apex: int
    offset: int
    expression: Expression | None
    agreement: float
    amplitude: float
    box: tuple[int, int, int, int]
    intensity: np.ndarray
    window_start: int


class Spotter:
    """Spotting and classification of brief expressions of the largest face in a clip.

    Args:
        recogniser: with a model that reads clips or flow; None spots without naming what is found.
        agreement: least agreement of an interval; a lower value finds more, and more false ones.
        cropped: frames are face crops: use the whole frame where the detector finds no face.
        detector: of the face, without a recogniser; by default the Haar cascade.

    Attributes:
        frames_without_face: frames of the last clip in whose windows no face was found.

    Raises:
        UserError: for a model that reads single images, or whose preprocessing is unknown.
    """

    def __init__(
        self,
        recogniser: Recogniser | None,
        *,
        agreement: float = AGREEMENT,
        cropped: bool = False,
        detector: Detector | None = None,
    ):
        if recogniser is not None and recogniser.card.task == "image":
            raise UserError(
                f"{recogniser.card.name} reads single images; spotting needs a clip or flow model"
            )
        self.recogniser, self.agreement, self.cropped = recogniser, agreement, cropped
        self.detector, self.preprocessing = detector, None
        if recogniser is not None:
            self.detector = recogniser.detector
            self.preprocessing = video_preprocessing(recogniser.card, recogniser.detector)
        self.frames_without_face = 0

    def spot(self, frames: Iterable[np.ndarray], fps: float) -> list[ExpressionInterval]:
        """Spot the brief expressions of a clip, in time order and without overlap.

        Args:
            frames: uint8, (h, w) gray or (h, w, 3) BGR, of one size; iterated once, with at most
                one window of them in memory.
            fps: frames per second.

        Raises:
            UserError: for fewer than 3 frames.
        """
        length = max(6, round(WINDOW_SECONDS * fps))
        step = max(3, round(STEP_SECONDS * fps))
        window: list[np.ndarray] = []
        found: list[ExpressionInterval] = []
        start = count = self.frames_without_face = 0
        for image in frames:
            window.append(convert(image, 1)[..., 0])
            count += 1
            if len(window) == length:
                found += self.spot_window(window, start, fps)
                del window[:step]
                start += step
        if count < 3:
            raise UserError(f"a clip of {count} frames: an apex needs 3 or more")
        if start == 0 or len(window) > length - step:  # the end, not covered by a window yet
            found += self.spot_window(window, start, fps)
        kept: list[ExpressionInterval] = []
        for one in sorted(found, key=lambda m: -m.agreement):
            if all(one.offset <= k.onset or one.onset >= k.offset for k in kept):
                kept.append(one)
        return sorted(kept, key=lambda m: m.onset)

    def classify(self, frames: Sequence[np.ndarray], fps: float) -> ExpressionInterval:
        """Classify a clip that was cut from the onset to the offset of one expression.

        Args:
            frames: as for `spot`; the apex is spotted where there are 3 or more.
            fps: frames per second.

        Raises:
            UserError: for fewer than 2 frames, or without a face unless the frames are `cropped`.
        """
        gray = [convert(image, 1)[..., 0] for image in frames]
        last = len(gray) - 1
        if last < 1:
            raise UserError(f"a clip of {len(gray)} frame{'s' * (last != 0)} shows no motion")
        ready = self._prepare(gray, fps)
        if last < 2:
            return self._classify(gray, ready, (0, last, last), np.ones(len(gray)), 0, fps)
        found = apex.spot(ready.frames, fps, onset=0, offset=last)
        return self._classify(gray, ready, (0, found.index, last), found.intensity, 0, fps)

    def spot_window(
        self, window: Sequence[np.ndarray], start: int, fps: float, place: Place | None = None
    ) -> list[ExpressionInterval]:
        """Spot the brief expression of one face in one window.

        Args:
            window: uint8 (h, w), at least 3 gray frames of one size.
            start: position of the first of them in the clip.
            fps: frames per second.
            place: location of the face in the first of them; the largest face by default.

        Returns:
            One interval or none.
        """
        try:
            ready = self._prepare(window, fps, place)
        except UserError:  # no face in its first frames
            self.frames_without_face += len(window)
            return []
        margin = self.preprocessing.margin if self.preprocessing else MARGIN
        found = brief.find(ready.frames, fps, _head_path(ready), margin)
        return [
            self._classify(
                window, ready, (m.onset, m.apex, m.offset), m.intensity, start, fps, m.agreement
            )
            for m in found
            if self._accepts(m, fps)
        ]

    def _accepts(self, m: brief.Movement, fps: float) -> bool:
        """Whether a movement may be a micro-expression."""
        return (
            m.offset - m.onset <= MAX_SECONDS * fps
            and m.agreement >= self.agreement
            and m.unrest <= UNREST
            and m.eyes <= EYE_SHARE
            and m.head <= HEAD
        )

    def _prepare(
        self, images: Sequence[np.ndarray], fps: float, place: Place | None = None
    ) -> Prepared:
        made = self.preprocessing
        # a clip model's own crops may be too small for spotting; `_classify` cuts them
        flow = made is not None and made.flow
        side, register = (made.side, made.register) if flow else (SIDE, True)
        return prepare(
            images, side, made.margin if made else MARGIN, fps=fps, detector=self.detector,
            place=place, register=register, whole=self.cropped,
        )  # fmt: skip

    def _classify(
        self,
        images: Sequence[np.ndarray],
        ready: Prepared,
        times: tuple[int, int, int],
        intensity: np.ndarray,
        start: int,
        fps: float,
        agrees: float | None = None,
    ) -> ExpressionInterval:
        """The interval at `times`, positions in the window that begins at `start`."""
        made, (onset, peak, offset) = self.preprocessing, times
        first, top = (motion.temporal_mean(ready.frames, k, fps) for k in (onset, peak))
        field, strained = motion.flow_and_strain(
            first,
            top,
            (made and made.flow) or FLOW_METHODS[0],
            head=made is None or made.head_motion != "kept",
        )
        place = _moved(ready.place, ready.motion[onset])
        expression = None
        if self.recogniser is not None and self.recogniser.card.task == "flow":
            side = self.recogniser.card.height
            expression = self.recogniser.predict_flow(motion.flow_image(field, strained, side))
        elif self.recogniser is not None:
            part = images[onset : offset + 1]
            face = prepare(
                part, made.side, made.margin, fps=fps, place=place, register=made.register
            ).frames
            length = self.recogniser.card.frames
            expression = self.recogniser.predict_clip(motion.resample(face, length))
        return ExpressionInterval(
            *(start + k for k in times),
            expression,
            agreement(ready.frames, times) if agrees is None else agrees,
            motion.amplitude(field),
            _box(place),
            intensity,
            start,
        )


def interval_row(
    interval: ExpressionInterval, clip: ClipReader, detector: str
) -> dict[str, object]:
    """An interval as a table row: seconds, the clip's own frame numbers and the prediction.

    `detector` is the name of the one that found the face.
    """
    times = {"onset": interval.onset, "apex": interval.apex, "offset": interval.offset}
    expression = interval.expression
    return {
        **{name: round(k / clip.fps, 4) for name, k in times.items()},
        **{f"{name}_frame": clip.number(k) for name, k in times.items()},
        "label": expression.label,
        "confidence": round(expression.confidence, 5),
        "agreement": round(interval.agreement, 3),
        "amplitude": round(interval.amplitude, 5),
        **dict(zip(("x", "y", "width", "height"), interval.box, strict=True)),
        "detector": detector,
        **{name: round(value, 5) for name, value in expression.probabilities.items()},
    }


def write_csv(path: str | os.PathLike, rows: Sequence[dict[str, object]]) -> None:
    """Write rows of `interval_row` as CSV; ``-`` writes to the screen.

    Raises:
        UserError: for a path that does not end in .csv.
    """
    lines = [list(rows[0]) if rows else ["onset", "apex", "offset"], *(r.values() for r in rows)]
    if str(path) == "-":
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
        return
    if Path(path).suffix != ".csv":
        raise UserError(f"{path}: expected a table ending in .csv")
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def agreement(frames: np.ndarray, times: Sequence[int]) -> float:
    """Cosine similarity of the apex's differences to onset and offset.

    See `ExpressionInterval.agreement`. The two differences use different frames around the apex, so
    that the noise of a frame does not correlate with itself.

    Args:
        frames: uint8 (frames, side, side), a registered face.
        times: onset, apex and offset.
    """
    onset, peak, offset = times
    near = max(1, round(0.15 * min(peak - onset, offset - peak)))
    top = list(range(max(peak - near, onset + 1), min(peak + near, offset - 1) + 1)) or [peak]
    before = range(max(0, onset - near), onset + 1)
    after = range(offset, min(offset + near, len(frames) - 1) + 1)
    rise = _mean_contrast(frames, top[::2]) - _mean_contrast(frames, before)
    fall = _mean_contrast(frames, top[1::2] or top) - _mean_contrast(frames, after)
    rise, fall = rise - rise.mean(), fall - fall.mean()
    size = float(np.linalg.norm(rise) * np.linalg.norm(fall))
    return float((rise * fall).sum()) / size if size else 0.0


def _mean_contrast(frames: np.ndarray, positions: Iterable[int]) -> np.ndarray:
    """Mean local contrast of some frames, which is invariant to flickering light."""
    side, out = frames.shape[1], []
    for k in positions:
        fine = cv2.GaussianBlur(frames[k].astype(np.float32), (0, 0), side / 80)
        around = cv2.GaussianBlur(fine, (0, 0), side / 10)
        out.append((fine - around) / (around + 10))
    return np.mean(out, axis=0)


def _head_path(ready: Prepared) -> np.ndarray:
    """Position of the head in each frame as a fraction of the face's width, (frames, 2)."""
    eyes = np.asarray(ready.place.eyes)
    width = np.hypot(*(eyes[1] - eyes[0])) / (EYES[1][0] - EYES[0][0])
    middle = eyes.mean(0) + np.array([0, 0.25 * width])
    return (ready.motion[:, :, :2] @ middle + ready.motion[:, :, 2] - middle) / width


def _moved(place: Place, matrix: np.ndarray) -> Place:
    """The face's location in a frame whose motion to the first frame is `matrix`, (2, 3)."""
    back = cv2.invertAffineTransform(matrix)
    eyes = np.asarray(place.eyes) @ back[:, :2].T + back[:, 2]
    return Place(tuple((float(x), float(y)) for x, y in eyes), place.how)


def _box(place: Place) -> tuple[int, int, int, int]:
    """The box that a detector would give for a face with these eye positions."""
    (left, top), (right, _) = place.eyes
    side = (right - left) / (EYES[1][0] - EYES[0][0])
    corner = left - EYES[0][0] * side, top - EYES[0][1] * side
    return round(corner[0]), round(corner[1]), round(side), round(side)

"""Brief expressions in a recording: spotted by how the face moves, named by a clip or flow model.

A window slides over the recording. In each, the face is found, held still, and searched for the
rise and fall that fits best (`keras_mer.face.apex`). It counts when it is brief and the face comes
back the way it went: what sets the apex apart must be the same against before and against after.
A head that drifts, light that changes and noise rise somewhere in every window, too.
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
from keras_mer.face import apex, motion
from keras_mer.face.align import EYES
from keras_mer.face.prepare import SIDE, Place, Prepared, prepare
from keras_mer.files import replacing
from keras_mer.images import convert
from keras_mer.kinds import FLOW_METHODS
from keras_mer.runtime.card import video_preprocessing
from keras_mer.runtime.io.clip_reader import Film
from keras_mer.runtime.recogniser import Expression, Recogniser

#: Seconds of a window. Windows overlap by half, so that a micro-expression, which lasts half a
#: second at most, stands whole in one of them.
WINDOW = 1.0
#: Longest moment in seconds: half a second, and what its ends are uncertain by.
LONGEST = 0.6
#: Least `Moment.agreement` of a moment. Of 18 drawn clips (30 or 50 % of the full expression) 14
#: lie above; of 36 windows without an expression 2 do, and these last longer than `LONGEST`.
AGREEMENT = 0.85


@dataclass(frozen=True, eq=False)
class Moment:
    """A brief expression in a recording; positions count frames from 0.

    Attributes:
        onset, apex, offset: where it begins, is strongest and is gone.
        expression: what the model calls it.
        agreement: cosine between how the apex differs from the onset and how it differs from the
            offset, -1 to 1: 1 for a face that comes back the way it went.
        amplitude: the strongest motion from onset to apex, in shares of the face's width.
        box: x, y, width, height of the face at the onset, in pixels.
        course: float64, its strength in each frame of its window, about 1 at the apex.
        start: the position of the course's first frame.
    """

    onset: int
    apex: int
    offset: int
    expression: Expression
    agreement: float
    amplitude: float
    box: tuple[int, int, int, int]
    course: np.ndarray
    start: int


class Moments:
    """Finds and names the brief expressions of the largest face of a recording.

    Args:
        recogniser: with a model that reads clips or flow.
        agreement: least agreement of a moment; lower finds more, and more that is none.
        cropped: every frame already is a face; one that no detector finds is taken whole.

    Attributes:
        blind: frames of the last search in whose windows no face was found.

    Raises:
        UserError: for a model that reads single images, or whose preprocessing is unknown.
    """

    def __init__(
        self, recogniser: Recogniser, *, agreement: float = AGREEMENT, cropped: bool = False
    ):
        if recogniser.card.task == "image":
            raise UserError(
                f"{recogniser.card.name} reads single images; moments need a model of clips or flow"
            )
        self.recogniser, self.agreement, self.cropped = recogniser, agreement, cropped
        self.preprocessing = video_preprocessing(recogniser.card, recogniser.detector)
        self.blind = 0

    def search(self, frames: Iterable[np.ndarray], fps: float) -> list[Moment]:
        """The moments of a recording, in time order; those of one face never overlap.

        Args:
            frames: uint8, (h, w) grey or (h, w, 3) BGR, of one size; walked once, and no more
                than a window of them is kept.
            fps: frames a second.

        Raises:
            UserError: for fewer than 3 frames.
        """
        length = max(6, round(WINDOW * fps))
        step = length // 2
        window: list[np.ndarray] = []
        found: list[Moment] = []
        start = count = self.blind = 0
        for image in frames:
            window.append(convert(image, 1)[..., 0])
            count += 1
            if len(window) == length:
                found += self._look(window, start, fps)
                del window[:step]
                start += step
        if count < 3:
            raise UserError(f"a recording of {count} frames: an apex needs 3 or more")
        if start == 0 or len(window) > length - step:  # the end that no window has seen
            found += self._look(window, start, fps)
        kept: list[Moment] = []
        for one in sorted(found, key=lambda m: -m.agreement):
            if all(one.offset <= k.onset or one.onset >= k.offset for k in kept):
                kept.append(one)
        return sorted(kept, key=lambda m: m.onset)

    def whole(self, frames: Sequence[np.ndarray], fps: float) -> Moment:
        """The one expression of a clip that was cut from its onset to its offset.

        Args:
            frames: as of `search`; the apex is spotted where there are 3 or more.
            fps: frames a second.

        Raises:
            UserError: for fewer than 2 frames, or without a face unless the frames are `cropped`.
        """
        grey = [convert(image, 1)[..., 0] for image in frames]
        last = len(grey) - 1
        if last < 1:
            raise UserError(f"a clip of {len(grey)} frame{'s' * (last != 0)} shows no motion")
        ready = self._prepare(grey, fps)
        if last < 2:
            return self._moment(grey, ready, (0, last, last), np.ones(len(grey)), 0, fps)
        found = apex.spot(ready.frames, fps, onset=0, offset=last)
        return self._moment(grey, ready, (0, found.index, last), found.course, 0, fps)

    def _look(self, window: list[np.ndarray], start: int, fps: float) -> list[Moment]:
        try:
            ready = self._prepare(window, fps)
        except UserError:  # no face in its first frames
            self.blind += len(window)
            return []
        found = apex.spot(ready.frames, fps)
        after = min(max(found.offset, found.index + 1), len(window) - 1)
        times = (min(found.onset, found.index - 1), found.index, after)
        brief = times[2] - times[0] <= LONGEST * fps
        if not brief or agreement(ready.frames, times) < self.agreement:
            return []
        return [self._moment(window, ready, times, found.course, start, fps)]

    def _prepare(self, images: Sequence[np.ndarray], fps: float) -> Prepared:
        made = self.preprocessing
        # a clip model's own crops may be too small for spotting; `_moment` cuts them
        side, register = (made.side, made.register) if made.flow else (SIDE, True)
        return prepare(
            images, side, made.margin, fps=fps, detector=self.recogniser.detector,
            register=register, whole=self.cropped,
        )  # fmt: skip

    def _moment(
        self,
        images: Sequence[np.ndarray],
        ready: Prepared,
        times: tuple[int, int, int],
        course: np.ndarray,
        start: int,
        fps: float,
    ) -> Moment:
        """A moment at `times`, positions in the window that begins at `start`."""
        card, made, (onset, peak, offset) = self.recogniser.card, self.preprocessing, times
        first, top = (motion.steady(ready.frames, k, fps) for k in (onset, peak))
        field, strained = motion.between(
            first, top, made.flow or FLOW_METHODS[0], head=made.head_motion != "kept"
        )
        place = _moved(ready.place, ready.motion[onset])
        if card.task == "flow":
            said = self.recogniser.predict_flow(motion.image(field, strained, card.height))
        else:
            part = images[onset : offset + 1]
            face = prepare(
                part, made.side, made.margin, fps=fps, place=place, register=made.register
            ).frames
            said = self.recogniser.predict_clip(motion.resample(face, card.frames))
        return Moment(
            *(start + k for k in times),
            said,
            agreement(ready.frames, times),
            motion.amplitude(field),
            _box(place),
            course,
            start,
        )


def row(moment: Moment, film: Film) -> dict[str, object]:
    """A moment as a row of a table: seconds, the recording's own frame numbers, what it shows."""
    times = {"onset": moment.onset, "apex": moment.apex, "offset": moment.offset}
    said = moment.expression
    return {
        **{name: round(k / film.fps, 4) for name, k in times.items()},
        **{f"{name}_frame": film.number(k) for name, k in times.items()},
        "label": said.label,
        "confidence": round(said.confidence, 5),
        "agreement": round(moment.agreement, 3),
        "amplitude": round(moment.amplitude, 5),
        **dict(zip(("x", "y", "width", "height"), moment.box, strict=True)),
        **{name: round(share, 5) for name, share in said.probabilities.items()},
    }


def write_csv(path: str | os.PathLike, rows: Sequence[dict[str, object]]) -> None:
    """Write rows of `row`, of several recordings with a first column ``file``; ``-``: the screen.

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
    """How alike the apex's differences from before and from after are, see `Moment.agreement`.

    The two see different frames around the apex, so that the noise of a frame agrees with nothing.

    Args:
        frames: uint8 (frames, side, side), a still face.
        times: onset, apex and offset.
    """
    onset, peak, offset = times
    near = max(1, round(0.15 * min(peak - onset, offset - peak)))
    top = list(range(max(peak - near, onset + 1), min(peak + near, offset - 1) + 1)) or [peak]
    before = range(max(0, onset - near), onset + 1)
    after = range(offset, min(offset + near, len(frames) - 1) + 1)
    rise = _mean(frames, top[::2]) - _mean(frames, before)
    fall = _mean(frames, top[1::2] or top) - _mean(frames, after)
    rise, fall = rise - rise.mean(), fall - fall.mean()
    size = float(np.linalg.norm(rise) * np.linalg.norm(fall))
    return float((rise * fall).sum()) / size if size else 0.0


def _mean(frames: np.ndarray, positions: Iterable[int]) -> np.ndarray:
    """Mean local contrast of some frames, from which light that flickers drops out."""
    side, out = frames.shape[1], []
    for k in positions:
        fine = cv2.GaussianBlur(frames[k].astype(np.float32), (0, 0), side / 80)
        around = cv2.GaussianBlur(fine, (0, 0), side / 10)
        out.append((fine - around) / (around + 10))
    return np.mean(out, axis=0)


def _moved(place: Place, matrix: np.ndarray) -> Place:
    """Where the face is in a frame, whose motion to the first frame is `matrix`, (2, 3)."""
    back = cv2.invertAffineTransform(matrix)
    eyes = np.asarray(place.eyes) @ back[:, :2].T + back[:, 2]
    return Place(tuple((float(x), float(y)) for x, y in eyes), place.how)


def _box(place: Place) -> tuple[int, int, int, int]:
    """The box in which the eyes stand where a detector's box has them."""
    (left, top), (right, _) = place.eyes
    side = (right - left) / (EYES[1][0] - EYES[0][0])
    corner = left - EYES[0][0] * side, top - EYES[0][1] * side
    return round(corner[0]), round(corner[1]), round(side), round(side)

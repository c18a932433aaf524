"""Brief movements of a registered face: candidates for micro-expressions, and what they look like.

The search is that of `keras_mer.face.apex`, a matched filter for one rise and fall over all pixels
jointly, with a trend removed around each candidate instead of over the whole clip, so that a clip
may hold several movements. What tells an expression from the rest is measured on each candidate:
whether the face returns the way it moved, whether anything else moves around it (speech, a longer
expression), whether the eyes alone move (a blink), and whether the head moves with it (a nod).
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import cv2
import numpy as np

from keras_mer.face.align import EYES
from keras_mer.face.apex import SIDE, profiles

#: Shortest and longest candidate rise or fall, in seconds.
SHORTEST, LONGEST = 0.04, 0.3
#: Time before and after a candidate over which its trend is fitted, and that in which nothing else
#: should move, in seconds.
TREND, CONTEXT = 0.15, 0.5
#: Most candidates in a clip, and the least time between two apexes in seconds.
MAX_CANDIDATES, MIN_DISTANCE = 5, 0.25
#: Least `Movement.snr` of a candidate; it is about 1 for noise.
LEAST_SNR = 1.3

_MOVES = np.array(list(product((-1, 0, 1), repeat=3)))


@dataclass(frozen=True, eq=False)
class Movement:
    """A brief movement; positions count frames from 0.

    Attributes:
        onset, apex, offset: of the rise and fall that fits best.
        snr: its energy relative to that expected from the camera's noise alone.
        agreement: cosine similarity of the differences apex - onset and apex - offset, the eyes
            left out: 1 for a face that returns exactly the way it moved.
        unrest: energy of what moves before and after it, relative to its own; the eyes left out.
        eyes: its energy in the eyes, relative to that in the rest of the face.
        head: deviation of the head from a uniform motion meanwhile, as a fraction of the face's
            width.
        intensity: float64 (frames,), 1 at the apex.
    """

    onset: int
    apex: int
    offset: int
    snr: float
    agreement: float
    unrest: float
    eyes: float
    head: float
    intensity: np.ndarray


def find(
    frames: np.ndarray, fps: float, head: np.ndarray | None = None, margin: float = 0.15
) -> list[Movement]:
    """The brief movements of a registered clip, the strongest first.

    Args:
        frames: uint8 (frames, side, side), from `keras_mer.face.prepare`, 6 or more.
        fps: frames per second.
        head: position of the head in each frame as a fraction of the face's width, (frames, 2); at
            rest when None.
        margin: of the crops.
    """
    count = len(frames)
    face, eyes = _grams(frames, margin)
    noise = max(_noise(face), 1e-9)
    shapes, filters = _grid(count, fps)
    if not len(shapes):
        return []
    score = ((filters @ face.astype(np.float32)) * filters).sum(1) / noise
    out: list[Movement] = []
    apexes: list[int] = []
    order = np.argsort(-score)
    for k in order:
        if len(out) == MAX_CANDIDATES or score[k] < LEAST_SNR:
            break
        if all(abs(shapes[k, 1] - a) >= MIN_DISTANCE * fps for a in apexes):
            apexes.append(int(shapes[k, 1]))
            rough = _measure(shapes[k], 1.0, face, eyes, noise, fps, None)
            if rough.agreement < 0.4 or rough.unrest > 1.5 or rough.eyes > 10:
                continue  # far from an expression: the time to refine it is saved
            best, value = _refine(shapes[k], face, fps)
            if all(abs(best[1] - m.apex) >= MIN_DISTANCE * fps for m in out):
                out.append(_measure(best, value / noise, face, eyes, noise, fps, head))
    return out


def _grams(frames: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Gram matrices of the frames' local contrast, of the face without its eyes and of the eyes."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * (1 + 2 * margin) - margin
    eye = np.zeros((SIDE, SIDE), bool)
    for middle in EYES:
        eye |= (np.abs(x - middle[0]) < 0.14) & (np.abs(y - middle[1]) < 0.08)
    rows = []
    for frame in frames:
        if frame.shape[0] != SIDE:
            how = cv2.INTER_AREA if frame.shape[0] > SIDE else cv2.INTER_LINEAR
            frame = cv2.resize(frame, (SIDE, SIDE), interpolation=how)
        fine = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1.2)
        small = cv2.resize(fine, (SIDE // 4, SIDE // 4), interpolation=cv2.INTER_AREA)
        around = cv2.resize(cv2.GaussianBlur(small, (0, 0), SIDE / 32), (SIDE, SIDE))
        rows.append((fine - around) / (around + 10))  # invariant to flickering light
    flat = np.stack(rows)
    flat -= flat.mean(0)
    return tuple((part @ part.T).astype(np.float64) for part in (flat[:, ~eye], flat[:, eye]))


def _noise(gram: np.ndarray) -> float:
    """Energy of the camera's noise in a frame: of second differences, in their median."""
    if len(gram) < 3:
        return 0.0
    steps = np.diff(np.eye(len(gram)), 2, axis=0)
    return float(np.median(np.einsum("ij,jk,ik->i", steps, gram, steps, optimize=True))) / 6


@lru_cache(maxsize=4)
def _grid(count: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Candidates (onset, apex, offset) on a coarse grid, (candidates, 3), and their filters."""
    lengths = np.geomspace(max(1, SHORTEST * fps), max(2, LONGEST * fps), 6)
    lengths = sorted({round(length) for length in lengths})
    shapes = [
        (apex - rise, apex, apex + fall)
        for apex in range(1, count - 1, max(1, round(0.02 * fps)))
        for rise, fall in product(lengths, lengths)
        if apex >= rise and apex + fall < count and rise <= 3 * fall <= 9 * rise
    ]
    made = np.array(shapes, int).reshape(-1, 3)
    return made, _filters(made, count, fps).astype(np.float32)


def _filters(shapes: np.ndarray, count: int, fps: float) -> np.ndarray:
    """Unit filters: the profiles less a line, over the time from `TREND` before to after them."""
    time = np.arange(count)
    reach = max(2, round(TREND * fps))
    near = (time >= shapes[:, [0]] - reach) & (time <= shapes[:, [2]] + reach)
    wave = profiles(shapes, count) * near
    size = near.sum(1, keepdims=True)
    t = (time - (near * time).sum(1, keepdims=True) / size) * near
    wave = wave - near * (wave.sum(1, keepdims=True) / size)
    wave = wave - t * ((wave * t).sum(1, keepdims=True) / np.maximum((t**2).sum(1), 1)[:, None])
    return wave / np.maximum(np.sqrt((wave**2).sum(1, keepdims=True)), 1e-9)


def _energy(shapes: np.ndarray, gram: np.ndarray, fps: float) -> np.ndarray:
    waves = _filters(shapes, len(gram), fps)
    return ((waves @ gram) * waves).sum(1)


def _refine(shape: np.ndarray, gram: np.ndarray, fps: float) -> tuple[np.ndarray, float]:
    """Climb from a coarse candidate to the best one near it, frame by frame."""
    count, best = len(gram), np.asarray(shape)
    value = float(_energy(best[None], gram, fps)[0])
    step = max(1, round(0.01 * fps))
    while step >= 1:
        around = best + step * _MOVES
        good = (around[:, 0] < around[:, 1]) & (around[:, 1] < around[:, 2])
        around = around[good & (around[:, 0] >= 0) & (around[:, 2] < count)]
        values = _energy(around, gram, fps)
        k = int(values.argmax())
        if values[k] <= value * (1 + 1e-9):
            step //= 2
        else:
            best, value = around[k], float(values[k])
    return best, value


def _measure(shape, snr, face, eyes, noise, fps, head) -> Movement:
    count = len(face)
    onset, apex, offset = (int(k) for k in shape)
    wave = _filters(shape[None], count, fps)[0]
    near = max(1, round(0.2 * min(apex - onset, offset - apex)))
    top = np.arange(max(apex - near, onset + 1), min(apex + near, offset - 1) + 1)
    before = np.arange(max(0, onset - near), onset + 1)
    after = np.arange(offset, min(offset + near, count - 1) + 1)
    # disjoint frames around the apex, so that the noise of one does not agree with itself
    rise = _mean(top[::2], count) - _mean(before, count)
    fall = _mean(top[1::2] if len(top) > 1 else top, count) - _mean(after, count)
    size = np.sqrt(max((rise @ face @ rise) * (fall @ face @ fall), 0))
    rest = (_mean(before, count) + _mean(after, count)) / 2
    own = _mean(top, count) - rest
    reach, gap = round(CONTEXT * fps), max(1, round(0.06 * fps))
    outside = [*range(max(0, onset - reach), onset - gap), *range(offset + gap + 1,
               min(count, offset + reach + 1))]  # fmt: skip
    moved = 0.0
    if outside:
        away = np.eye(count)[outside] - rest
        energy = np.einsum("ij,jk,ik->i", away, face, away, optimize=True)
        moved = float(np.percentile(energy, 80)) - noise * float(1 + rest @ rest)
    mine = own @ face @ own - noise * float(own @ own)
    intensity = face @ wave
    intensity = intensity - np.percentile(intensity, 5)
    return Movement(
        onset, apex, offset, float(snr),
        float(rise @ face @ fall / size) if size else 0.0,
        float(max(moved, 0.0) / max(mine, 1e-9)),
        float(wave @ eyes @ wave / max(wave @ face @ wave, 1e-9)),
        _deviation(head, onset, offset) if head is not None else 0.0,
        intensity / max(intensity[apex], 1e-9),
    )  # fmt: skip


def _mean(positions: np.ndarray, count: int) -> np.ndarray:
    """Weights of the frames, (count,), that average those at some positions."""
    out = np.zeros(count)
    out[positions] = 1 / len(positions)
    return out


def _deviation(head: np.ndarray, onset: int, offset: int) -> float:
    path = head[onset : offset + 1]
    line = np.linspace(path[0], path[-1], len(path))
    return float(np.hypot(*(path - line).T).max())

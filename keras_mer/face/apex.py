"""When an expression is strongest, in clips whose apex nobody has annotated.

A subtle expression changes few pixels by little, in a way that differs from face to face, but
always as one brief rise and fall. So every rise and fall that a micro-expression may have (onset,
apex, offset) is held against the course of all pixels at once: the one that the pixels follow
with most energy wins. That is a generalised likelihood ratio test for a known course and an
unknown picture, after what varies slowly (the head, the light) has been taken out.
"""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from keras_mer.errors import UserError

#: Side to which prepared frames are shrunk.
SIDE = 96
#: Shortest and longest rise or fall that is tried, in seconds.
SHORTEST, LONGEST = 0.02, 0.35


@dataclass(frozen=True, eq=False)
class Apex:
    """Where a clip's expression is, in positions counted from 0.

    Attributes:
        index: of the apex.
        onset, offset: where the best course begins and ends; less certain than the apex.
        course: float64 (frames,), the expression's strength, 1 at the apex.
        clarity: energy of the course over what noise alone would give; near 1 there may be no
            expression at all.
    """

    index: int
    onset: int
    offset: int
    course: np.ndarray
    clarity: float


def spot(
    frames: np.ndarray,
    fps: float | None = None,
    *,
    onset: int | None = None,
    offset: int | None = None,
) -> Apex:
    """The apex of a prepared clip that holds one expression.

    Args:
        frames: uint8 (frames, side, side), from `keras_mer.face.prepare`, 3 or more.
        fps: frames a second; 100 when it is not known.
        onset, offset: positions, where both are known: then only the apex is looked for.

    Raises:
        UserError: for fewer than 3 frames, or an onset and offset that leave no frame between.
    """
    count, fps = len(frames), fps or 100.0
    if count < 3:
        raise UserError(f"an apex needs 3 frames or more, got {count}")
    known = onset is not None and offset is not None
    if known and not 0 <= onset < offset - 1 < count - 1:
        raise UserError(
            f"expected 0 <= onset < offset < {count} with a frame between, got {onset} and {offset}"
        )
    gram = _gram(frames)
    # a whole rise and fall looks like a parabola: with nothing around it only a line may go
    keep = _without_trend(count, 1 if known or count < 12 else 2)
    cleaned = keep @ gram @ keep
    if known:
        score, best = _best([(onset, a, offset) for a in range(onset + 1, offset)], cleaned, keep)
    else:
        score, best = _search(cleaned, keep, fps)
    shape = keep @ _templates(np.array([best]), count)[0]
    course = gram @ shape  # along the picture that goes with the shape, its trend left in
    peak = int(np.clip(best[1], 0, count - 1))
    course = (course - np.percentile(course, 5)) / max(
        course[peak] - np.percentile(course, 5), 1e-9
    )
    steps = np.diff(np.eye(count), 2, axis=0)
    noise = np.trace(steps @ gram @ steps.T) / (6 * len(steps))
    ends = np.clip((best[0], best[2]), 0, count - 1)
    return Apex(peak, int(ends[0]), int(ends[1]), course, float(score / max(noise, 1e-9)))


def _gram(frames: np.ndarray) -> np.ndarray:
    """How alike the frames are, local contrast against local contrast: float64 (frames, frames)."""
    rows = []
    for frame in frames:
        if frame.shape[0] != SIDE:
            shrink = frame.shape[0] > SIDE
            way = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
            frame = cv2.resize(frame, (SIDE, SIDE), interpolation=way)
        fine = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1.2)
        around = cv2.GaussianBlur(fine, (0, 0), SIDE / 8)
        rows.append(((fine - around) / (around + 10)).ravel())  # light that flickers drops out
    flat = np.stack(rows)
    flat -= flat.mean(0)
    return (flat @ flat.T).astype(np.float64)


def _without_trend(count: int, order: int) -> np.ndarray:
    """(count, count): takes a polynomial of time out of a course."""
    time = np.linspace(-1, 1, count)
    basis = np.linalg.qr(np.stack([time**k for k in range(order + 1)], 1))[0]
    return np.eye(count) - basis @ basis.T


def _templates(shapes: np.ndarray, count: int) -> np.ndarray:
    """Half a cosine up and half a cosine down for each (onset, apex, offset): (shapes, count)."""
    time = np.arange(count)
    onset, apex, offset = (shapes[:, [k]] for k in range(3))
    rise = np.clip((time - onset) / np.maximum(apex - onset, 1), 0, 1)
    fall = np.clip((time - apex) / np.maximum(offset - apex, 1), 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 + 0.5 * np.cos(np.pi * fall))


def _best(shapes: list[tuple[int, int, int]], gram: np.ndarray, keep: np.ndarray):
    """(score, shape) of the shape whose course has most energy a unit of its own."""
    tried = _templates(np.array(shapes), len(gram)) @ keep
    size = (tried**2).sum(1)
    scores = ((tried @ gram) * tried).sum(1) / (size + 1e-3)
    k = int(np.argmax(scores))
    return float(scores[k]), shapes[k]


def _search(gram: np.ndarray, keep: np.ndarray, fps: float):
    """The best shape: on a coarse grid, then frame by frame around it."""
    count = len(gram)
    lengths = np.geomspace(max(1, SHORTEST * fps), max(2, LONGEST * fps), 9)
    lengths = sorted({round(length) for length in lengths})
    step = max(1, round(0.01 * fps))
    shapes = [
        (apex - rise, apex, apex + fall)
        for apex in range(1, count - 1, step)
        for rise, fall in product(lengths, lengths)
        if apex - rise > -rise / 2 and apex + fall < count - 1 + fall / 2
    ] or [(0, count // 2, count - 1)]
    score, best = _best(shapes, gram, keep)
    while step >= 1:
        moves = (-2 * step, -step, 0, step, 2 * step)
        around = [
            (best[0] + i, best[1] + j, best[2] + k)
            for i, j, k in product(moves, repeat=3)
            if best[0] + i < best[1] + j < best[2] + k and 0 < best[1] + j < count
        ]
        better, shape = _best(around, gram, keep)
        if better <= score * (1 + 1e-9):
            step //= 2
        else:
            score, best = better, shape
    return score, best

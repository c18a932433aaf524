"""Apex spotting: the frame of strongest expression in clips without an annotated apex.

A subtle expression changes few pixels slightly and differently in each face, but always as one
brief rise and fall. Candidate temporal profiles (onset, apex, offset) are therefore matched against
the time series of all pixels jointly, and the one that explains most energy is chosen. This is a
generalized likelihood ratio test for a known temporal profile and an unknown spatial pattern, after
slow trends (head, light) have been removed.
"""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from keras_mer.errors import UserError

#: Side in pixels to which frames are resized.
SIDE = 96
#: Shortest and longest candidate rise or fall, in seconds.
SHORTEST, LONGEST = 0.02, 0.35


@dataclass(frozen=True, eq=False)
class Apex:
    """Result of apex spotting; positions count from 0.

    Attributes:
        index: of the apex.
        onset, offset: start and end of the best profile; less accurate than the apex.
        intensity: float64 (frames,), strength of the expression, 1 at the apex.
        snr: energy of the best profile relative to the energy expected from noise alone; near 1
            there may be no expression.
    """

    index: int
    onset: int
    offset: int
    intensity: np.ndarray
    snr: float


def spot(
    frames: np.ndarray,
    fps: float | None = None,
    *,
    onset: int | None = None,
    offset: int | None = None,
) -> Apex:
    """Spot the apex of a registered clip that shows one expression.

    Args:
        frames: uint8 (frames, side, side), from `keras_mer.face.prepare`, 3 or more.
        fps: frames per second; 100 when unknown.
        onset, offset: positions, when both are known: then only the apex is estimated.

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
    # without rest frames around it, a rise and fall resembles a parabola: then only remove a line
    detrend = _detrending_matrix(count, 1 if known or count < 12 else 2)
    detrended = detrend @ gram @ detrend
    if known:
        candidates = [(onset, a, offset) for a in range(onset + 1, offset)]
        score, best = _best(candidates, detrended, detrend)
    else:
        score, best = _search(detrended, detrend, fps)
    profile = detrend @ profiles(np.array([best]), count)[0]
    intensity = gram @ profile  # projection on the profile's spatial pattern, with its trend
    peak = int(np.clip(best[1], 0, count - 1))
    rest = np.percentile(intensity, 5)
    intensity = (intensity - rest) / max(intensity[peak] - rest, 1e-9)
    steps = np.diff(np.eye(count), 2, axis=0)
    noise = np.trace(steps @ gram @ steps.T) / (6 * len(steps))
    ends = np.clip((best[0], best[2]), 0, count - 1)
    return Apex(peak, int(ends[0]), int(ends[1]), intensity, float(score / max(noise, 1e-9)))


def _gram(frames: np.ndarray) -> np.ndarray:
    """Gram matrix of the frames' local contrast, centered in time: float64 (frames, frames)."""
    rows = []
    for frame in frames:
        if frame.shape[0] != SIDE:
            shrink = frame.shape[0] > SIDE
            interpolation = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
            frame = cv2.resize(frame, (SIDE, SIDE), interpolation=interpolation)
        fine = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1.2)
        around = cv2.GaussianBlur(fine, (0, 0), SIDE / 8)
        rows.append(((fine - around) / (around + 10)).ravel())  # invariant to flickering light
    flat = np.stack(rows)
    flat -= flat.mean(0)
    return (flat @ flat.T).astype(np.float64)


def _detrending_matrix(count: int, order: int) -> np.ndarray:
    """(count, count) projection that removes a polynomial of time of this order."""
    time = np.linspace(-1, 1, count)
    basis = np.linalg.qr(np.stack([time**k for k in range(order + 1)], 1))[0]
    return np.eye(count) - basis @ basis.T


def profiles(shapes: np.ndarray, count: int) -> np.ndarray:
    """Half a cosine up and half a cosine down for each (onset, apex, offset): (shapes, count)."""
    time = np.arange(count)
    onset, apex, offset = (shapes[:, [k]] for k in range(3))
    rise = np.clip((time - onset) / np.maximum(apex - onset, 1), 0, 1)
    fall = np.clip((time - apex) / np.maximum(offset - apex, 1), 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 + 0.5 * np.cos(np.pi * fall))


def _best(shapes: list[tuple[int, int, int]], gram: np.ndarray, detrend: np.ndarray):
    """(score, shape) of the profile that explains most energy, relative to its own energy."""
    waves = profiles(np.array(shapes), len(gram)) @ detrend
    size = (waves**2).sum(1)
    scores = ((waves @ gram) * waves).sum(1) / (size + 1e-3)
    k = int(np.argmax(scores))
    return float(scores[k]), shapes[k]


def _search(gram: np.ndarray, detrend: np.ndarray, fps: float):
    """The best (onset, apex, offset): on a coarse grid, then refined frame by frame."""
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
    score, best = _best(shapes, gram, detrend)
    while step >= 1:
        moves = (-2 * step, -step, 0, step, 2 * step)
        around = [
            (best[0] + i, best[1] + j, best[2] + k)
            for i, j, k in product(moves, repeat=3)
            if best[0] + i < best[1] + j < best[2] + k and 0 < best[1] + j < count
        ]
        better, shape = _best(around, gram, detrend)
        if better <= score * (1 + 1e-9):
            step //= 2
        else:
            score, best = better, shape
    return score, best

"""Drawing of clips for the layout writers, with their ground truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_mer import labels
from keras_mer.errors import UserError, nearest
from keras_mer.synthetic.clip import Clip, draw_clip
from keras_mer.synthetic.store import check_arguments
from keras_mer.synthetic.units import check_expression, check_intensity

#: Expressions drawn for a class without a prototype.
DRAWN_AS = {
    "repression": ("contempt",),
    "others": ("angry",),
    "negative": ("disgust", "sad", "angry", "fear"),
    "positive": ("happy",),
}


@dataclass(frozen=True)
class GroundTruth:
    """Ground truth of a written clip.

    Attributes:
        path: its folder, relative to the dataset's. subject, clip, label: as named by its loader.
        expression: the drawn one. intensity: at the apex.
        onset, apex, offset: frame numbers as in the file names. fps: frames per second.
    """

    path: str
    subject: str
    clip: str
    label: str
    expression: str
    intensity: float
    onset: int
    apex: int
    offset: int
    fps: float


@dataclass(frozen=True)
class ClipStyle:
    """Settings shared by all clips of a dataset."""

    size: int
    seed: int
    fps: float
    intensity: float
    duration: tuple[float, float]
    rest: int
    scene: dict


def make_style(count, subjects, size, seed, fps, options: dict) -> ClipStyle:
    """Check the arguments of a writer and complete its options."""
    check_arguments(count, subjects, size, seed)
    known = ("intensity", "duration", "rest", "margin", "drift", "flicker", "noise", "variation")
    for name in options:
        if name not in known:
            raise UserError(
                f"unknown option '{name}'{nearest(name, known)}; known: {', '.join(known)}"
            )
    options = dict(options)
    intensity = check_intensity(options.pop("intensity", 0.3))
    low, high = options.pop("duration", (0.04, 0.5))
    if not 0.04 <= low <= high <= 0.5:
        raise UserError(f"duration must lie in 0.04 to 0.5 s, got {low:g} to {high:g}")
    rest = options.pop("rest", 6)
    if not 1 <= rest <= 1000:
        raise UserError(f"rest must lie in 1 to 1000 frames, got {rest}")
    return ClipStyle(size, seed, fps, intensity, (low, high), rest, options)


def schedule(count: int, subjects: int, classes: Sequence[str]) -> list[tuple[int, int, int, str]]:
    """(clip index, subject from 1, index of the subject's clip from 0, label), by subject."""
    classes = labels.vocabulary(classes)
    for name in classes:
        if name not in DRAWN_AS:
            check_expression(name)
    turns = [(k % subjects + 1, k // subjects) for k in range(count)]
    return [
        (k, number, turn, classes[(number + turn) % len(classes)])
        for k, (number, turn) in enumerate(sorted(turns))
    ]


def draw_sample(
    k: int,
    number: int,
    label: str,
    place: str,
    subject: str,
    name: str,
    style: ClipStyle,
    *,
    gray: bool = False,
) -> tuple[GroundTruth, int, Clip]:
    """Ground truth of clip k, the number of its first frame, and the clip."""
    rng = np.random.default_rng([style.seed, k, 0xC117])
    expression = (options := DRAWN_AS.get(label, (label,)))[int(rng.integers(len(options)))]
    length = max(round(rng.uniform(*style.duration) * style.fps), 1)
    rise = int(np.clip(round(length * rng.uniform(0.35, 0.6)), 1, length))
    onset, apex, offset = style.rest, style.rest + rise, style.rest + length
    clip = draw_clip(
        number,
        expression,
        style.intensity,
        onset,
        apex,
        offset,
        offset + style.rest + 1,
        style.fps,
        style.size,
        seed=style.seed,
        index=k,
        gray=gray,
        **style.scene,
    )
    first = int(rng.integers(1, 400))
    times = (first + onset, first + apex, first + offset)
    truth = GroundTruth(
        place, subject, name, label, expression, style.intensity, *times, fps=style.fps
    )
    return truth, first, clip

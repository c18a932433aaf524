"""Drawing of clips for the layout writers, with their ground truth."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_mer import labels
from keras_mer.errors import UserError, nearest
from keras_mer.synthetic.clip import Clip, draw_clip
from keras_mer.synthetic.store import Progress, check_arguments, save_image
from keras_mer.synthetic.units import PROTOTYPES, check_expression, check_intensity

#: Expressions drawn for a class without a prototype.
DRAWN_AS = {
    "repression": ("contempt",),
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


def schedule(
    count: int, subjects: int, classes: Sequence[str], core: str = ""
) -> list[tuple[int, int, int, str]]:
    """(clip index, subject from 1, index of the subject's clip from 0, label), by subject.

    A subject's clips take the classes in turn: first those of the vocabulary `core`, in which the
    subject's number decides where to begin, then the others.
    """
    classes = labels.vocabulary(classes)
    first = [c for c in classes if not core or c in labels.VOCABULARIES[core]]
    rest = [c for c in classes if c not in first]
    for name in classes:
        if name not in DRAWN_AS:
            check_expression(name)
    turns = [(k % subjects + 1, k // subjects) for k in range(count)]

    def label(number: int, turn: int) -> str:
        turn %= len(classes)
        group, turn = (first, turn) if turn < len(first) else (rest, turn - len(first))
        return group[(number + turn) % len(group)]

    return [(k, n, turn, label(n, turn)) for k, (n, turn) in enumerate(sorted(turns))]


@dataclass(frozen=True)
class Order:
    """A clip to draw.

    Attributes:
        index: of the clip. number: the drawn person's.
        label: its class. place: its folder. subject, clip: as named by the dataset's loader.
        file: name of a frame's file, a format of its number.
    """

    index: int
    number: int
    label: str
    place: str
    subject: str
    clip: str
    file: str


@dataclass(frozen=True)
class Drawn:
    """A clip on disk: its truth, its first frame's number and its number of frames."""

    truth: GroundTruth
    first: int
    frames: int


def draw_all(
    root: Path,
    orders: Sequence[Order],
    style: ClipStyle,
    *,
    gray: bool = False,
    cut: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Drawn]:
    """Draw clips and write their frames below `root`; the files do not depend on `jobs`.

    Args:
        root: the dataset's folder.
        orders: the clips. style: their settings.
        gray: draw in gray. cut: write the frames from onset to offset only.
        jobs: number of processes. progress: called as ``progress(done, total)`` after each clip.
    """
    draw = functools.partial(_draw_one, root, style=style, gray=gray, cut=cut)
    if jobs == 1 or len(orders) < 4:
        found = map(draw, orders)
    else:
        import joblib

        parallel = joblib.Parallel(jobs, return_as="generator")
        found = parallel(joblib.delayed(draw)(order) for order in orders)
    out = []
    for done, one in enumerate(found, 1):
        out.append(one)
        if progress is not None:
            progress(done, len(orders))
    return out


def _draw_one(root: Path, order: Order, *, style: ClipStyle, gray: bool, cut: bool) -> Drawn:
    truth, first, clip = draw_sample(order, style, gray=gray)
    folder = root / order.place
    folder.mkdir(parents=True)
    for n, frame in enumerate(clip.frames, first):
        if not cut or truth.onset <= n <= truth.offset:
            save_image(folder / order.file.format(n), frame)
    return Drawn(truth, first, len(clip.frames))


def draw_sample(
    order: Order, style: ClipStyle, *, gray: bool = False
) -> tuple[GroundTruth, int, Clip]:
    """Ground truth of a clip, the number of its first frame, and the clip."""
    k, label = order.index, order.label
    rng = np.random.default_rng([style.seed, k, 0xC117])
    expression = (options := DRAWN_AS.get(label, (label,)))[int(rng.integers(len(options)))]
    length = max(round(rng.uniform(*style.duration) * style.fps), 1)
    rise = int(np.clip(round(length * rng.uniform(0.35, 0.6)), 1, length))
    onset, apex, offset = style.rest, style.rest + rise, style.rest + length
    clip = draw_clip(
        order.number,
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
        order.place,
        order.subject,
        order.clip,
        label,
        expression,
        style.intensity,
        *times,
        fps=style.fps,
    )
    return truth, first, clip


def facs(expression: str) -> str:
    """The action units of an expression as a coding table writes them: ``6+12``."""
    return "+".join(PROTOTYPES[expression])

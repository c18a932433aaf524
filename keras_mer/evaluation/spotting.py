"""Scores of spotting, and of spot-then-recognize, on recordings with annotated intervals.

As in the MEGC spotting challenges (Li et al. 2019; See et al. 2019), a spotted interval is right
when its intersection over union (IoU) with an annotated one is 0.5 or more; each annotated interval
is found once at most. All recordings are pooled. Only micro-expressions are targets: a spot on a
longer, annotated expression is a false alarm. The score of spot-then-recognize is the F1 of
spotting times the macro F1 (UF1) of the recognition of what was found (STRS; Liong et al. 2023).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_mer import labels
from keras_mer.data.recordings import Interval, Recording
from keras_mer.evaluation import bootstrap, metrics

#: Least IoU of a right spot.
LEAST_IOU = 0.5

#: Name in JSON -> title in tables of the scores of `scores`.
TITLES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "uf1": "UF1 of what was found",
    "strs": "STRS (F1 x UF1)",
}


@dataclass(frozen=True)
class Spot:
    """A spotted interval; frame numbers are the recording's own, both ends inclusive.

    Attributes:
        onset, apex, offset: of the movement.
        label: the predicted expression, empty without a model.
    """

    onset: int
    apex: int
    offset: int
    label: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one annotated or spotted interval.

    Attributes:
        recording: that it belongs to.
        target: the annotated interval, None for a false alarm.
        spot: the spotted one, None for a miss.
        iou: of both, 0 without one of them.
        during: of a false alarm, the kind of annotated event that it overlaps most, ``""`` for
            none.
    """

    recording: Recording
    target: Interval | None
    spot: Spot | None
    iou: float = 0.0
    during: str = ""

    @property
    def name(self) -> str:
        """``found``, ``missed`` or ``false``."""
        return "missed" if self.spot is None else "false" if self.target is None else "found"


def iou(first: Interval | Spot, second: Interval | Spot) -> float:
    """Intersection over union of two intervals, in frames with both ends counted."""
    both = min(first.offset, second.offset) - max(first.onset, second.onset) + 1
    either = max(first.offset, second.offset) - min(first.onset, second.onset) + 1
    return max(both, 0) / either


def match(recording: Recording, spots: Sequence[Spot]) -> list[Outcome]:
    """Match the spots of a recording with its targets, those of the highest IoU first.

    Returns:
        An outcome for each target and each false alarm, in time order.
    """
    targets = recording.targets
    pairs = sorted(
        ((iou(t, s), i, j) for i, t in enumerate(targets) for j, s in enumerate(spots)),
        key=lambda pair: (-pair[0], *pair[1:]),
    )
    found: dict[int, tuple[int, float]] = {}
    for value, i, j in pairs:
        taken = {other for other, _ in found.values()}
        if value >= LEAST_IOU and i not in found and j not in taken:
            found[i] = (j, value)
    out = [
        Outcome(recording, t, spots[found[i][0]], found[i][1])
        if i in found
        else Outcome(recording, t, None)
        for i, t in enumerate(targets)
    ]
    taken = {j for j, _ in found.values()}
    for j, spot in enumerate(spots):
        if j not in taken:
            near = max(recording.intervals, key=lambda i, s=spot: iou(i, s), default=None)
            during = near.kind if near is not None and iou(near, spot) > 0 else ""
            out.append(Outcome(recording, None, spot, 0.0, during))
    return sorted(out, key=lambda o: (o.target or o.spot).onset)


def confusion(
    outcomes: Sequence[Outcome], recordings: Sequence[Recording], classes: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and prediction of every outcome as class indices, for the bootstrap.

    The index ``len(classes)`` stands for an interval without one of the classes, the last one for
    no interval: a miss has it as prediction, a false alarm as truth. Every recording adds one
    sample that has it as both, so that people without any interval are drawn as well.

    Args:
        outcomes: of all recordings.
        recordings: these.
        classes: of the recognition, none without it. Labels are mapped to them as by
            `labels.merged`.

    Returns:
        (truth, prediction, subject), each (samples,).
    """
    index = {name: k for k, name in enumerate(classes)}
    none = len(classes) + 1

    def number(interval: Interval | Spot | None) -> int:
        if interval is None:
            return none
        name = labels.merged(interval.label, classes) if interval.label else ""
        return index.get(name, none - 1)

    rows = [(number(o.target), number(o.spot), o.recording.subject) for o in outcomes]
    rows += [(none, none, r.subject) for r in recordings]
    truth, prediction, subject = zip(*rows, strict=True)
    return np.array(truth), np.array(prediction), np.array(subject)


def scores_of(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of confusion matrices.

    Args:
        matrices: counts, (..., classes + 2, classes + 2), in the order of `confusion`.

    Returns:
        precision, recall and f1 of spotting, each (...); with classes also ``uf1`` of the
        recognition of what was found, and ``strs``.
    """
    counts = np.asarray(matrices, float)
    hits, missed = counts[..., :-1, :-1].sum((-2, -1)), counts[..., :-1, -1].sum(-1)
    false = counts[..., -1, :-1].sum(-1)
    with np.errstate(invalid="ignore"):
        out = {
            "precision": hits / (hits + false),
            "recall": hits / (hits + missed),
            "f1": 2 * hits / (2 * hits + false + missed),
        }
    if counts.shape[-1] > 2:
        out["uf1"] = metrics.macro_f1(counts[..., :-2, :-2])
        out["strs"] = out["f1"] * out["uf1"]
    return out


def scores(
    outcomes: Sequence[Outcome], recordings: Sequence[Recording], classes: Sequence[str] = ()
) -> dict[str, list]:
    """The scores with 95 % bootstrap intervals over people.

    Args:
        outcomes, recordings, classes: as for `confusion`.

    Returns:
        Name -> [value, low, high], JSON-ready; None stands for a score that is not defined, such as
        the precision of no spot.
    """
    truth, prediction, subject = confusion(outcomes, recordings, classes)
    count = len(classes) + 2
    drawn = bootstrap.resample(truth, prediction, count, groups=subject)
    whole = metrics.confusion_matrix(truth, prediction, count)
    return bootstrap.Estimate(scores_of(whole), scores_of(drawn)).intervals()


def false_alarms(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Number of false alarms by the kind of event that they overlap, the most frequent first.

    ``micro`` is a micro-expression that was spotted with too small an IoU (or twice), ``rest`` none
    that is annotated.
    """
    return dict(Counter(o.during or "rest" for o in outcomes if o.name == "false").most_common())

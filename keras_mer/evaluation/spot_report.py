"""Spotting in annotated recordings: the run over one of them, and tables of the outcomes."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_mer.data.recordings import Recording, people
from keras_mer.evaluation.spotting import LEAST_IOU, Outcome, Spot, false_alarms, match, scores
from keras_mer.files import replacing, write_json
from keras_mer.runtime.io.clip_reader import open_clip
from keras_mer.runtime.spotting import Spotter

#: Of the table of intervals.
COLUMNS = (
    "recording", "subject", "outcome", "iou", "onset", "apex", "offset", "label", "spotted_onset",
    "spotted_apex", "spotted_offset", "predicted", "during",
)  # fmt: skip


def run(recording: Recording, spotter: Spotter) -> tuple[list[Outcome], float]:
    """Spot in a recording and match what is found with its annotation.

    Returns:
        The outcomes, and the length of the recording in minutes.

    Raises:
        UserError: when the recording cannot be read.
    """
    clip = open_clip(recording.path, recording.fps)
    count = 0

    def counted():
        nonlocal count
        for image in clip:
            count += 1
            yield image

    spots = [
        Spot(
            *(clip.number(k) for k in (i.onset, i.apex, i.offset)),
            i.expression.label if i.expression else "",
        )
        for i in spotter.spot(counted(), clip.fps)
    ]
    return match(recording, spots), count / clip.fps / 60


def summary(
    outcomes: Sequence[Outcome],
    recordings: Sequence[Recording],
    minutes: Mapping[str, float],
    classes: Sequence[str] = (),
) -> dict[str, Any]:
    """Scores, counts and false alarms of all recordings, JSON-ready.

    Args:
        outcomes, recordings, classes: as for `spotting.scores`.
        minutes: length of each recording by name.
    """
    total = sum(minutes.values())
    alarms = false_alarms(outcomes)
    return {
        "recordings": len(recordings),
        "people": people(recordings),
        "minutes": round(total, 3),
        "annotated": sum(o.target is not None for o in outcomes),
        "spotted": sum(o.spot is not None for o in outcomes),
        "least_iou": LEAST_IOU,
        "classes": list(classes),
        "scores": scores(outcomes, recordings, classes),
        "false_alarms": alarms,
        "false_alarms_per_minute": round(sum(alarms.values()) / max(total, 1e-9), 4),
    }


def rows(
    outcomes: Sequence[Outcome], recordings: Sequence[Recording], minutes: Mapping[str, float]
) -> list[list[str]]:
    """Cells of each recording: name, minutes, annotated, found, missed, false alarms; and a sum."""
    out = []
    for r in recordings:
        names = Counter(o.name for o in outcomes if o.recording.name == r.name)
        out.append(
            [minutes[r.name], len(r.targets), *(names[n] for n in ("found", "missed", "false"))]
        )
    sums = [sum(column) for column in zip(*out, strict=True)]
    titles = [*(r.name for r in recordings), "all"]
    return [
        [title, f"{row[0]:.1f}", *map(str, row[1:])]
        for title, row in zip(titles, [*out, sums], strict=True)
    ]


def write(folder: Path, result: Mapping[str, Any], outcomes: Sequence[Outcome]) -> list[Path]:
    """Write ``spotting.json`` (`summary`) and ``intervals.csv``, a row per outcome.

    Returns:
        Both paths.
    """
    write_json(folder / "spotting.json", result)
    table = folder / "intervals.csv"
    with replacing(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for o in outcomes:
            cells = [
                part
                for i in (o.target, o.spot)
                for part in ((i.onset, i.apex, i.offset, i.label) if i else [""] * 4)
            ]
            place = (o.recording.name, o.recording.subject, o.name, f"{o.iou:.3f}")
            writer.writerow([*place, *cells, o.during])
    return [folder / "spotting.json", table]

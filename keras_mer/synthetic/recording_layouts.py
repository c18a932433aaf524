"""Writers of long synthetic recordings: as videos with a table, and in published layouts.

The same seed gives the same frames and tables.
"""

import csv
import os
from pathlib import Path

import cv2

from keras_mer.errors import UserError
from keras_mer.synthetic.recording import DrawnRecording, Event, draw_recording
from keras_mer.synthetic.store import (
    Progress,
    check_arguments,
    new_folder,
    save_image,
    save_table,
    save_tables,
    with_progress,
)

#: The table that `write_recordings` writes, and its columns.
TABLE = "recordings.csv"
COLUMNS = ("recording", "subject", "fps", "kind", "onset", "apex", "offset", "label")


def write_recordings(
    folder: str | os.PathLike,
    people: int = 6,
    seconds: float = 90.0,
    fps: float = 50.0,
    intensity: float = 0.5,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
    **look,
) -> list[DrawnRecording]:
    """Write one recording of each person as a video (Motion JPEG) and ``recordings.csv``.

    The table has a row per event of any kind (`recording.EVENTS`), frames counted from 0.

    Args:
        folder: created atomically, even when interrupted.
        people: number of people and recordings.
        seconds, fps, intensity, seed: as for `draw_recording`.
        progress: called as ``progress(done, total)`` after each recording.
        overwrite: replace a folder that is not empty.
        look: further arguments of `draw_recording`.

    Raises:
        UserError: for a folder that is not empty or a value out of range.
    """
    made = _plan(people, seconds, fps, intensity, seed, look)
    with new_folder(folder, overwrite) as root:
        for one in with_progress(made, progress):
            _write_video(root / f"{one.subject}.avi", one)
        with (root / TABLE).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for one in made:
                for e in one.events:
                    place = (f"{one.subject}.avi", one.subject, f"{fps:g}")
                    table.writerow((*place, e.kind, e.onset, e.apex, e.offset, e.label))
    return made


def _write_video(path: Path, recording: DrawnRecording) -> None:
    writer = None
    for frame in recording:
        if writer is None:
            size = frame.shape[1::-1]
            # OpenCV's own writer: the quality can be set, and the file is the same everywhere
            code = cv2.VideoWriter_fourcc(*"MJPG")
            writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, code, recording.fps, size)
            if not writer.isOpened():
                raise UserError(f"{path}: OpenCV cannot write this video")
            writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 95)
        writer.write(frame)
    writer.release()


def write_samm_long(
    folder: str | os.PathLike,
    people: int = 2,
    seconds: float = 10.0,
    fps: float = 200.0,
    intensity: float = 0.5,
    seed: int = 0,
    *,
    overwrite: bool = False,
    **look,
) -> list[DrawnRecording]:
    """Write SAMM Long Videos: ``006_1/006_1_0001.jpg``, gray, and its table, header in row 10.

    Arguments, result and errors as for `write_recordings`.
    """
    made = _plan(people, seconds, fps, intensity, seed, look)
    rows = []
    with new_folder(folder, overwrite) as root:
        for k, one in enumerate(made):
            subject = f"{k + 6:03d}"
            name = f"{subject}_1"
            _write_frames(root / name, one, lambda n, name=name: f"{name}_{n:04d}.jpg", gray=True)
            for turn, e in enumerate(_expressions(one), 1):
                word = "Micro - 1/2" if e.kind == "micro" else "Macro"
                times = (e.onset + 1, e.apex + 1, e.offset + 1)
                length = e.offset - e.onset + 1
                rows.append(
                    (k + 6, f"{name}_{turn}", 1, *times, length, word, "AU12", None)
                )  # fmt: skip
        header = (
            "Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type",
            "Action Units", "Notes",
        )  # fmt: skip
        notes = [("SAMM Long Videos",)] + [(f"Note {n}",) for n in range(2, 10)]
        save_table(root / "SAMM_LongVideos_V3_Release.xlsx", "FACS", [*notes, header, *rows])
    return made


def write_casme_squared(
    folder: str | os.PathLike,
    people: int = 2,
    seconds: float = 10.0,
    fps: float = 30.0,
    intensity: float = 0.5,
    seed: int = 0,
    *,
    overwrite: bool = False,
    **look,
) -> list[DrawnRecording]:
    """Write CAS(ME)^2: ``rawpic/s15/15_0101disgustingteeth/img1.jpg`` and a table of 3 sheets.

    Arguments, result and errors as for `write_recordings`.
    """
    made = _plan(people, seconds, fps, intensity, seed, look)
    words = {"happy": "positive", "surprise": "surprise"}
    rows, subjects = [], []
    with new_folder(folder, overwrite) as root:
        for k, one in enumerate(made):
            number = k + 15
            place = root / "rawpic" / f"s{number}" / f"{number}_0101disgustingteeth"
            _write_frames(place, one, lambda n: f"img{n}.jpg")
            subjects.append((number, f"s{number}", k + 1))
            for turn, e in enumerate(_expressions(one), 1):
                times = (e.onset + 1, e.apex + 1, e.offset + 1)
                emotion = words.get(e.label, "negative")
                rows.append(
                    (k + 1, f"disgust1_{turn}", *times, "4+7", emotion, f"{e.kind}-expression", "x")
                )
        sheets = {
            "CASFEcode_final": rows,
            "naming rule1": subjects,
            "naming rule2": [("0101", "disgust1"), ("0102", "disgust2")],
        }
        save_tables(root / "CAS(ME)^2code_final.xlsx", sheets)
    return made


def _plan(people, seconds, fps, intensity, seed, look) -> list[DrawnRecording]:
    check_arguments(people, people, look.get("size", 160), seed)
    return [
        draw_recording(number, seconds, fps, intensity, seed=seed, index=number, **look)
        for number in range(1, people + 1)
    ]


def _expressions(recording: DrawnRecording) -> list[Event]:
    return [e for e in recording.events if e.kind in ("micro", "macro")]


def _write_frames(folder: Path, recording: DrawnRecording, name, gray: bool = False) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(recording, 1):
        image = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if gray else frame
        save_image(folder / name(number), image)

"""Writers of long synthetic recordings: as videos with a table, and in published layouts.

The same seed gives the same frames and tables.
"""

import csv
import os
from pathlib import Path

import cv2

from keras_mer.errors import UserError
from keras_mer.synthetic.recording import DrawnRecording, draw_recording
from keras_mer.synthetic.store import (
    Progress,
    check_arguments,
    new_folder,
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
    check_arguments(people, people, look.get("size", 160), seed)
    made = [
        draw_recording(number, seconds, fps, intensity, seed=seed, index=number, **look)
        for number in range(1, people + 1)
    ]
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

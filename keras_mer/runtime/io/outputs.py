"""Outputs of a run: a log with one row per face and frame, and a recorded video."""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.runtime.pipeline import TrackedFace

LOG_SUFFIXES = (".csv", ".jsonl")
_CODES = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


class PredictionLog:
    """Log with one row per face: time, identity, box, detector, label, every class's probability.

    Rows are flushed after each frame, so that the file is complete whenever the program ends.

    Args:
        path: ends in ``.csv`` or ``.jsonl``; an existing file is replaced.
        classes: class names in the order of the model's outputs.
        detector: name of the face detector.

    Raises:
        UserError: for another suffix.
    """

    def __init__(self, path: str | os.PathLike, classes: Sequence[str], detector: str):
        self.path = Path(path)
        if self.path.suffix not in LOG_SUFFIXES:
            raise UserError(f"{path}: expected a log ending in .csv or .jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.detector = detector
        self.header = ["time", "frame", "face", "x", "y", "width", "height", "detector"]
        self.header += ["label", "confidence", *classes]
        self._file = self.path.open("w", newline="", encoding="utf-8")
        self._table = csv.writer(self._file) if self.path.suffix == ".csv" else None
        if self._table:
            self._table.writerow(self.header)

    def add(self, time: float, frame: int, faces: Iterable[TrackedFace]) -> None:
        """Write the faces of one frame; `time` is in seconds."""
        for face in faces:
            probabilities = [round(value, 5) for value in face.probabilities.values()]
            row = [round(time, 4), frame, face.id, *face.box, self.detector, face.label]
            row += [round(face.confidence, 5), *probabilities]
            if self._table:
                self._table.writerow(row)
            else:
                self._file.write(json.dumps(dict(zip(self.header, row, strict=True))) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Recorder:
    """Video writer that takes its size from the first frame.

    Args:
        path: ends in ``.mp4``, ``.avi`` or ``.mkv``.
        fps: frames per second of the written video.

    Raises:
        UserError: for another suffix, and at the first frame when OpenCV cannot write there.
    """

    def __init__(self, path: str | os.PathLike, fps: float):
        self.path, self.fps, self.frames = Path(path), fps, 0
        if self.path.suffix not in _CODES:
            raise UserError(f"{path}: expected a video ending in {', '.join(_CODES)}")
        self._writer: cv2.VideoWriter | None = None
        self._start: float | None = None

    def add(self, image: np.ndarray, time: float | None = None) -> None:
        """Write a frame; one of another size is fitted to the size of the first.

        Args:
            image: uint8 BGR.
            time: timestamp in seconds, for a live source, whose frames arrive unevenly: the frame
                is then repeated or left out, so that the video keeps the speed of the source.
        """
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # mp4's codec requires even sides.
            self._size = image.shape[1] // 2 * 2, image.shape[0] // 2 * 2
            code = cv2.VideoWriter_fourcc(*_CODES[self.path.suffix])
            self._writer = cv2.VideoWriter(str(self.path), code, self.fps, self._size)
            if not self._writer.isOpened():
                raise UserError(f"{self.path}: OpenCV cannot write a video there")
        if (image.shape[1], image.shape[0]) != self._size:
            image = _fit(image, self._size)
        times = 1
        if time is not None:
            self._start = time if self._start is None else self._start
            times = min(round((time - self._start) * self.fps) + 1 - self.frames, 10 * self.fps)
        for _ in range(round(times)):
            self._writer.write(image)
            self.frames += 1

    def close(self) -> None:
        """Finish the file; a player cannot open it otherwise."""
        if self._writer is not None:
            self._writer.release()


def _fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Crop by at most a pixel, or scale the image to fit into the size, with black borders."""
    if 0 <= image.shape[1] - size[0] <= 1 and 0 <= image.shape[0] - size[1] <= 1:
        return np.ascontiguousarray(image[: size[1], : size[0]])
    scale = min(size[0] / image.shape[1], size[1] / image.shape[0])
    inner = max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale))
    out = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    out[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner)
    return out

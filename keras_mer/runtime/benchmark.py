"""What the live pipeline costs: time a frame by part, age of the shown picture, memory."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.runtime.io.video import Frame
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.recogniser import Recogniser
from keras_mer.runtime.ui.live import Live, Summary

PARTS = ("detect", "track", "crop", "model", "overlay")
_WARM = 50  # frames before the clock counts


@dataclass(frozen=True)
class Timing:
    """Milliseconds a frame.

    Attributes:
        parts: (frames,) for each of `PARTS` and for ``"whole"``.
        seen: share of the frames with a face.
    """

    parts: dict[str, np.ndarray]
    seen: float

    @property
    def rate(self) -> float:
        """Frames a second."""
        return 1000 / float(self.parts["whole"].mean())

    def table(self) -> str:
        """A Markdown table: median, 99th percentile, mean, share of the whole."""
        lines = [
            "| part | median ms | p99 ms | mean ms | share |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        whole = self.parts["whole"].mean()
        for name, values in self.parts.items():
            median, high = np.percentile(values, [50, 99])
            mean = values.mean()
            lines.append(
                f"| {name} | {median:.2f} | {high:.2f} | {mean:.2f} | {mean / whole:.0%} |"
            )
        return "\n".join(lines)


class SimulatedCamera:
    """Frames at a fixed rate, whoever takes them.

    Args:
        frames: they are played there and back again.
        fps: frames a second.
        count: after how many it ends.
    """

    live, name, fault, expected = True, "simulated camera", None, 0

    def __init__(self, frames: Sequence[np.ndarray], fps: float, count: int):
        self.fps, self._frames = fps, walk(frames, count)
        self._start = time.monotonic()

    def read(self) -> Frame | None:
        """The next frame at its moment; None at the end."""
        for number, image in self._frames:
            time.sleep(max(0.0, self._start + number / self.fps - time.monotonic()))
            return Frame(image.copy(), number, number / self.fps, time.monotonic())
        return None

    def close(self) -> None:
        """Nothing is held open."""


class BlindWindow:
    """Takes frames like a window and shows none, so that no display's speed is measured."""

    def show(self, image: np.ndarray, wait: float = 0.0) -> None:
        """Take a frame; no key is ever pressed."""

    def close(self) -> None:
        """Nothing is held open."""


def one_core() -> None:
    """Keep this process on one core (Linux) and OpenCV on one thread."""
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def walk(frames: Sequence[np.ndarray], count: int) -> Iterator[tuple[int, np.ndarray]]:
    """`count` numbered frames, there and back again, so that the face never jumps."""
    road = [*frames, *frames[-2:0:-1]]
    return ((number, road[number % len(road)]) for number in range(count))


def time_parts(recogniser: Recogniser, frames: Sequence[np.ndarray], count: int) -> Timing:
    """Time each part of the pipeline, drawing included, over `count` frames."""
    pipeline = Pipeline(recogniser)
    live = Live(pipeline, SimulatedCamera(frames, 30, 0))
    rows, seen = [], 0
    for number, image in walk(frames, count + _WARM):
        started = time.perf_counter()
        faces = pipeline.process(image, number / 30)
        found = time.perf_counter()
        live.compose(image, faces, number / 30)
        ended = time.perf_counter()
        if number >= _WARM:
            seen += bool(faces)
            parts = [pipeline.seconds[name] for name in PARTS[:-1]]
            rows.append([*parts, ended - found, ended - started])
    columns = 1000 * np.array(rows).T
    return Timing(dict(zip((*PARTS, "whole"), columns, strict=True)), seen / count)


def measure_age(
    recogniser: Recogniser, frames: Sequence[np.ndarray], fps: float = 30, seconds: float = 10
) -> Summary:
    """Run live on a simulated camera; the summary says how old the frames are when shown."""
    camera = SimulatedCamera(frames, fps, round(fps * seconds))
    return Live(Pipeline(recogniser), camera, window=BlindWindow()).run()


def leak_check(
    recogniser: Recogniser, frames: Sequence[np.ndarray], count: int
) -> tuple[float, float]:
    """Resident memory in MB after a fifth of `count` frames and after all of them."""
    pipeline = Pipeline(recogniser)
    live = Live(pipeline, SimulatedCamera(frames, 30, 0))
    early = resident()
    for number, image in walk(frames, count):
        live.compose(image, pipeline.process(image, number / 30), number / 30)
        if number == count // 5:
            early = resident()
    return early, resident()


def resident() -> float:
    """Resident memory of this process in MB.

    Raises:
        UserError: where there is no /proc.
    """
    statm = Path("/proc/self/statm")
    if not statm.exists():
        raise UserError("the memory check reads /proc/self/statm, which only Linux has")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

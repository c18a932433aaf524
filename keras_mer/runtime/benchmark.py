"""Benchmark of the live pipeline: time per frame and step, latency, and memory."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.runtime.io.frame_reader import Frame
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.recogniser import Recogniser
from keras_mer.runtime.ui.live import Live, Summary

PARTS = ("detect", "crop", "model", "overlay")
_WARM_UP = 50  # frames that are not timed


@dataclass(frozen=True)
class Timing:
    """Processing time per frame in milliseconds.

    Attributes:
        parts: (frames,) for each of `PARTS` and for ``"whole"``.
        face_rate: fraction of the frames with a face.
    """

    parts: dict[str, np.ndarray]
    face_rate: float

    @property
    def fps(self) -> float:
        """Frames per second."""
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
    """Source that yields frames at a fixed rate, like a camera.

    Args:
        frames: played forward and backward in turn.
        fps: frames per second.
        count: number of frames after which it ends.
    """

    live, name, fault, expected = True, "simulated camera", None, 0

    def __init__(self, frames: Sequence[np.ndarray], fps: float, count: int):
        self.fps, self._frames = fps, ping_pong(frames, count)
        self._start = time.monotonic()

    def read(self) -> Frame | None:
        """The next frame when it is due; None at the end."""
        for number, image in self._frames:
            time.sleep(max(0.0, self._start + number / self.fps - time.monotonic()))
            return Frame(image.copy(), number, number / self.fps, time.monotonic())
        return None

    def close(self) -> None:
        """Do nothing: no resource is open."""


class NullWindow:
    """Window that shows nothing, so that the speed of the display is not measured."""

    def show(self, image: np.ndarray, wait: float = 0.0) -> None:
        """Ignore the frame; no key is ever pressed."""

    def close(self) -> None:
        """Do nothing: no window is open."""


def use_one_core() -> None:
    """Keep this process on one core (Linux) and OpenCV on one thread."""
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def ping_pong(frames: Sequence[np.ndarray], count: int) -> Iterator[tuple[int, np.ndarray]]:
    """`count` numbered frames, forward and backward in turn, so that motion is continuous."""
    cycle = [*frames, *frames[-2:0:-1]]
    return ((number, cycle[number % len(cycle)]) for number in range(count))


def time_parts(recogniser: Recogniser, frames: Sequence[np.ndarray], count: int) -> Timing:
    """Time each step of the pipeline, including drawing, over `count` frames."""
    pipeline = Pipeline(recogniser)
    live = Live(pipeline, SimulatedCamera(frames, 30, 0))
    rows, with_face = [], 0
    for number, image in ping_pong(frames, count + _WARM_UP):
        started = time.perf_counter()
        faces = pipeline.process(image, number / 30)
        processed = time.perf_counter()
        live.compose(image, faces, number / 30)
        ended = time.perf_counter()
        if number >= _WARM_UP:
            with_face += bool(faces)
            parts = [pipeline.seconds[name] for name in PARTS[:-1]]
            rows.append([*parts, ended - processed, ended - started])
    columns = 1000 * np.array(rows).T
    return Timing(dict(zip((*PARTS, "whole"), columns, strict=True)), with_face / count)


def measure_latency(
    recogniser: Recogniser, frames: Sequence[np.ndarray], fps: float = 30, seconds: float = 10
) -> Summary:
    """Run on a simulated camera; the summary states the age of the frames when they are shown."""
    camera = SimulatedCamera(frames, fps, round(fps * seconds))
    return Live(Pipeline(recogniser), camera, window=NullWindow()).run()


def measure_memory(
    recogniser: Recogniser, frames: Sequence[np.ndarray], count: int
) -> tuple[float, float]:
    """Resident memory in MB after a fifth of `count` frames and after all of them."""
    pipeline = Pipeline(recogniser)
    live = Live(pipeline, SimulatedCamera(frames, 30, 0))
    early = resident_memory()
    for number, image in ping_pong(frames, count):
        live.compose(image, pipeline.process(image, number / 30), number / 30)
        if number == count // 5:
            early = resident_memory()
    return early, resident_memory()


def resident_memory() -> float:
    """Resident memory of this process in MB.

    Raises:
        UserError: on systems without /proc.
    """
    statm = Path("/proc/self/statm")
    if not statm.exists():
        raise UserError("the memory check reads /proc/self/statm, which only Linux has")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

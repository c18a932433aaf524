"""Measure the live pipeline on one core: time per frame and step, latency, memory."""

import argparse

import cv2
import numpy as np

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detection import VIDEO_SIDE
from keras_mer.runtime import benchmark
from keras_mer.runtime.interpreter import ENGINES, load_engine
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.options import add_model_options, load_recogniser
from keras_mer.synthetic import draw_photo

WIDTH, HEIGHT = 640, 480


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="640x480, one face; a Markdown table for each installed "
        "interpreter. Other load on the machine makes every value worse.",
    )
    parser.add_argument("--video", help="a video with one face (default: a moving synthetic face)")
    parser.add_argument("--frames", type=int, default=1000, help="frames timed (default: 1000)")
    parser.add_argument(
        "--seconds", type=float, default=10, help="length of the latency measurement (default: 10)"
    )
    parser.add_argument(
        "--memory-frames",
        type=int,
        default=10_000,
        help="frames of the memory check; 0 leaves it out (default: 10000)",
    )
    add_model_options(parser)
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    benchmark.use_one_core()
    frames = read_frames(options.video) if options.video else draw_frames()
    for engine in [options.engine] if options.engine else installed():
        options.engine = engine
        recogniser = load_recogniser(options, VIDEO_SIDE)
        print(f"\n{recogniser.model.path.name}, {engine}, {recogniser.detector_name}, one core:\n")
        timing = benchmark.time_parts(recogniser, frames, options.frames)
        print(timing.table())
        print(
            f"\n{timing.fps:.0f} frames per second; a face in {timing.face_rate:.1%} of the frames."
        )
        run = benchmark.measure_latency(recogniser, frames, 30, options.seconds)
        print(
            f"Latency with a camera of 30 frames per second: median {run.latency * 1000:.1f} ms "
            f"({run.latency * 30:.2f} frames), 99th percentile {run.latency_p99 * 1000:.1f} ms; "
            f"{run.dropped} of {run.frames + run.dropped} frames dropped."
        )
        if options.memory_frames:
            early, late = benchmark.measure_memory(recogniser, frames, options.memory_frames)
            print(
                f"Memory: {early:.1f} MB after {options.memory_frames // 5} frames, {late:.1f} MB "
                f"after {options.memory_frames}."
            )


def installed() -> list[str]:
    """The installed interpreters; TensorFlow's own only where there is no other."""
    found = []
    for name in ENGINES:
        if name == "tensorflow" and found:
            break
        try:
            found.append(load_engine(name)[0])
        except UserError:
            continue
    return found


def draw_frames() -> list[np.ndarray]:
    """Five seconds of a synthetic face that moves."""
    photo = draw_photo(["happy"], WIDTH + 80, HEIGHT + 60).image
    turns = np.linspace(0, 2 * np.pi, 150)
    corners = [(round(40 + 40 * np.sin(t)), round(30 + 30 * np.sin(2 * t))) for t in turns]
    return [photo[y : y + HEIGHT, x : x + WIDTH].copy() for x, y in corners]


def read_frames(video: str) -> list[np.ndarray]:
    """A video's first 300 frames, resized to fit into 640x480."""
    source, frames = open_source(video), []
    while len(frames) < 300 and (frame := source.read()) is not None:
        scale = min(WIDTH / frame.image.shape[1], HEIGHT / frame.image.shape[0])
        small = cv2.resize(frame.image, None, fx=scale, fy=scale)
        canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small[:HEIGHT, :WIDTH]
        frames.append(canvas)
    source.close()
    return frames


if __name__ == "__main__":
    run_script(main)

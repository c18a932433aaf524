"""Recognize expressions live: from a camera, a video file, a folder of images or a stream."""

import argparse
import signal
import sys
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detection import VIDEO_SIDE
from keras_mer.runtime.face_spotting import FaceSpotter
from keras_mer.runtime.io.outputs import PredictionLog, Recorder
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.options import (
    add_micro_option,
    add_model_options,
    load_micro,
    load_recogniser,
)
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.spotting import Spotter
from keras_mer.runtime.ui.live import Live
from keras_mer.runtime.ui.window import Window


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Keys in the window: q or Esc ends, s saves the frame, r starts and stops a "
        "recording. Exit status: 0 at a regular end and after Ctrl-C, 1 when the source failed, "
        "2 for invalid input.",
    )
    parser.add_argument(
        "--source",
        default="0",
        help="camera number, video file, image or folder of images, or an address such as "
        "rtsp://... (default: 0)",
    )
    parser.add_argument(
        "--as-camera",
        action="store_true",
        help="play a file in real time and repeatedly, dropping frames like a camera",
    )
    parser.add_argument("--no-display", action="store_true", help="open no window")
    parser.add_argument("--output", metavar="FILE", help="record what is shown: .mp4, .avi, .mkv")
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="write time, face, box and probabilities, one row per face: .csv or .jsonl",
    )
    parser.add_argument(
        "--folder",
        default="captures",
        help="folder for the files of the keys s and r (default: captures)",
    )
    parser.add_argument(
        "--smoothing",
        type=float,
        default=0.4,
        metavar="SECONDS",
        help="half-life of the moving average of a face's probabilities; 0 disables smoothing "
        "(default: 0.4)",
    )
    parser.add_argument(
        "--detect-side",
        type=int,
        default=VIDEO_SIDE,
        metavar="PIXELS",
        help="approximate longest side to which frames are scaled for detection (default: 320); a "
        "larger value finds smaller faces and takes longer",
    )
    parser.add_argument(
        "--strip",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="time span of the probability strip under the image; 0 hides it (default: 10)",
    )
    add_model_options(parser)
    add_micro_option(parser)
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    if options.smoothing < 0 or options.strip < 0:
        raise UserError("--smoothing and --strip take 0 or more seconds")
    # SIGTERM ends like Ctrl-C; SIGINT is set too, since background shells ignore it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    recogniser = load_recogniser(options, options.detect_side)
    window = None if options.no_display else Window("keras_mer")
    source = open_source(options.source, as_camera=options.as_camera, log=log)
    micro = load_micro(options, recogniser.detector)
    # a file is searched frame by frame, a camera does not wait
    brief = FaceSpotter(Spotter(micro), background=source.live) if micro else None
    predictions = None
    if options.log:
        predictions = PredictionLog(options.log, recogniser.classes, recogniser.detector_name)
    output = Recorder(options.output, source.fps or 25.0) if options.output else None
    log(
        f"{source.name}: {recogniser.model.path} with {recogniser.model.engine}, faces by "
        f"{recogniser.detector_name}"
    )
    live = Live(
        Pipeline(recogniser, options.smoothing),
        source,
        window=window,
        predictions=predictions,
        output=output,
        folder=Path(options.folder),
        span=options.strip,
        brief=brief,
        log=log,
    )
    summary = live.run()
    print(summary)
    if summary.fault:
        print(f"error: {summary.fault}", file=sys.stderr)
        return 1
    return 0


def log(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    run_script(main)

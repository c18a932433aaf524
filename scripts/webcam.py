"""Recognise expressions live: from a camera, a video file, a folder of images or a stream."""

import argparse
import signal
import sys
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detect import VIDEO_SIDE
from keras_mer.runtime.io.outputs import Log, Recorder
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.options import add_model_options, load_recogniser
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.ui.live import Live
from keras_mer.runtime.ui.window import Window


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Keys in the window: q or Esc ends, s saves the frame, r starts and stops a "
        "recording. Status: 0 at a regular end and after Ctrl-C, 1 when the source died, 2 for "
        "bad input.",
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
        help="play a file at its own pace, over and over, dropping frames like a camera does",
    )
    parser.add_argument("--no-display", action="store_true", help="open no window")
    parser.add_argument("--output", metavar="FILE", help="record what is shown: .mp4, .avi, .mkv")
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="write time, face, box and every probability, a row a face: .csv or .jsonl",
    )
    parser.add_argument(
        "--folder",
        default="captures",
        help="where the keys s and r put their files (default: captures)",
    )
    parser.add_argument(
        "--smoothing",
        type=float,
        default=0.4,
        metavar="SECONDS",
        help="half-life of the mean over a face's probabilities; 0 shows each frame's own "
        "(default: 0.4)",
    )
    parser.add_argument(
        "--detect-every",
        type=int,
        default=5,
        metavar="N",
        help="search for faces in every N-th frame and track them in between (default: 5)",
    )
    parser.add_argument(
        "--detect-side",
        type=int,
        default=VIDEO_SIDE,
        metavar="PIXELS",
        help="about the longest side of the copy that is searched (default: 320); more finds "
        "smaller faces and takes longer",
    )
    parser.add_argument(
        "--strip",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how much the strip under the picture shows; 0 leaves it out (default: 10)",
    )
    add_model_options(parser)
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    if options.smoothing < 0 or options.strip < 0 or options.detect_every < 1:
        raise UserError("--smoothing and --strip take 0 or more, --detect-every 1 or more")
    # A service manager's polite end is the same as Ctrl-C, which a shell in the background ignores.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    recogniser = load_recogniser(options, options.detect_side)
    window = None if options.no_display else Window("keras_mer")
    source = open_source(options.source, as_camera=options.as_camera, say=say)
    log = Log(options.log, recogniser.classes) if options.log else None
    output = Recorder(options.output, source.fps or 25.0) if options.output else None
    say(f"{source.name}: {recogniser.model.path} with {recogniser.model.engine}")
    live = Live(
        Pipeline(recogniser, options.detect_every, options.smoothing),
        source,
        window=window,
        log=log,
        output=output,
        folder=Path(options.folder),
        span=options.strip,
        say=say,
    )
    summary = live.run()
    print(summary)
    if summary.fault:
        print(f"error: {summary.fault}", file=sys.stderr)
        return 1
    return 0


def say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    run_script(main)

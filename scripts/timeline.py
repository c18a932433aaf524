"""Draw a video's expressions over time as a PNG, with the moments of change, and a CSV.

With a model that reads clips or flow: its brief expressions, each with onset, apex and offset.
"""

import argparse
import sys
import time
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detect import VIDEO_SIDE
from keras_mer.runtime import timeline
from keras_mer.runtime.io.clip_reader import open_film
from keras_mer.runtime.io.outputs import Log
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.options import add_model_options, load_recogniser
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.spotting import AGREEMENT, Moments, row, write_csv


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", help="a video file, or a folder of images")
    parser.add_argument(
        "--png", metavar="FILE", help="the picture (default: VIDEO's name and -timeline.png)"
    )
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="a row a frame and face, .csv or .jsonl (default: VIDEO's name and -timeline.csv)",
    )
    parser.add_argument(
        "--smoothing", type=float, default=0.4, metavar="SECONDS", help="half-life (default: 0.4)"
    )
    parser.add_argument(
        "--hold",
        type=float,
        default=0.4,
        metavar="SECONDS",
        help="how long an expression must stay to count as a change (default: 0.4)",
    )
    parser.add_argument(
        "--detect-every",
        type=int,
        default=3,
        metavar="N",
        help="search for faces in every N-th frame (default: 3)",
    )
    parser.add_argument(
        "--agreement",
        type=float,
        default=AGREEMENT,
        help="of a clip model: how well a face must come back to count (default: %(default)s)",
    )
    parser.add_argument(
        "--fps", type=float, help="of a clip model: frames a second, whatever the video says"
    )
    parser.add_argument(
        "--no-detect", action="store_true", help="of a clip model: frames already are faces"
    )
    add_model_options(parser)
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    if options.smoothing < 0 or options.hold < 0:
        raise UserError("--smoothing and --hold take 0 seconds or more")
    if options.video.isdigit() or "://" in options.video:
        raise UserError(f"{options.video}: a timeline needs a file; use webcam.py --log for others")
    recogniser = load_recogniser(options, VIDEO_SIDE)
    if recogniser.card.task != "image":
        return of_moments(options)
    source = open_source(options.video, say=lambda line: print(line, file=sys.stderr))
    stem = Path(options.video).stem
    png = Path(options.png or f"{stem}-timeline.png")
    log = Log(options.csv or f"{stem}-timeline.csv", recogniser.classes)
    pipeline = Pipeline(recogniser, options.detect_every, options.smoothing)
    try:
        courses, end = timeline.analyse(source, pipeline, log, progress=Progress(source.expected))
    finally:
        log.close()
    picture, changes = timeline.draw(
        courses, recogniser.classes, end, Path(options.video).name, options.smoothing, options.hold
    )
    timeline.write(png, picture)
    for identity, moments in changes.items():
        print(f"face {identity}:")
        for change in moments:
            print(f"  {change.time:8.2f} s  {change.before} -> {change.after}")
    print(f"wrote {png} and {log.path}")
    if source.fault:
        print(f"error: {source.fault}", file=sys.stderr)
        return 1
    return 0


def of_moments(options: argparse.Namespace) -> int:
    """Draw and list a recording's brief expressions."""
    recogniser = load_recogniser(options)
    reader = Moments(recogniser, agreement=options.agreement, cropped=options.no_detect)
    recording = open_film(options.video, options.fps)
    stem = Path(options.video).stem
    png = Path(options.png or f"{stem}-timeline.png")
    table = Path(options.csv or f"{stem}-timeline.csv")
    progress, count = Progress(recording.expected), 0

    def counted():
        nonlocal count
        for count, image in enumerate(recording, 1):
            yield image
            progress(count)

    moments = reader.search(counted(), recording.fps)
    many = f"{len(moments)} brief expression{'s' * (len(moments) != 1)}"
    title = f"{Path(options.video).name}: {many}"
    timeline.write(png, timeline.draw_moments(moments, recording.fps, count / recording.fps, title))
    rows = [row(moment, recording) for moment in moments]
    write_csv(table, rows)
    for one in rows:
        times = ", ".join(f"{name} {one[name]:.2f} s" for name in ("onset", "apex", "offset"))
        print(
            f"  {one['label']} {one['confidence']:.0%}: {times}, agreement {one['agreement']:.2f}"
        )
    if reader.blind:
        print(f"no face in {reader.blind} of {count} frames", file=sys.stderr)
    print(f"{many}; wrote {png} and {table}")
    if recording.fault:
        print(f"error: {recording.fault}", file=sys.stderr)
        return 1
    return 0


class Progress:
    """Frames done and time left, on one line of a terminal."""

    def __init__(self, total: int):
        self.total, self.started = total, time.monotonic()
        self.live = sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        if not self.live or (done % 25 and done != self.total):
            return
        passed = time.monotonic() - self.started
        left = passed / done * max(self.total - done, 0)
        end = "\n" if done == self.total else ""
        line = f"\r{done} of {self.total or '?'} frames, {left:.0f} s left   "
        print(line, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_script(main)

"""Draw the expressions of a video over time as a PNG, with their changes, and write a CSV.

With a clip or flow model: the spotted brief expressions, each with onset, apex and offset.
"""

import argparse
import sys
import time
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detection import VIDEO_SIDE
from keras_mer.runtime import timeline
from keras_mer.runtime.io.clip_reader import open_clip
from keras_mer.runtime.io.outputs import PredictionLog
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.options import add_model_options, load_recogniser
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.spotting import AGREEMENT, Spotter, interval_row, write_csv


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", help="a video file, or a folder of images")
    parser.add_argument(
        "--png", metavar="FILE", help="the picture (default: VIDEO's name and -timeline.png)"
    )
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="one row per frame and face, .csv or .jsonl (default: VIDEO's name and -timeline.csv)",
    )
    parser.add_argument(
        "--smoothing", type=float, default=0.4, metavar="SECONDS", help="half-life (default: 0.4)"
    )
    parser.add_argument(
        "--hold",
        type=float,
        default=0.4,
        metavar="SECONDS",
        help="how long an expression must last to count as a change (default: 0.4)",
    )
    parser.add_argument(
        "--agreement",
        type=float,
        default=AGREEMENT,
        help="for a clip or flow model: least cosine similarity of the rise to the apex and the "
        "return, up to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        help="for a clip or flow model: frames per second, overriding the video's",
    )
    parser.add_argument(
        "--no-detect", action="store_true", help="for a clip or flow model: frames are face crops"
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
        return draw_intervals(options)
    source = open_source(options.video, log=lambda line: print(line, file=sys.stderr))
    stem = Path(options.video).stem
    png = Path(options.png or f"{stem}-timeline.png")
    table = options.csv or f"{stem}-timeline.csv"
    log = PredictionLog(table, recogniser.classes, recogniser.detector_name)
    pipeline = Pipeline(recogniser, options.smoothing)
    try:
        tracks, end = timeline.analyze(source, pipeline, log, progress=Progress(source.expected))
    finally:
        log.close()
    picture, changes = timeline.draw(
        tracks,
        recogniser.classes,
        end,
        f"{Path(options.video).name}, faces by {recogniser.detector_name}",
        options.smoothing,
        options.hold,
    )
    timeline.write(png, picture)
    for identity, face_changes in changes.items():
        print(f"face {identity}:")
        for change in face_changes:
            print(f"  {change.time:8.2f} s  {change.before} -> {change.after}")
    print(f"wrote {png} and {log.path}")
    if source.fault:
        print(f"error: {source.fault}", file=sys.stderr)
        return 1
    return 0


def draw_intervals(options: argparse.Namespace) -> int:
    """Spot, draw and list the brief expressions of a clip."""
    recogniser = load_recogniser(options)
    spotter = Spotter(recogniser, agreement=options.agreement, cropped=options.no_detect)
    clip = open_clip(options.video, options.fps)
    stem = Path(options.video).stem
    png = Path(options.png or f"{stem}-timeline.png")
    table = Path(options.csv or f"{stem}-timeline.csv")
    progress, count = Progress(clip.expected), 0

    def counted():
        nonlocal count
        for count, image in enumerate(clip, 1):
            yield image
            progress(count)

    intervals = spotter.spot(counted(), clip.fps)
    found = f"{len(intervals)} brief expression{'s' * (len(intervals) != 1)}"
    title = f"{Path(options.video).name}, faces by {recogniser.detector_name}: {found}"
    timeline.write(png, timeline.draw_intervals(intervals, clip.fps, count / clip.fps, title))
    rows = [interval_row(interval, clip, recogniser.detector_name) for interval in intervals]
    write_csv(table, rows)
    for row in rows:
        times = ", ".join(f"{name} {row[name]:.2f} s" for name in ("onset", "apex", "offset"))
        print(
            f"  {row['label']} {row['confidence']:.0%}: {times}, agreement {row['agreement']:.2f}"
        )
    if spotter.frames_without_face:
        print(f"no face in {spotter.frames_without_face} of {count} frames", file=sys.stderr)
    print(f"{found}; wrote {png} and {table}")
    if clip.fault:
        print(f"error: {clip.fault}", file=sys.stderr)
        return 1
    return 0


class Progress:
    """Progress callback that shows frames done and time left on one line of a terminal."""

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

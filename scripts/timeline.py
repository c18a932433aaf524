"""Draw the expressions of a video over time as a PNG, with their changes, and write a CSV.

Brief expressions are spotted by a second model, --micro, and drawn below; with a clip or flow model
as --model, they alone are drawn, each with onset, apex and offset. Every face is followed.
"""

import argparse
import sys
import time
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detection import VIDEO_SIDE
from keras_mer.images import convert
from keras_mer.runtime import interval_plot, timeline
from keras_mer.runtime.face_spotting import FaceSpotter, SpottedInterval
from keras_mer.runtime.io.clip_reader import ClipReader, open_clip
from keras_mer.runtime.io.outputs import PredictionLog
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.options import (
    add_micro_option,
    add_model_options,
    load_micro,
    load_recogniser,
)
from keras_mer.runtime.pipeline import FaceFollower, Pipeline
from keras_mer.runtime.recogniser import Recogniser
from keras_mer.runtime.spotting import AGREEMENT, Spotter, interval_row, write_csv

#: Searches for faces in a second of a clip, whose frames may come much faster.
SEARCHES = 25


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
        help="of brief expressions: least cosine similarity of the rise to the apex and the "
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
    add_micro_option(parser)
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    if options.smoothing < 0 or options.hold < 0:
        raise UserError("--smoothing and --hold take 0 seconds or more")
    if options.video.isdigit() or "://" in options.video:
        raise UserError(f"{options.video}: a timeline needs a file; use webcam.py --log for others")
    recogniser = load_recogniser(options, VIDEO_SIDE)
    if recogniser.card.task != "image":
        return draw_intervals(options, recogniser)
    source = open_source(options.video, log=lambda line: print(line, file=sys.stderr))
    stem = Path(options.video).stem
    png = Path(options.png or f"{stem}-timeline.png")
    table = options.csv or f"{stem}-timeline.csv"
    log = PredictionLog(table, recogniser.classes, recogniser.detector_name)
    pipeline = Pipeline(recogniser, options.smoothing)
    # a slide show has no motion in it
    micro = load_micro(options, recogniser.detector) if Path(options.video).is_file() else None
    spotter = FaceSpotter(Spotter(micro, agreement=options.agreement)) if micro else None
    try:
        tracks, end = timeline.analyze(
            source, pipeline, log, progress=Progress(source.expected), spotter=spotter
        )
    finally:
        log.close()
    picture, changes = timeline.draw(
        tracks,
        recogniser.classes,
        end,
        f"{Path(options.video).name}, faces by {recogniser.detector_name}",
        options.smoothing,
        options.hold,
        brief=spotter.found if spotter else None,
    )
    timeline.write(png, picture)
    for identity, face_changes in changes.items():
        print(f"face {identity}:")
        for change in face_changes:
            print(f"  {change.time:8.2f} s  {change.before} -> {change.after}")
    written = f"{png} and {log.path}"
    if spotter:
        brief = Path(table).with_name(f"{Path(table).stem}-brief.csv")
        clip = open_clip(options.video, options.fps)
        write_csv(brief, [brief_row(one, clip, micro.detector_name) for one in spotter.found])
        print(f"brief expressions by {micro.card.name}: {len(spotter.found)}")
        print_brief(spotter.found)
        written = f"{png}, {log.path} and {brief}"
    print(f"wrote {written}")
    if source.fault:
        print(f"error: {source.fault}", file=sys.stderr)
        return 1
    return 0


def draw_intervals(options: argparse.Namespace, recogniser: Recogniser) -> int:
    """Spot, draw and list the brief expressions of every face of a clip."""
    clip = open_clip(options.video, options.fps)
    spotter = Spotter(recogniser, agreement=options.agreement, cropped=options.no_detect)
    stem = Path(options.video).stem
    png = Path(options.png or f"{stem}-timeline.png")
    table = Path(options.csv or f"{stem}-timeline.csv")
    found, count, without_face = spot(clip, spotter)
    words = f"{len(found)} brief expression{'s' * (len(found) != 1)}"
    title = f"{Path(options.video).name}, faces by {recogniser.detector_name}: {words}"
    timeline.write(png, interval_plot.draw_intervals(found, count / clip.fps, title))
    write_csv(table, [brief_row(one, clip, recogniser.detector_name) for one in found])
    print_brief(found)
    if without_face:
        print(f"no face in {without_face} of {count} frames", file=sys.stderr)
    print(f"{words}; wrote {png} and {table}")
    if clip.fault:
        print(f"error: {clip.fault}", file=sys.stderr)
        return 1
    return 0


def spot(clip: ClipReader, spotter: Spotter) -> tuple[list[SpottedInterval], int, int]:
    """The brief expressions of a clip, its number of frames, and of those without a face.

    A clip of face crops shows one face, which no detector need find.
    """
    progress, count, without_face = Progress(clip.expected), 0, 0
    if spotter.cropped:
        frames = list(clip)
        found = [
            SpottedInterval(
                1, one.onset / clip.fps, one.apex / clip.fps, one.offset / clip.fps, one
            )
            for one in spotter.spot(frames, clip.fps)
        ]
        return found, len(frames), 0
    faces, follower = FaceSpotter(spotter), FaceFollower(spotter.recogniser.detector)
    every = max(1, round(clip.fps / SEARCHES))
    for count, image in enumerate(clip, 1):
        if (count - 1) % every == 0:
            tracks = follower.update(convert(image, 3), (count - 1) / clip.fps)
        without_face += not tracks
        faces.add(image, (count - 1) / clip.fps, [(t.id, t.detection) for t in tracks])
        progress(count)
    faces.finish()
    return faces.found, count, without_face


def brief_row(one: SpottedInterval, clip: ClipReader, detector: str) -> dict[str, object]:
    """A brief expression as a table row, with the number of its face."""
    return {"face": one.face} | interval_row(one.interval, clip, detector)


def print_brief(found: list[SpottedInterval]) -> None:
    for one in found:
        m = one.interval
        times = f"onset {one.onset:.2f} s, apex {one.apex:.2f} s, offset {one.offset:.2f} s"
        print(
            f"  face {one.face}: {m.expression.label} {m.expression.confidence:.0%}: {times}, "
            f"agreement {m.agreement:.2f}, motion {m.amplitude:.2%} of the face's width"
        )


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

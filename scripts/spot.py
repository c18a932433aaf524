"""Score spotting on long recordings with annotated intervals: precision, recall, F1.

A spotted interval is right when its IoU with an annotated micro-expression is 0.5 or more; one on a
longer expression is a false alarm. With a model, also the score of spot-then-recognize.
"""

import argparse
import sys
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detect import DETECTORS
from keras_mer.runtime.spotting import AGREEMENT


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data",
        nargs="?",
        help="folder with recordings.csv, SAMM Long Videos or CAS(ME)^2; without it, recordings "
        "are drawn",
    )
    parser.add_argument("--model", help="clip or flow model that names what is spotted")
    parser.add_argument(
        "--out", default="runs/spot", metavar="FOLDER", help="of scores and intervals (%(default)s)"
    )
    parser.add_argument(
        "--agreement", type=float, default=AGREEMENT, help="see timeline.py (default: %(default)s)"
    )
    parser.add_argument(
        "--detector", choices=DETECTORS, default="auto", help="face detector (default: auto)"
    )
    parser.add_argument("--detector-model", metavar="PATH", help="its file, if it is elsewhere")
    parser.add_argument("--no-detect", action="store_true", help="frames are face crops")
    drawn = parser.add_argument_group("drawn recordings, without a folder")
    drawn.add_argument("--people", type=int, default=6, help="one recording each (%(default)s)")
    drawn.add_argument("--seconds", type=float, default=60.0, help="of each (%(default)s)")
    drawn.add_argument("--intensity", type=float, default=0.5, help="0 to 1 (%(default)s)")
    drawn.add_argument("--seed", type=int, default=9, help="of the drawing (%(default)s)")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    from keras_mer.data.sources import long_recordings
    from keras_mer.evaluation import report, spot_report, spotting
    from keras_mer.face.detect import make_detector
    from keras_mer.runtime.recogniser import Recogniser
    from keras_mer.runtime.spotting import Spotter

    recordings = long_recordings.load(options.data or draw(options))
    detector = {"detector": options.detector, "detector_model": options.detector_model}
    recogniser = Recogniser.load(options.model, **detector) if options.model else None
    spotter = Spotter(
        recogniser,
        agreement=options.agreement,
        cropped=options.no_detect,
        detector=None if recogniser else make_detector(options.detector, options.detector_model),
    )
    outcomes, minutes = [], {}
    for number, recording in enumerate(recordings, 1):
        for note in recording.notes:
            print(note, file=sys.stderr)
        try:
            found, minutes[recording.name] = spot_report.run(recording, spotter)
        except UserError as error:
            print(f"skipped {recording.name}: {error}", file=sys.stderr)
            continue
        outcomes += found
        print(f"{number} of {len(recordings)}: {recording.name}", file=sys.stderr)
    recordings = [r for r in recordings if r.name in minutes]
    if not recordings:
        raise UserError("none of the recordings could be read")
    classes = recogniser.classes if recogniser else ()
    result = spot_report.summary(outcomes, recordings, minutes, classes)
    print(report.table(["recording", "minutes", "annotated", "found", "missed", "false"],
                       spot_report.rows(outcomes, recordings, minutes)))  # fmt: skip
    for name, (value, low, high) in result["scores"].items():
        title = spotting.TITLES[name]
        print(
            f"{title}: not defined"
            if value is None
            else f"{title}: {value:.3f} [{low:.2f}, {high:.2f}]"
        )
    alarms = ", ".join(f"{kind} {n}" for kind, n in result["false_alarms"].items()) or "none"
    print(f"false alarms a minute: {result['false_alarms_per_minute']:.2f} ({alarms})")
    written = spot_report.write(Path(options.out), result, outcomes)
    print(f"wrote {' and '.join(map(str, written))}")
    return 0


def draw(options: argparse.Namespace) -> Path:
    """The folder of the drawn recordings, which are drawn where they are not there yet."""
    from keras_mer.synthetic.recording_layouts import write_recordings

    name = f"{options.people}x{options.seconds:g}s-{options.intensity:g}-{options.seed}"
    folder = Path("data/cache/recordings") / name
    if not folder.is_dir():
        print(f"drawing {folder} ...", file=sys.stderr)
        write_recordings(
            folder, options.people, options.seconds, intensity=options.intensity, seed=options.seed,
            progress=lambda done, total: print(f"drawn {done} of {total}", file=sys.stderr),
        )  # fmt: skip
    return folder


if __name__ == "__main__":
    run_script(main)

"""Export a run to TFLite (float32, float16, dynamic range, int8) and verify parity with Keras."""

import argparse
from pathlib import Path

from keras_mer.cli import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--out", type=Path, help="folder to write (default: saved_models/RECIPE)")
    parser.add_argument(
        "--variants",
        nargs="+",
        help="TFLite variants (default: all four)",
        choices=["float32", "float16", "dynamic", "int8"],
    )
    parser.add_argument(
        "--allow-loss",
        action="store_true",
        help="also export variants that lose more than 1 percentage point of accuracy",
    )
    parser.add_argument(
        "--notes",
        type=Path,
        metavar="FILE",
        help="YAML file of texts, or lists of texts, for the card: intended use, failures, ...",
    )
    parser.add_argument(
        "--notice",
        default="",
        metavar="TEXT",
        help="one line for the card, which the runtime prints: e.g. the terms of the training data",
    )
    args = parser.parse_args()

    from keras_mer.data import drawn
    from keras_mer.evaluation import report
    from keras_mer.export import export_run, tflite

    card = export_run.export_run(
        drawn.run_folder(args.run),
        args.out,
        variants=tuple(args.variants or tflite.VARIANTS),
        allow_loss=args.allow_loss,
        notes=export_run.read_notes(args.notes) if args.notes else None,
        notice=args.notice,
    )
    print(report.parity(card))
    print(f"wrote {args.out or Path('saved_models') / card['name']}")


if __name__ == "__main__":
    run_script(main)

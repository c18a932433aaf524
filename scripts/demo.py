"""Run the whole pipeline on synthetic faces: draw, split, train, evaluate, export, predict."""

import argparse
import json
import time
from pathlib import Path

from keras_mer.cli import run_script, run_step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="run folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a value of the demo recipe; repeatable",
    )
    args = parser.parse_args()
    start = time.time()
    model, photos = args.run / "export", args.run / "photos"
    overrides = [word for value in args.set for word in ("--set", value)]
    manifest = args.run / "split.csv"
    run_step("split", "--recipe", "demo", "--manifest", manifest, *overrides)
    run_step("train", "--recipe", "demo", "--manifest", manifest, "--run", args.run, *overrides)
    run_step("evaluate", "--run", args.run, "--split", "test")
    run_step("export", "--run", args.run, "--out", model)
    _draw_photos(photos)
    run_step("predict", photos, "--model", model, "--annotate", args.run / "predictions")

    from keras_mer.evaluation import report

    card = json.loads((model / "card.json").read_text())
    test = json.loads((args.run / "evaluation-test/metrics.json").read_text())
    accuracy, uar = (report.percent(test["whole"][name]) for name in ("accuracy", "uar"))
    print(
        f"\nTest, {test['whole']['samples']} faces of people not seen in training, "
        f"{test['interval']}: accuracy {accuracy}, UAR {uar}\n"
    )
    print(report.parity(card))
    print(
        f"\nPictures: {args.run}/curves.png, {args.run}/evaluation-test/confusion.png, "
        f"{args.run}/evaluation-test/misclassified.png, {args.run}/predictions/"
        f"\nModel: {model}   ({(time.time() - start) / 60:.1f} minutes in all)"
    )


PEOPLE = (("happy", "angry"), ("surprise", "sad", "neutral"), ("fear", "happy"), ("disgust",) * 2)


def _draw_photos(folder: Path) -> None:
    from keras_mer import images, synthetic

    for number, expressions in enumerate(PEOPLE):
        photo = synthetic.draw_photo(expressions, seed=1, index=number)
        images.write(folder / f"{'-'.join(expressions)}.png", photo.image)


if __name__ == "__main__":
    run_script(main)

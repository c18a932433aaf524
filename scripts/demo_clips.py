"""Run the pipeline of micro-expressions on drawn clips, from drawing to TFLite and a timeline.

At the end the brief expressions of a drawn recording are spotted and named.
"""

import argparse
import csv
import json
import time
from pathlib import Path

from keras_mer.cli import run_script, run_step

RECIPE, CLIPS = "samm-cnn-bilstm", Path("data/drawn/samm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/demo-clips"), help="run folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a value of the recipe samm-cnn-bilstm; repeatable",
    )
    args = parser.parse_args()
    start = time.time()

    from keras_mer.data import drawn
    from keras_mer.evaluation import report

    if not CLIPS.exists():
        print(f"drawing clips in the layout of SAMM: {CLIPS}", flush=True)
        drawn.write("samm", CLIPS, **drawn.LOOK, **drawn.DEFAULTS["samm"])
    model, manifest = args.run / "export", args.run / "split.csv"
    overrides = [word for value in args.set for word in ("--set", value)]
    recipe = ["--recipe", RECIPE, "--set", f"data.sources.samm={CLIPS}", *overrides]
    # Three frames of each clip as images show what dealing frames at random would leak.
    stills = f"data.sources.samm={{path: {CLIPS}, stills: 3}}"
    run_step("audit", "--recipe", RECIPE, "--set", stills, "--out", args.run / "audit", "--no-near")
    run_step("split", *recipe, "--manifest", manifest)
    run_step("train", *recipe, "--manifest", manifest, "--run", args.run)
    run_step("evaluate", "--run", args.run, "--split", "test")
    run_step("export", "--run", args.run, "--out", model, "--variants", "float32", "int8")
    video, truth = _recording(args.run / "recording")
    picture, table = args.run / "timeline.png", args.run / "timeline.csv"
    run_step("timeline", video, "--model", model, "--png", picture, "--csv", table)

    card = json.loads((model / "card.json").read_text())
    test = json.loads((args.run / "evaluation-test/metrics.json").read_text())
    accuracy, uf1, uar = (
        report.percent(test["whole"][name]) for name in ("accuracy", "macro_f1", "uar")
    )
    chance = 100 / len(card["classes"])
    print(
        f"\nTest, {test['whole']['samples']} drawn clips of people not seen in training, "
        f"{test['interval']}: accuracy {accuracy}, UF1 {uf1}, UAR {uar} (chance: {chance:.0f} %)\n"
    )
    print(report.parity(card))
    with table.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    print(f"\n{_compare(truth, found)}")
    print(
        f"\nPictures: {args.run}/curves.png, {args.run}/evaluation-test/confusion.png, {picture}"
        f"\nModel: {model}, of drawn clips: it has seen no real face"
        f"   ({(time.time() - start) / 60:.1f} minutes in all)"
    )


def _recording(folder: Path) -> tuple[Path, list[dict]]:
    """A drawn recording with blinks and nods, and its brief expressions in seconds.

    The seed was chosen for expressions that are classes of the recipe.
    """
    from keras_mer import synthetic

    fps, without = 50.0, ("talk", "macro")
    (one,) = synthetic.write_recordings(
        folder, 1, 40.0, fps, seed=21, without=without, overwrite=True
    )
    truth = [
        {"label": e.label} | {name: getattr(e, name) / fps for name in ("onset", "apex", "offset")}
        for e in one.events
        if e.kind == "micro"
    ]
    return folder / f"{one.subject}.avi", truth


def _compare(truth: list[dict], found: list[dict]) -> str:
    """The drawn and the spotted brief expressions of the recording as a Markdown table."""
    from keras_mer.evaluation import report

    rows, left = [], list(found)
    for event in truth:
        hit = next((f for f in left if event["onset"] <= float(f["apex"]) <= event["offset"]), None)
        if hit:
            left.remove(hit)
        said = f"{hit['label']}, apex {float(hit['apex']):.2f} s" if hit else "missed"
        rows.append([f"{event['label']}, apex {event['apex']:.2f} s", said])
    rows += [["nothing brief", f"{f['label']}, apex {float(f['apex']):.2f} s"] for f in left]
    return report.table(["drawn", "spotted and named"], rows)


if __name__ == "__main__":
    run_script(main)

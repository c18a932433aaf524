"""Export a run to TFLite (float32, float16, dynamic range, int8), proven against Keras."""

import argparse
import json
from pathlib import Path

from keras_mer.errors import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder that training left")
    parser.add_argument("--out", type=Path, help="folder to write (default: saved_models/RECIPE)")
    parser.add_argument(
        "--variants",
        nargs="+",
        help="which files; default: all four",
        choices=["float32", "float16", "dynamic", "int8"],
    )
    parser.add_argument(
        "--allow-loss",
        action="store_true",
        help="publish even a variant that loses more than 1 point of accuracy",
    )
    args = parser.parse_args()

    from keras_mer import evaluation, export, report, training
    from keras_mer.data import loading
    from keras_mer.progress import track

    recipe, manifest = training.load_run(args.run)
    model = evaluation.load_model(args.run, manifest.classes)

    def images(split):
        part = manifest.part(split)
        shape = model.input_shape[1:]
        return loading.load_images(part, *shape, cache="data/cache", progress=track), part.labels()

    validation, labels = images("validation")
    card = export.export(
        model,
        args.out or Path("saved_models") / recipe.name,
        name=recipe.name,
        classes=manifest.classes,
        calibration=export.calibration_samples(*images("train")),
        images=validation,
        labels=labels,
        expected=evaluation.predict(model, validation),
        about=_about(args.run, recipe, manifest),
        variants=tuple(args.variants or export.VARIANTS),
        allow_loss=args.allow_loss,
    )
    print(report.parity(card))
    print(f"wrote {args.out or Path('saved_models') / recipe.name}")


def _about(run: Path, recipe, manifest) -> dict:
    """What the card says of where the model comes from."""
    read = {
        p.parent.name.removeprefix("evaluation-"): json.loads(p.read_text())
        for p in sorted(run.glob("evaluation-*/metrics.json"))
    }
    keep = ("samples", "accuracy", "macro_f1", "uar", "calibration_error")
    return {
        "scores": {
            split: {"interval": found["interval"]}
            | {
                view: {name: found[view][name] for name in keep}
                for view in ("whole", "without_duplicates", "whole_flip")
                if view in found
            }
            for split, found in read.items()
        },
        "training": {
            "recipe": recipe.to_dict(),
            "samples": {split: count for split, count in manifest.counts("split").items()},
            "summary": json.loads((run / "summary.json").read_text()),
        },
    }


if __name__ == "__main__":
    run_script(main)

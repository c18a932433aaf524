"""Evaluate a run on one of its splits: scores, confusion matrix, misclassified samples."""

import argparse
from pathlib import Path

from keras_mer.cli import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument(
        "--split",
        choices=["validation", "test"],
        help="default: test if the manifest has one, else validation",
    )
    parser.add_argument(
        "--manifest", type=Path, help="evaluate on this manifest instead of the run's own"
    )
    parser.add_argument(
        "--flip",
        action="store_true",
        help="also score the mean prediction of each face and its mirror image",
    )
    parser.add_argument("--out", type=Path, help="default: the run's evaluation-SPLIT folder")
    args = parser.parse_args()

    from keras_mer import models
    from keras_mer.data.manifest import Manifest
    from keras_mer.evaluation import evaluate
    from keras_mer.labels import check_same_classes
    from keras_mer.models import saving
    from keras_mer.training import run_folder

    recipe, manifest = run_folder.load_run(args.run)
    if args.manifest:
        own, manifest = manifest, Manifest.read(args.manifest)
        check_same_classes(own.classes, manifest.classes, where=str(args.manifest))
    split = args.split or ("test" if manifest.counts("split")["test"] else "validation")
    model = saving.load_model(args.run, manifest.classes)
    kind = models.kind(recipe.model)
    found = evaluate.evaluate(model, manifest, split, kind=kind, flip=args.flip, cache="data/cache")
    page = evaluate.write(
        found, args.out or args.run / f"evaluation-{split}", f"{recipe.name} on {split}"
    )
    print(page.read_text(encoding="utf-8").split("![")[0])
    if split == "test" and (looks := evaluate.count_test_look(args.run)) > 1:
        print(f"note: this run was evaluated on its test split {looks} times; do not select by it")
    print(f"wrote {page.parent}")


if __name__ == "__main__":
    run_script(main)

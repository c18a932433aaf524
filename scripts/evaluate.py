"""Evaluate a run on one of its splits, or on another dataset: scores, confusion matrix, errors."""

import argparse
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="On another dataset, images that the run was trained on and classes that only one "
        "side has are left out, and said. Example: scripts/evaluate.py --run runs/fer2013-cnn "
        "--data rafdb=/mnt/raf",
    )
    parser.add_argument(
        "--run", type=Path, required=True, help="run folder; with --data also an exported model"
    )
    parser.add_argument(
        "--split",
        choices=["train", "validation", "test", "all"],
        help="default: test if there is one, else validation; train and all with --data only, "
        "where all is the default for a dataset without these parts",
    )
    parser.add_argument(
        "--manifest", type=Path, help="evaluate on this manifest instead of the run's own"
    )
    parser.add_argument(
        "--data", metavar="SOURCE=PATH", help="evaluate on another dataset, e.g. rafdb=/mnt/raf"
    )
    parser.add_argument(
        "--flip",
        action="store_true",
        help="also score the mean prediction of each face and its mirror image",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="default: the run's evaluation-SPLIT folder, evaluation-SOURCE-SPLIT with --data "
        "(for an exported model under data/evaluations/MODEL)",
    )
    parser.add_argument(
        "--disturbances",
        action="store_true",
        help="also measure what noise, blur, JPEG and other disturbances of a camera cost",
    )
    args = parser.parse_args()
    if args.data and args.disturbances:
        raise UserError("--disturbances is for the run's own data, not for --data")
    if args.data and args.manifest:
        raise UserError("expected one of --data and --manifest")
    if not args.data and args.split in ("train", "all"):
        raise UserError(f"--split {args.split} is for another dataset: --data SOURCE=PATH")

    from keras_mer.data import drawn

    args.run = drawn.run_folder(args.run)
    on_dataset(args) if args.data else on_split(args)


def on_split(args: argparse.Namespace) -> None:
    """Evaluate a run on a split of its own manifest, or of another with the same classes."""
    from keras_mer import models
    from keras_mer.data.manifest import Manifest
    from keras_mer.evaluation import disturbances, evaluate
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
    if args.disturbances:
        if kind != "image":
            raise UserError(f"--disturbances: defined for photographs, not for models of {kind}s")
        found.scores["disturbances"] = disturbances.table(
            lambda images: evaluate.predict(model, images),
            found.images,
            found.manifest.labels(),
            found.probabilities,
        )
    out = args.out or args.run / f"evaluation-{split}"
    report(found, out, f"{recipe.name} on {split}", args.run if split == "test" else None)


def on_dataset(args: argparse.Namespace) -> None:
    """Evaluate a run or an exported model on another dataset."""
    from keras_mer import models
    from keras_mer.evaluation import across
    from keras_mer.models import saving
    from keras_mer.runtime import card as cards
    from keras_mer.training import run_folder

    if (args.run / "card.json").is_file():
        card, own = cards.read(args.run), None
        name, classes, kind = card.name, card.classes, card.task
        home = Path("data/evaluations") / args.run.resolve().name
    else:
        recipe, own = run_folder.load_run(args.run)
        name, classes, kind = recipe.name, own.classes, models.kind(recipe.model)
        home = args.run
    model = saving.load_model(args.run, classes)
    dataset = across.load(args.data, classes, own, args.split)
    found = across.evaluate(model, classes, dataset, kind=kind, flip=args.flip, cache="data/cache")
    out = args.out or home / f"evaluation-{dataset.name}"
    report(found, out, f"{name} on {dataset.name}", args.run if dataset.in_own_test else None)


def report(found, out: Path, title: str, looked: Path | None) -> None:
    """Write and print an evaluation; count a look at the test split of the run `looked`."""
    from keras_mer.evaluation import evaluate

    page = evaluate.write(found, out, title)
    print(page.read_text(encoding="utf-8").split("![")[0])
    if looked and (looks := evaluate.count_test_look(looked)) > 1:
        print(f"note: this run was evaluated on its test split {looks} times; do not select by it")
    print(f"wrote {page.parent}")


if __name__ == "__main__":
    run_script(main)

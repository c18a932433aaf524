"""Train a recipe into a run folder; the same command resumes what was interrupted."""

import argparse
from pathlib import Path

from keras_mer.errors import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="demo", help="built-in name, or path of a .yaml file")
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[SOURCE=]PATH",
        help="where a source lies, instead of the recipe's path; repeatable",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a recipe value, e.g. training.epochs=3; repeatable",
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        help="manifest to train on (default: data/manifests/RECIPE.csv, made if it is not there)",
    )
    parser.add_argument("--run", type=Path, help="run folder (default: runs/RECIPE)")
    args = parser.parse_args()

    from keras_mer import recipe as recipes
    from keras_mer import training
    from keras_mer.data import build

    recipe = recipes.load(args.recipe, args.set, data=args.data)
    manifest = build.manifest_for(recipe, args.manifest)
    model = training.train(
        recipe, manifest, args.run or Path("runs") / recipe.name, cache="data/cache"
    )
    print(f"wrote {model}")


if __name__ == "__main__":
    run_script(main)

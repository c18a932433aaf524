"""Train a recipe in a run folder; the same command resumes an interrupted run."""

import argparse
from pathlib import Path

from keras_mer.cli import load_recipe, run_script
from keras_mer.config import options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options.add_recipe_options(parser)
    parser.add_argument(
        "--manifest",
        type=Path,
        help="manifest to train on (default: data/manifests/RECIPE.csv, created if missing)",
    )
    parser.add_argument("--run", type=Path, help="run folder (default: runs/RECIPE)")
    args = parser.parse_args()

    from keras_mer.data import build
    from keras_mer.training import distillation

    recipe = load_recipe(args, command="train")
    manifest = build.manifest_for(recipe, args.manifest)
    folder = args.run or Path("runs") / recipe.name
    model = distillation.train(recipe, manifest, folder, cache="data/cache")
    print(f"wrote {model}")


if __name__ == "__main__":
    run_script(main)

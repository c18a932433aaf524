"""Make a recipe's manifest: datasets merged and split, duplicates across splits removed."""

import argparse
from pathlib import Path

from keras_mer.cli import load_recipe, run_script
from keras_mer.config import options


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The manifest keeps unusable samples in the split 'dropped' with the reason as a "
        "note. Example: scripts/split.py --recipe fer2013-cnn "
        "--data /mnt/fer2013 --set split.method=stratified",
    )
    options.add_recipe_options(parser, example="split.seed=1")
    parser.add_argument(
        "--manifest", type=Path, help="CSV file to write (default: data/manifests/RECIPE.csv)"
    )
    args = parser.parse_args()

    from keras_mer.data import build

    recipe = load_recipe(args, command="split")
    build.manifest_for(recipe, args.manifest, renew=True)


if __name__ == "__main__":
    run_script(main)

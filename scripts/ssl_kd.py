"""Self-supervised distillation: DINO pretraining, fine-tuning, distillation, export."""

import argparse
from pathlib import Path

from keras_mer.cli import load_recipe, run_script
from keras_mer.config import options


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The same command resumes an interrupted run; completed stages are skipped.",
    )
    options.add_recipe_options(parser, "ssl-kd-demo", example="dino.epochs=3")
    parser.add_argument(
        "--manifest",
        type=Path,
        help="manifest to train on (default: data/manifests/RECIPE.csv, created if missing)",
    )
    parser.add_argument("--run", type=Path, help="folder of all stages (default: runs/RECIPE)")
    parser.add_argument(
        "--out", type=Path, help="folder of the exported student (default: saved_models/RECIPE)"
    )
    parser.add_argument(
        "--leaky",
        action="store_true",
        help="also report, labeled as leaky, what a random split of the clips' frames would give",
    )
    args = parser.parse_args()

    from keras_mer.data import build
    from keras_mer.experiments import leaky_split, ssl_distillation

    recipe = load_recipe(args, command="ssl-kd")
    manifest = build.manifest_for(recipe, args.manifest)
    folder = args.run or Path("runs") / recipe.name
    if args.leaky:
        leaky_split.shuffled(manifest)  # refused before hours of training
    found = ssl_distillation.run(recipe, manifest, folder, out=args.out, cache="data/cache")
    print(f"\n{ssl_distillation.table(found)}\n")
    if args.leaky:
        leaky = leaky_split.run(recipe, manifest, folder, cache="data/cache")
        print(f"{leaky_split.table(leaky)}\n")
    print(f"wrote {folder}, {args.out or Path('saved_models') / recipe.name}")


if __name__ == "__main__":
    run_script(main)

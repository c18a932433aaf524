"""Label efficiency of a DINO run: k-NN, linear probe, fine-tuning, training from scratch."""

import argparse
from pathlib import Path

from keras_mer.cli import run_script


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The same command resumes an interrupted run; completed runs are skipped.",
    )
    parser.add_argument("--run", type=Path, required=True, help="run folder of DINO pretraining")
    parser.add_argument("--recipe", help="recipe for training with labels (default: the run's own)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="override a value of --recipe; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--labels", type=float, nargs="+", default=[0.01, 0.1, 1.0], help="fractions of the labels"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--frozen", action="store_true", help="only k-NN and linear probe: seconds instead of hours"
    )
    parser.add_argument("--out", type=Path, help="folder of the runs (default: RUN/probes)")
    args = parser.parse_args()

    from keras_mer.config import recipe as recipes
    from keras_mer.experiments import label_efficiency
    from keras_mer.training import run_folder

    recipe, manifest = run_folder.load_run(args.run)
    if args.recipe:
        recipe = recipes.load(args.recipe, args.set)
    elif args.set:
        recipe = recipes.load(args.run / "recipe.yaml", args.set)
    out = args.out or args.run / "probes"
    found = label_efficiency.compare(
        recipe, manifest, args.run, out, fractions=tuple(args.labels), seeds=tuple(args.seeds),
        tune=not args.frozen, cache="data/cache",
    )  # fmt: skip
    print(f"\n{label_efficiency.table(found)}\n\nwrote {out}")


if __name__ == "__main__":
    run_script(main)

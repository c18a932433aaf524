"""Score a recipe on clips by leaving people out; the same command resumes what was interrupted."""

import argparse
from pathlib import Path

from keras_mer.cli import load_recipe, run_script
from keras_mer.config import options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options.add_recipe_options(parser, "megc2019-flow")
    parser.add_argument(
        "--protocol",
        choices=["loso", "kfold", "dataset", "split"],
        help="who is left out, instead of the recipe's protocol.kind",
    )
    parser.add_argument("--run", type=Path, help="run folder (default: runs/RECIPE-PROTOCOL)")
    parser.add_argument("--jobs", type=int, default=0, help="folds at a time (default: the cores)")
    parser.add_argument(
        "--backend", default="loky", help="of joblib: loky (this machine), dask, ray"
    )
    parser.add_argument("--cluster", help="address of the Dask scheduler, or of Ray")
    parser.add_argument(
        "--compare",
        action="append",
        default=[],
        type=Path,
        metavar="RUN",
        help="another run folder or predictions.csv: paired bootstrap over subjects; repeatable",
    )
    parser.add_argument(
        "--final",
        action="store_true",
        help="also fit all samples: model.keras in the same run folder, for make export",
    )
    args = parser.parse_args()

    from keras_mer.cross_validation import parallel, runner, scores

    chosen = [f"protocol.kind={args.protocol}"] if args.protocol else []
    recipe = load_recipe(args, *chosen, command="loso")
    manifest = runner.load(recipe)
    folder = args.run or Path("runs") / f"{recipe.name}-{recipe.protocol.kind}"
    with parallel.cluster(args.backend, args.cluster):
        runner.run(
            recipe, manifest, folder, jobs=args.jobs, backend=args.backend, cache="data/cache"
        )
    print((folder / "report.md").read_text(encoding="utf-8").split("![")[0])
    for other in args.compare:
        found = scores.compare(scores.read(folder), scores.read(other))
        print(scores.sentence(found, str(other)))
    if args.final:
        print(f"wrote {runner.fit_final(recipe, manifest, folder, cache='data/cache')}")


if __name__ == "__main__":
    run_script(main)

"""Is transfer worth it? Few labels learnt from scratch, against a start from drawn faces.

A CNN learns synthetic faces once. Then a few per cent of a dataset's training labels are learnt,
several times over: from random weights, on the pretrained body with only a new head, and from the
pretrained body all through. Everything is scored on the dataset's validation part.
"""

import argparse
import json
from pathlib import Path

from keras_mer.errors import run_script

#: How each way of learning differs from the recipe. The pretrained BatchNorm learns on: drawn
#: faces and photographs have other statistics.
WAYS = {
    "scratch": [],
    "extract": ["transfer.weights={weights}", "transfer.unfreeze=0"],
    "finetune": [
        "transfer.weights={weights}",
        "transfer.epochs={head_epochs}",
        "transfer.rate={rate}",
        "transfer.batch_norm=true",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="Run again, it goes on where it stopped. With the defaults on two cores: 2 minutes "
        "for the drawn faces, then 9 runs of about 2 minutes each. The other way round: "
        "--pretrain runs/fer2013-cnn --recipe demo --share 0.02 --out runs/transfer-worth-back",
    )
    parser.add_argument(
        "--pretrain",
        default="demo",
        help="first task: a recipe, or the folder of a finished run (default: %(default)s)",
    )
    parser.add_argument(
        "--recipe", default="fer2013-cnn", help="recipe of the second task (default: %(default)s)"
    )
    parser.add_argument("--data", help="where the second task's dataset lies")
    parser.add_argument(
        "--share", type=float, default=0.05, help="of the training labels (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of each way")
    parser.add_argument("--epochs", type=int, default=40, help="of each run of the second task")
    parser.add_argument("--head-epochs", type=int, default=5, help="of finetune's first phase")
    parser.add_argument("--rate", type=float, default=0.02, help="highest learning rate")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a value of both recipes, e.g. training.precision=float32; repeatable",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/transfer-worth"))
    args = parser.parse_args()

    from keras_mer import recipe as recipes
    from keras_mer import training
    from keras_mer.data import build
    from keras_mer.data.split import thin

    if (Path(args.pretrain) / "model.keras").is_file():
        weights = Path(args.pretrain)
        first, _ = training.load_run(weights)
    else:
        weights = args.out / "pretrained"
        first = recipes.load(args.pretrain, args.set)
        train(first, build.manifest_for(first), weights)
    data = [args.data] if args.data else []
    base = [
        f"training.epochs={args.epochs}",
        f"training.rate={args.rate}",
        f"model={json.dumps(first.model)}",
        *args.set,
    ]
    whole = build.manifest_for(recipes.load(args.recipe, data=data))
    results: dict[str, list[dict]] = {way: [] for way in WAYS}
    for seed in range(args.seeds):
        few = thin(whole, args.share, seed)
        for way, changes in WAYS.items():
            filled = [c.format(weights=weights, **vars(args)) for c in changes]
            recipe = recipes.load(args.recipe, [*base, *filled, f"training.seed={seed}"], data=data)
            run = args.out / f"{way}-{seed}"
            train(recipe, few, run)
            results[way].append(json.loads((run / "summary.json").read_text())["best"])
    page = table(results, len(few.part("train")), args)
    print(page)

    from keras_mer.files import write_text

    write_text(args.out / "worth.md", page + "\n")


def train(recipe, manifest, run: Path) -> None:
    """Train unless it is done; a run that was interrupted goes on."""
    from keras_mer import training

    print(f"\n{run}", flush=True)
    if not (run / "summary.json").is_file():
        training.train(recipe, manifest, run, cache="data/cache")


def table(results: dict, count: int, args: argparse.Namespace) -> str:
    """Mean and standard deviation over the seeds, a row a way."""
    import numpy as np

    from keras_mer import report

    rows = []
    for way, found in results.items():
        scores = [[100 * row[f"val_{name}"] for row in found] for name in ("accuracy", "uar")]
        cells = [f"{np.mean(s):.1f} ± {np.std(s, ddof=min(1, len(s) - 1)):.1f} %" for s in scores]
        rows.append([way, *cells, " ".join(f"{s:.1f}" for s in scores[0])])
    header = [f"{count:,} labels ({args.share:.0%})", "accuracy", "UAR", "accuracy of each seed"]
    return report.table(header, rows) + (
        f"\n\nBest epoch of each run on the validation part, mean ± standard deviation of "
        f"{args.seeds} seeds, each with a draw of labels of its own."
    )


if __name__ == "__main__":
    run_script(main)

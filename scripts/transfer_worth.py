"""Is transfer worth it? Few labels learnt from scratch, and from what another task taught.

One task is learnt once. Then a few per cent of another task's training labels are learnt, several
times over: from random weights, on the pretrained body with only a new head, and from the
pretrained body all through. Each run's epoch is chosen on its own held-out images, and the scores
are on the second task's test part, or on its validation part where it has none.
"""

import argparse
import json
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.config import options
from keras_mer.data import subsets
from keras_mer.training import run_folder

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
        epilog="Run again, it goes on where it stopped. With the defaults on two quiet cores: 15 "
        "minutes. --recipe and --data are of the second task, --set is of both. The other way "
        "round: --pretrain runs/fer2013-cnn --recipe demo --share 0.02 --batch 8 --epochs 60 "
        "--out runs/transfer-worth-back",
    )
    parser.add_argument(
        "--pretrain",
        default="demo",
        help="first task: a recipe, or the folder of a finished run (default: %(default)s)",
    )
    options.add_recipe_options(parser, "fer2013-cnn", example="training.precision=float32")
    options.add_ways_options(parser, share=0.05, seeds=3, out="runs/transfer-worth")
    parser.add_argument("--epochs", type=int, default=20, help="of each run of the second task")
    parser.add_argument("--batch", type=int, default=32, help="of each run of the second task")
    parser.add_argument("--head-epochs", type=int, default=5, help="of finetune's first phase")
    parser.add_argument("--rate", type=float, default=0.02, help="highest learning rate")
    args = parser.parse_args()

    from keras_mer.config import recipe as recipes
    from keras_mer.data import build
    from keras_mer.data.split import subsample
    from keras_mer.experiments import stages, variants
    from keras_mer.training import distillation

    if (Path(args.pretrain) / "model.keras").is_file():
        weights = Path(args.pretrain)
        first, _ = run_folder.load_run(weights)
    else:
        weights = args.out / "pretrained"
        first = recipes.load(args.pretrain, args.set)
        stages.run(
            distillation.learn, first, build.manifest_for(first), weights, cache="data/cache"
        )
    base = [
        f"training.epochs={args.epochs}",
        f"training.batch={args.batch}",
        f"training.rate={args.rate}",
        f"model={json.dumps(first.model)}",
        *args.set,
    ]
    whole = build.manifest_for(options.recipe(args))
    whole = subsets.hold_out(whole, args.hold_out)
    found = variants.learn(
        {
            way: recipes.load(
                args.recipe,
                [*base, *(c.format(weights=weights, **vars(args)) for c in changes)],
                data=args.data,
            )
            for way, changes in WAYS.items()
        },
        lambda seed: subsample(whole, args.share, seed),
        args.out,
        seeds=args.seeds,
        cache="data/cache",
    )
    print(variants.table(found))
    print(f"wrote {args.out}/ways.md")


if __name__ == "__main__":
    run_script(main)

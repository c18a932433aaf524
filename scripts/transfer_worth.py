"""Compare transfer learning with training from scratch on few labels.

A model is pretrained on a first task. Then a fraction of a second task's training labels is used
to train from random weights, to train a new head on the frozen pretrained body, and to fine-tune
the whole pretrained network, each with several seeds. The epoch is selected on held-out training
images; scores are on the second task's test split, or on validation if it has no test split.
"""

import argparse
import json
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.config import options

#: Changes of the recipe for each variant. BatchNorm is fine-tuned, because synthetic faces and
#: photographs differ in their statistics.
VARIANTS = {
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
        epilog="The same command resumes an interrupted run. The defaults take 15 minutes on two "
        "cores. --recipe and --data apply to the second task, --set to both. From photographs to "
        "synthetic faces: --pretrain runs/fer2013-cnn --recipe demo --share 0.02 --batch 8 "
        "--epochs 60 --out runs/transfer-worth-back",
    )
    parser.add_argument(
        "--pretrain",
        default="demo",
        help="first task: a recipe, or the folder of a completed run (default: %(default)s)",
    )
    options.add_recipe_options(parser, "fer2013-cnn", example="training.precision=float32")
    options.add_variant_options(parser, share=0.05, seeds=3, out="runs/transfer-worth")
    parser.add_argument("--epochs", type=int, default=20, help="epochs on the second task")
    parser.add_argument("--batch", type=int, default=32, help="batch size on the second task")
    parser.add_argument(
        "--head-epochs", type=int, default=5, help="epochs of the head alone before fine-tuning"
    )
    parser.add_argument("--rate", type=float, default=0.02, help="highest learning rate")
    args = parser.parse_args()

    from keras_mer.config import recipe as recipes
    from keras_mer.data import build, subsets
    from keras_mer.data.split import subsample
    from keras_mer.experiments import stages, variants
    from keras_mer.training import distillation, run_folder

    if (Path(args.pretrain) / "model.keras").is_file():
        weights = Path(args.pretrain)
        first, _ = run_folder.load_run(weights)
    else:
        weights = args.out / "pretrained"
        first = recipes.load(args.pretrain, args.set)
        stages.run(
            distillation.train, first, build.manifest_for(first), weights, cache="data/cache"
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
    found = variants.compare(
        {
            variant: recipes.load(
                args.recipe,
                [*base, *(c.format(weights=weights, **vars(args)) for c in changes)],
                data=args.data,
            )
            for variant, changes in VARIANTS.items()
        },
        lambda seed: subsample(whole, args.share, seed),
        args.out,
        seeds=args.seeds,
        cache="data/cache",
    )
    print(variants.table(found))
    print(f"wrote {args.out}/variants.md")


if __name__ == "__main__":
    run_script(main)

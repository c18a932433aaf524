"""What does each answer to rare classes cost and buy? The same recipe with each of them."""

import argparse
from pathlib import Path

from keras_mer.errors import run_script

ANSWERS = ("none", "class_weights", "balanced_sampling", "focal")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Run again, it goes on where it stopped. Epochs are chosen by accuracy on held-out "
        "training images, and the scores are on the test part, or on the validation part where the "
        "dataset has none.",
    )
    parser.add_argument("--recipe", default="fer2013-cnn", help="default: %(default)s")
    parser.add_argument("--data", help="where its dataset lies")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the training labels (default: all)"
    )
    parser.add_argument(
        "--hold-out",
        type=float,
        default=0.03,
        help="share of the training images to choose epochs on, where the dataset has no test part "
        "(default: %(default)s)",
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs of each answer")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a recipe value, e.g. training.epochs=15; repeatable",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/imbalance-worth"))
    args = parser.parse_args()

    from keras_mer import probes, ways
    from keras_mer import recipe as recipes
    from keras_mer.data import build
    from keras_mer.data.split import thin

    recipe = recipes.load(args.recipe, args.set, data=[args.data] if args.data else [])
    whole = probes.hold_out(build.manifest_for(recipe), args.hold_out)
    found = ways.learn(
        {answer: recipe.changed({"training.imbalance": answer}) for answer in ANSWERS},
        lambda seed: thin(whole, args.share, seed) if args.share < 1 else whole,
        args.out,
        seeds=args.seeds,
        cache="data/cache",
    )
    print(ways.table(found))
    print(f"wrote {args.out}/ways.md")


if __name__ == "__main__":
    run_script(main)

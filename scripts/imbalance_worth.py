"""What does each answer to rare classes cost and buy? The same recipe with each of them."""

import argparse

from keras_mer.cli import run_script
from keras_mer.config import options
from keras_mer.data import subsets

ANSWERS = ("none", "class_weights", "balanced_sampling", "focal")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Run again, it goes on where it stopped. Epochs are chosen by accuracy on held-out "
        "training images, and the scores are on the test part, or on the validation part where the "
        "dataset has none.",
    )
    options.add_recipe_options(parser, "fer2013-cnn", example="training.epochs=15")
    options.add_ways_options(parser, share=1.0, seeds=1, out="runs/imbalance-worth")
    args = parser.parse_args()

    from keras_mer.data import build
    from keras_mer.data.split import subsample
    from keras_mer.experiments import variants

    recipe = options.recipe(args)
    whole = subsets.hold_out(build.manifest_for(recipe), args.hold_out)
    found = variants.learn(
        {answer: recipe.changed({"training.imbalance": answer}) for answer in ANSWERS},
        lambda seed: subsample(whole, args.share, seed) if args.share < 1 else whole,
        args.out,
        seeds=args.seeds,
        cache="data/cache",
    )
    print(variants.table(found))
    print(f"wrote {args.out}/ways.md")


if __name__ == "__main__":
    run_script(main)

"""Compare the methods against class imbalance (training.imbalance) on one recipe."""

import argparse

from keras_mer.cli import run_script
from keras_mer.config import options

METHODS = ("none", "class_weights", "balanced_sampling", "focal")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The same command resumes an interrupted run. The epoch is selected by accuracy on "
        "held-out training images; scores are on the test split, or on validation if the dataset "
        "has no test split.",
    )
    options.add_recipe_options(parser, "fer2013-cnn", example="training.epochs=15")
    options.add_variant_options(parser, share=1.0, seeds=1, out="runs/imbalance-worth")
    args = parser.parse_args()

    from keras_mer.data import build, subsets
    from keras_mer.data.split import subsample
    from keras_mer.experiments import variants

    recipe = options.recipe(args)
    whole = subsets.hold_out(build.manifest_for(recipe), args.hold_out)
    found = variants.compare(
        {method: recipe.changed({"training.imbalance": method}) for method in METHODS},
        lambda seed: subsample(whole, args.share, seed) if args.share < 1 else whole,
        args.out,
        seeds=args.seeds,
        cache="data/cache",
    )
    print(variants.table(found))
    print(f"wrote {args.out}/variants.md")


if __name__ == "__main__":
    run_script(main)

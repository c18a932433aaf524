"""The command-line options that scripts with a recipe share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_mer.config.recipe import Recipe


def add_recipe_options(
    parser: argparse.ArgumentParser, default: str = "demo", example: str = "training.epochs=3"
) -> None:
    """Add ``--recipe``, ``--data`` and ``--set``; `example` is one of the latter."""
    parser.add_argument(
        "--recipe",
        default=default,
        help="built-in name, or path of a .yaml file (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[SOURCE=]PATH",
        help="where a source lies, instead of the recipe's path; repeatable",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"override a recipe value, e.g. {example}; repeatable",
    )


def add_ways_options(
    parser: argparse.ArgumentParser, *, share: float, seeds: int, out: str
) -> None:
    """Add what scripts that compare ways of learning share; the arguments are the defaults."""
    parser.add_argument(
        "--share", type=float, default=share, help="of the training labels (default: %(default)s)"
    )
    parser.add_argument(
        "--hold-out",
        type=float,
        default=0.03,
        help="share of the training images to choose epochs on, where the dataset has no test part "
        "(default: %(default)s)",
    )
    parser.add_argument("--seeds", type=int, default=seeds, help="runs of each way")
    parser.add_argument("--out", type=Path, default=Path(out), help="default: %(default)s")


def recipe(args: argparse.Namespace, *more: str) -> "Recipe":
    """The recipe these options name, with `more` overrides ("key=value") on top.

    Raises:
        UserError: as `keras_mer.config.recipe.load`.
    """
    from keras_mer.config import recipe as recipes

    return recipes.load(args.recipe, [*args.set, *more], data=args.data)

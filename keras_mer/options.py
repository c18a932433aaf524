"""The command-line options of every script that takes a recipe."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_mer.recipe import Recipe


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


def recipe(args: argparse.Namespace, *more: str) -> "Recipe":
    """The recipe these options name, with `more` overrides ("key=value") on top."""
    from keras_mer import recipe as recipes

    return recipes.load(args.recipe, [*args.set, *more], data=args.data)

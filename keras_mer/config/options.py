"""Command-line options shared by the scripts that read a recipe."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_mer.config.recipe import Recipe


def add_recipe_options(
    parser: argparse.ArgumentParser, default: str = "demo", example: str = "training.epochs=3"
) -> None:
    """Add ``--recipe``, ``--data`` and ``--set``; `example` is an example of the last."""
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
        help="path of a data source, instead of the recipe's; repeatable",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"override a recipe value, e.g. {example}; repeatable",
    )
    parser.add_argument(
        "--real",
        action="store_true",
        help="stop where a dataset of clips is missing, instead of drawing one in its layout "
        "(--data implies it)",
    )


def add_variant_options(
    parser: argparse.ArgumentParser, *, share: float, seeds: int, out: str
) -> None:
    """Add the options of scripts that compare variants of a recipe; arguments are defaults."""
    parser.add_argument(
        "--share",
        type=float,
        default=share,
        help="share of the training labels to use (default: %(default)s)",
    )
    parser.add_argument(
        "--hold-out",
        type=float,
        default=0.03,
        help="share of the training images held out to select the epoch, if the dataset has no "
        "test split (default: %(default)s)",
    )
    parser.add_argument("--seeds", type=int, default=seeds, help="runs of each variant")
    parser.add_argument(
        "--out", type=Path, default=Path(out), help="folder to write (default: %(default)s)"
    )


def recipe(args: argparse.Namespace, *more: str) -> "Recipe":
    """The recipe that the parsed options name, with `more` overrides ("key=value").

    Raises:
        UserError: as `keras_mer.config.recipe.load`.
    """
    from keras_mer.config import recipe as recipes

    return recipes.load(args.recipe, [*args.set, *more], data=args.data)

"""Entry point of the scripts: user errors become one line and an exit status."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from keras_mer.errors import UserError
from keras_mer.tf_logging import filter_stderr

if TYPE_CHECKING:
    from keras_mer.config.recipe import Recipe


def load_recipe(args: argparse.Namespace, *more: str, command: str) -> "Recipe":
    """The recipe that a command's options name, checked for values that it would ignore.

    Args:
        args: with the options of `options.add_recipe_options`.
        more: further overrides, ``"key=value"``.
        command: a key of `support.SECTIONS`.

    Raises:
        UserError: as `keras_mer.config.recipe.load` and `keras_mer.config.support.check`.
    """
    from keras_mer.config import options, support

    recipe = options.recipe(args, *more)
    kind = None
    if "model" in support.SECTIONS[command]:
        from keras_mer import models  # imports Keras: only once the recipe is read
        from keras_mer.kinds import KINDS

        kind = KINDS[models.kind(recipe.model)]
    support.check(recipe, command, kind)
    return recipe


def run_script(main: Callable[[], int | None]) -> None:
    """Run a script's `main` and exit: a `UserError` or a full disk becomes one line, status 2."""
    filter_stderr()
    try:
        sys.exit(main() or 0)
    except UserError as error:
        sys.exit(_report(str(error), 2))
    except OSError as error:
        if error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        sys.exit(_report(f"{os.strerror(error.errno)}{where}", 2))
    except KeyboardInterrupt:
        sys.exit(_report("interrupted", 130))


def _report(message: str, status: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status

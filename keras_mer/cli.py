"""Entry point of the scripts: user errors become one line and an exit status."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from keras_mer.errors import UserError
from keras_mer.tf_logging import filter_stderr

if TYPE_CHECKING:
    from keras_mer.config.recipe import Recipe


def load_recipe(args: argparse.Namespace, *more: str, command: str) -> "Recipe":
    """The recipe that a command's options name, checked for values that it would ignore.

    Where its datasets of clips are missing, it reads drawn ones (`keras_mer.data.drawn`).

    Args:
        args: with the options of `options.add_recipe_options`.
        more: further overrides, ``"key=value"``.
        command: a key of `support.SECTIONS`.

    Raises:
        UserError: as `keras_mer.config.recipe.load`, `check_recipe` and `drawn.resolve`.
    """
    from keras_mer.config import options

    recipe = options.recipe(args, *more)
    check_recipe(recipe, command)

    from keras_mer.data import drawn

    return drawn.resolve(recipe, real=args.real or bool(args.data))


def check_recipe(recipe: "Recipe", command: str) -> None:
    """Refuse values that a command would ignore, in the recipe and in what is derived from it.

    Derived are the candidates of `training.search_space` and, of ssl-kd, the student's recipe.

    Args:
        recipe: the experiment.
        command: a key of `support.SECTIONS`.

    Raises:
        UserError: as `keras_mer.config.support.check`, and for a model or a model's argument that
            does not exist.
    """
    from keras_mer.config import support

    if "model" not in support.SECTIONS[command]:
        return support.check(recipe, command)

    from keras_mer import models  # imports Keras: only where it is needed
    from keras_mer.kinds import KINDS

    def check(one: "Recipe", where: str) -> None:
        arguments = {key: value for key, value in one.model.items() if key != "name"}
        try:
            models.check_arguments(one.model.get("name", models.DEFAULT), arguments)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        kind = KINDS[models.kind(one.model)]
        support.check(one.model_copy(update={"name": where}), command, kind)

    check(recipe, recipe.name)
    if command != "ssl-kd" and recipe.training.search_space:
        from keras_mer.training import trainer

        for values in trainer.candidates(recipe):
            check(recipe.changed(values), f"{recipe.name}: training.search_space")
    if command == "ssl-kd":
        if recipe.dino.model:
            changed = recipe.model_copy(update={"model": recipe.model | recipe.dino.model})
            check(changed, f"{recipe.name}: dino.model")
        if student := recipe.student.model:
            changed = recipe.model_copy(update={"model": student})
            check(changed.changed(recipe.student.changes), f"{recipe.name}: student")


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


def run_step(script: str, *arguments: object) -> None:
    """Run a script of this project in a process of its own, as the make targets do.

    Raises:
        UserError: if it fails; its own error has been printed.
    """
    command = [f"scripts/{script}.py", *map(str, arguments)]
    print(f"\n$ python {' '.join(command)}", flush=True)
    if subprocess.run([sys.executable, *command]).returncode:
        raise UserError(f"stopped at {command[0]}; see the error above")


def _report(message: str, status: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status

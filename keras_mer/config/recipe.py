"""One experiment as data: a strict schema, read from `recipes/*.yaml`, saved with every run."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from keras_mer.config import fields, messages, old_names
from keras_mer.config.schema import (
    Augment,
    Data,
    Dino,
    ModelArguments,
    Protocol,
    Section,
    Split,
    SslDistillation,
    Student,
    Training,
    Transfer,
)
from keras_mer.errors import UserError, nearest
from keras_mer.files import write_text

__all__ = [
    "Augment",
    "Data",
    "Dino",
    "Protocol",
    "Recipe",
    "Split",
    "SslDistillation",
    "Student",
    "Training",
    "Transfer",
    "load",
    "names",
    "parse",
]

FOLDER = Path(__file__).parent / "recipes"

#: Sections that a run has only where its recipe sets one of their keys.
_OPTIONAL = ("protocol", "transfer", "dino", "student", "ssl_distillation")


class Recipe(Section):
    """A whole experiment. `model` names a registered model; its other keys are its arguments."""

    name: fields.Text
    data: Data
    split: Split = Split()
    model: ModelArguments
    augment: Augment = Augment()
    training: Training = Training()
    protocol: Protocol = Protocol()
    transfer: Transfer = Transfer()
    dino: Dino = Dino()
    student: Student = Student()
    ssl_distillation: SslDistillation = SslDistillation()

    def to_dict(self) -> dict:
        """Plain dicts, lists and scalars, which `load` reads back from YAML.

        A section in which every key has its default is left out, but for those that every run has.
        """
        values = self.model_dump(warnings=False)
        for key in _OPTIONAL:
            if getattr(self, key) == type(self).model_fields[key].default:
                del values[key]
        return values

    def changed(self, values: dict) -> "Recipe":
        """The recipe with other values: ``{"model.dropout": 0.3, "training.epochs": 20}``.

        Raises:
            UserError: as `load`.
        """
        new = self.to_dict()
        for key, value in values.items():
            _set(new, key, value, f"{self.name}: {key}")
        return parse(new, self.name)

    def write(self, path: str | os.PathLike) -> None:
        """Write the resolved recipe as YAML, with every default."""
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False))


def names() -> list[str]:
    """The built-in recipes."""
    return sorted(p.stem for p in FOLDER.glob("*.yaml"))


def load(
    name: str | os.PathLike, overrides: Iterable[str] = (), data: Iterable[str] = ()
) -> Recipe:
    """Read a recipe by built-in name or by path, and change some of it.

    Args:
        name: one of `names()`, or the path of a .yaml file.
        overrides: ``"training.epochs=3"`` and the like.
        data: where sources lie: ``"fer2013=/mnt/fer2013"``, or the path alone for a recipe with a
            single source.

    Raises:
        UserError: for an unknown recipe or key (with the nearest known one), a value of the wrong
            type, or a file that is not YAML.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name}.yaml"
        if not path.is_file():
            raise UserError(
                f"unknown recipe '{name}'{nearest(str(name), names())}; "
                f"known: {', '.join(names())}, or a path to a .yaml file"
            )
    elif not path.is_file():
        raise UserError(f"no recipe file at {path}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a mapping with the keys data and model")
    values = {"name": path.stem} | old_names.renamed(values, str(path))
    return _overridden(values, overrides, data, str(path))


def overridden(recipe: Recipe, overrides: Iterable[str] = (), data: Iterable[str] = ()) -> Recipe:
    """A recipe with overrides and places of its sources, as `load` takes them."""
    return _overridden(recipe.to_dict(), overrides, data, recipe.name)


def _overridden(values: dict, overrides: Iterable[str], data: Iterable[str], where: str) -> Recipe:
    for override in overrides:
        _override(values, override)
    for place in data:
        _place(values, place)
    return parse(values, where)


def parse(values: dict, where: str) -> Recipe:
    """Check plain dicts, as `Recipe.to_dict` gives them, against the schema.

    Raises:
        UserError: as `load`; `where` says whose recipe it is.
    """
    values = old_names.renamed(values, where)
    recipe = _made(values, where)
    for at, tried in (
        ("training.search_space", recipe.training.search_space),
        ("student.changes", {key: [value] for key, value in recipe.student.changes.items()}),
    ):
        for key, choices in tried.items():
            for value in choices:
                _try(recipe, key, value, f"{where}: {at}")
    return recipe


def _made(values: dict, where: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise UserError(messages.line(error, Recipe, values, where)) from None


def _try(recipe: Recipe, key: str, value: Any, where: str) -> None:
    """Refuse a value that the recipe could not have."""
    values = recipe.to_dict()
    values["training"].pop("search_space")
    values.get("student", {}).pop("changes", None)
    _set(values, key, value, where)
    _made(old_names.renamed(values, where), where)


def _override(values: dict, text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: expected key=value, e.g. training.epochs=3")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--set {text}: '{value}' is not a YAML value") from None
    _set(values, key.strip(), parsed, f"--set {text}")


def _set(values: dict, key: str, value: Any, where: str) -> None:
    """Set a dotted key of either spelling, in values of today's."""
    *parents, last = old_names.key(key).split(".")
    value = old_names.value(key, value)
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise UserError(f"{where}: '{parent}' has no keys of its own")
    values[last] = value


def _place(values: dict, text: str) -> None:
    data = values.get("data")
    sources = data.get("sources") if isinstance(data, dict) else None
    if not isinstance(sources, dict):
        return  # the schema refuses it
    name, equals, path = text.partition("=")
    if not equals:
        if len(sources) != 1:
            raise UserError(
                f"--data {text}: the recipe has the sources {', '.join(sources)}; say which one "
                "with SOURCE=PATH"
            )
        (name,), path = sources, text
    if name not in sources:
        raise UserError(
            f"--data {text}: the recipe has no source '{name}'{nearest(name, sources)}; "
            f"it has {', '.join(sources)}"
        )
    given = sources[name]
    sources[name] = given | {"path": path} if isinstance(given, dict) else path

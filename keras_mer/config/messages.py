"""One line for the first thing that is wrong with a recipe."""

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from keras_mer.errors import nearest

_UNKNOWN = ("extra_forbidden", "invalid_key")
_WORDS = {bool: "true or false", int: "an integer", str: "text"}


def line(error: ValidationError, schema: type[BaseModel], values: Any, where: str) -> str:
    """The first error as a line: where, key, what was expected and what came.

    Args:
        error: what pydantic found.
        schema: the model that was to be made of `values`.
        values: plain dicts, as they came.
        where: the file, or another name for the values.
    """
    first = min(error.errors(include_url=False), key=_rank)
    names, schema, expected = _place(first["loc"], schema)
    at = ": ".join([where, ".".join(names)] if names else [where])
    if first["type"] in _UNKNOWN:
        name, known = str(first["loc"][-1]), schema.model_fields
        return f"{at}: unknown key '{name}'{nearest(name, known)}; known: {', '.join(known)}"
    if first["type"] == "missing":
        outer = ": ".join([where, *([".".join(names[:-1])] if names[1:] else [])])
        return f"{outer}: the key '{names[-1]}' is missing"
    if first["type"] == "value_error" and not expected:
        return f"{at}: {first['ctx']['error']}"
    for name in names:
        values = values[name]
    if isinstance(expected, tuple):
        return (
            f"{at}: expected one of {', '.join(map(str, expected))}, got {_short(values)}"
            f"{nearest(str(values), map(str, expected))}"
        )
    return f"{at}: expected {expected or 'a mapping'}, got {_short(values)}"


def _rank(error: Mapping) -> tuple[int, int]:
    """Unknown keys come first, then missing ones; of a union's errors, that of the inner key."""
    order = 0 if error["type"] in _UNKNOWN else 1 if error["type"] == "missing" else 2
    return order, -sum(isinstance(part, str) for part in error["loc"])


def _place(
    loc: tuple, schema: type[BaseModel]
) -> tuple[list[str], type[BaseModel], str | tuple | None]:
    """The keys on the way to an error, the section it is in, and what its key should hold.

    That is a text, the tuple of choices, or None for a section.
    """
    names: list[str] = []
    expected, arguments = None, None
    for part in loc:
        if arguments is None and part in schema.model_fields:
            field = schema.model_fields[part]
            kind, expected = field.annotation, _expected(field.annotation, field.description)
        elif arguments is not None and part in arguments:
            kind, *metadata = typing.get_args(arguments[part]) or (arguments[part],)
            notes = [m.description for m in metadata if isinstance(m, FieldInfo) and m.description]
            expected = _expected(kind, notes[-1] if notes else None)
        else:
            continue  # a branch of a union, or an item of a list
        names.append(part)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            schema, expected = kind, None
        elif is_typeddict(kind):
            arguments, expected = typing.get_type_hints(kind, include_extras=True), "a mapping"
    return names, schema, expected


def _expected(kind: Any, description: str | None) -> str | tuple:
    if description:
        return description
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)
    return _WORDS.get(kind, str(kind))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

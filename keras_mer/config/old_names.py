"""Old spellings of recipe keys and values, which stay readable in files and on command lines."""

from collections.abc import Mapping
from typing import Any

from keras_mer.errors import UserError

#: Dotted key (or section) of an earlier version -> today's.
KEYS = {
    "data.split": "split.method",
    "data.fractions": "split.fractions",
    "data.folds": "split.folds",
    "data.fold": "split.fold",
    "data.seed": "split.seed",
    "data.hold_out": "split.hold_out",
    "training.class_weights": "training.imbalance",
    "protocol.members": "training.ensemble_size",
    "protocol.ensemble_size": "training.ensemble_size",
    "protocol.choose": "training.search_space",
    "protocol.search_space": "training.search_space",
    "protocol.inner": "protocol.search_folds",
    "dino.centre_momentum": "dino.center_momentum",
    "chain": "ssl_distillation",
}
#: Old key -> its old values -> today's values of the key that it became.
VALUES = {
    "training.class_weights": {True: "class_weights", False: "none"},
    "dino.balance": {"centre": "center"},
}
#: Mappings whose keys are keys of a recipe.
_OF_KEYS = (("training", "search_space"), ("student", "changes"))


def key(name: str) -> str:
    """Today's spelling of a dotted key."""
    section, dot, rest = name.partition(".")
    return KEYS.get(name) or KEYS.get(section, section) + dot + rest


def value(name: str, given: Any) -> Any:
    """Today's spelling of a value of the key that was spelled `name`."""
    values = VALUES.get(name, {})
    known = isinstance(given, bool | str) and given in values
    return values[given] if known else given


def renamed(values: Mapping, where: str) -> dict:
    """A recipe's plain values in today's spelling; the argument is left as it is.

    Args:
        values: as read from YAML, of any version and not yet checked.
        where: whose they are, for messages.

    Raises:
        UserError: where a key is given in both spellings, with different values.
    """
    out: dict = {}
    sections: dict = {}
    for name, section in values.items():
        new = KEYS.get(name, name) if isinstance(name, str) else name
        if new != name and new in values:
            raise UserError(f"{where}: '{name}' is the old name of '{new}': give one of them")
        if isinstance(section, Mapping):
            out[new] = {}
            sections[new] = section
        else:
            out[new] = section
    moved: list[tuple[str, str, Any]] = []
    for name, section in sections.items():
        for inner, given in section.items():
            old = f"{name}.{inner}"
            if old in KEYS:
                moved.append((old, KEYS[old], value(old, given)))
            else:
                out[name][inner] = value(old, given)
    for old, new, given in moved:
        name, inner = new.split(".")
        target = out.setdefault(name, {})
        if not isinstance(target, dict):
            continue  # the schema refuses the section
        if inner in target and target[inner] != given:
            raise UserError(f"{where}: '{old}' is the old name of '{new}': give one of them")
        target[inner] = given
    _test_set_selection(out, where)
    for name, inner in _OF_KEYS:
        section = out.get(name)
        if isinstance(section, dict) and isinstance(section.get(inner), Mapping):
            section[inner] = dict(_renamed_item(*item) for item in section[inner].items())
    return out


def _renamed_item(name: Any, given: Any) -> tuple[Any, Any]:
    if not isinstance(name, str):
        return name, given
    if isinstance(given, list):  # the values of a search space
        return key(name), [value(name, each) for each in given]
    return key(name), value(name, given)


def _test_set_selection(values: dict, where: str) -> None:
    """Turn `peek` (whether) and `peek_every` (epochs) into the one number that replaces them."""
    protocol = values.get("protocol")
    if not isinstance(protocol, dict):
        return
    asked, every = protocol.pop("peek", None), protocol.pop("peek_every", None)
    now = protocol.get("test_set_selection", 0)
    if asked is not None and not isinstance(asked, bool):
        raise UserError(f"{where}: protocol.peek: expected true or false, got {asked!r}")
    if asked or (asked is None and every is not None and now):
        protocol["test_set_selection"] = every or now or 1
    elif asked is False:
        protocol["test_set_selection"] = 0

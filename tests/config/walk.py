"""Setting one key of a tiny recipe and comparing what a command computes with and without it."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_mer.cli import check_recipe
from keras_mer.config import recipe as recipes
from keras_mer.config.recipe import Recipe
from keras_mer.config.schema import Section
from keras_mer.config.support import SECTIONS
from keras_mer.cross_validation import jobs
from keras_mer.data import build, inputs
from keras_mer.errors import UserError
from keras_mer.evaluation import plots, report
from keras_mer.training import distillation
from tests import people
from tests.config import walk_commands as commands
from tests.config.walk_table import BASES, KEYS

TOLERANCE = 1e-5


def keys(*sections: str) -> list[str]:
    """Every dotted key of the schema's sections but `model`; of all of them by default."""
    fields = Recipe.model_fields
    return [
        f"{name}.{key}"
        for name in sections or fields
        if isinstance(fields[name].annotation, type)
        and issubclass(fields[name].annotation, Section)
        for key in fields[name].annotation.model_fields
    ]


def command_of(base: str) -> str:
    """The command that a base recipe is for."""
    return base.split()[0]


def keys_of(base: str) -> list[str]:
    """The keys that a base recipe's command reads."""
    return keys(*SECTIONS[command_of(base)])


def different(one: dict, other: dict) -> bool:
    """Whether two results differ by more than the tolerance."""
    return one.keys() != other.keys() or any(_differ(one[k], other[k]) for k in one)


def _differ(a, b) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=TOLERANCE, equal_nan=True)
    return a != b


class Walk:
    """Sets keys in base recipes and compares what commands compute.

    Args:
        home: an empty folder.
    """

    def __init__(self, home: Path):
        self.home = home
        folder = people.write(home / "data", subjects=8, each=6, size=16)
        people.write(home / "other", subjects=6, each=5, size=16)
        # the same pixels with two subjects, in two datasets
        shutil.copyfile(folder / "one-1-0.png", folder / "two-5-0.png")
        self._results: dict[str, dict] = {}
        self._count = 0

    def recipe(self, base: str, values: dict) -> Recipe:
        """A base recipe with other values of dotted keys."""
        command = command_of(base)
        made = {
            "name": "walk",
            "data": {"sources": {"flow-images": str(self.home / "data")}, "vocabulary": "megc3"},
            "split": {"method": "subject", "fractions": [0.5, 0.25, 0.25]},
            **BASES[base],
        }
        if command == "loso":
            made["protocol"] = {"kind": "kfold"}
        recipe = recipes.parse(made, "walk")
        return recipe.changed({k: self._filled(base, v) for k, v in values.items()})

    def _filled(self, base: str, value):
        if isinstance(value, list):
            return [self._filled(base, v) for v in value]
        if isinstance(value, dict):
            return {k: self._filled(base, v) for k, v in value.items()}
        if value == "{start}":
            return str(self.start(base))
        return value.replace("{home}", str(self.home)) if isinstance(value, str) else value

    @cache  # noqa: B019  one walk a module
    def start(self, base: str) -> Path:
        """A run of a base's model with another seed, to start from or to learn from."""
        name = {"loso": "train flow", "loso image": "train", "loso clip": "train clip"}.get(base)
        name = name or (base if base.startswith("train") else "train")
        recipe = self.recipe(name, {"training.seed": 99} if _gradient(name) else {})
        folder = self.home / f"start {name}"
        distillation.train(recipe, self.manifest(recipe), folder)
        return folder

    def assert_honored_or_refused(self, base: str, key: str) -> None:
        """Set one key of a base recipe: the command refuses it, or computes something else."""
        entry, command = KEYS[key], command_of(base)
        if exempt := set(entry.exempt) & {"", base, command}:
            pytest.skip(entry.exempt[exempt.pop()])
        context = {k: v for k, v in entry.context.items() if command not in KEYS[k].refused}
        in_context = bool(context) and _gradient(base)
        refused = self._assert_step(base, key, {}, see=not in_context)
        if command in entry.refused and base in (command, "ssl-kd"):
            assert refused, f"{key} is accepted"
        elif in_context:
            assert not self._assert_step(base, key, context, see=True), (
                f"{key} is refused where it has a meaning"
            )

    def _assert_step(self, base: str, key: str, context: dict, *, see: bool) -> bool:
        """Whether the value is refused; an accepted one must be seen in the result."""
        command = command_of(base)
        default = self._value(self.recipe(base, context), key)
        values = KEYS[key].value if isinstance(KEYS[key].value, tuple) else (KEYS[key].value,)
        messages = []
        for value in values:
            if value == default:
                continue
            try:
                recipe = self.recipe(base, context | {key: value})
                check_recipe(recipe, command)
                if not see:
                    return False
                found = self.compute(base, recipe, key)
            except UserError as error:
                message = str(error)
                assert f"{key}=" in message or f"{key}:" in message, message
                assert "\n" not in message
                messages.append(message)
                continue
            before = self.result(base, context, key)
            assert different(found, before), f"{base}: {key}={value} is ignored"
            return False
        assert messages, f"{key}: the base recipe has this value already"
        return True

    @staticmethod
    def _value(recipe: Recipe, key: str):
        section, name = key.split(".")
        return getattr(getattr(recipe, section), name)

    def result(self, base: str, context: dict, key: str) -> dict:
        """What the command computes without the key, computed once."""
        how = self.how(base, key)
        at = json.dumps([base, how.__name__, context], default=str)
        if at not in self._results:
            self._results[at] = self.compute(base, self.recipe(base, context), key)
        return self._results[at]

    def compute(self, base: str, recipe: Recipe, key: str) -> dict:
        """What the command computes from a recipe, or its part that reads the key."""
        keras.utils.clear_session()
        jobs._estimators.clear()
        self._count += 1
        folder = self.home / f"run-{self._count}"
        try:
            return self.how(base, key)(self, recipe, folder)
        finally:
            keras.config.set_dtype_policy("float32")
            shutil.rmtree(folder, ignore_errors=True)

    def how(self, base: str, key: str) -> Callable[..., dict]:
        """The function that stands for a command in what concerns one key."""
        command, section = command_of(base), key.split(".")[0]
        if section in ("data", "split") and key != "data.preprocessing":
            return {"audit": commands.audit, "loso": commands.load}.get(command, commands.split)
        if command == "train":
            return commands.train
        if command == "loso":
            final = key in ("data.preprocessing", "protocol.search_folds")
            return commands.fit_final if final else commands.cross_validate
        return {
            "transfer": commands.fine_tune, "dino": commands.pretrain, "student": commands.distil,
            "ssl_distillation": commands.chain,
        }.get(section, commands.stages)  # fmt: skip

    def manifest(self, recipe: Recipe):
        """The manifest that a command trains on."""
        return build.manifest_for(recipe, self.home / "manifest.csv", renew=True)


def _gradient(base: str) -> bool:
    return not base.endswith(("flow_kernel", "flow_linear", "svm"))


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """A walk in a fresh folder; clips are the images, several times over with a shift."""

    def clips(manifest, shape, **options):
        images = inputs.LOADERS["image"](manifest, shape[1:], **options)
        return np.stack([np.roll(images, i, 1) for i in range(shape[0])], 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(inputs.LOADERS, "clip", clips)
        for module, name in (  # pictures take longer than these networks
            (report, "draw_curves"), (report, "draw_confusion"), (plots, "draw_history"),
            (plots, "draw_neighbors"), (plots, "draw_embedding"),
        ):  # fmt: skip
            patch.setattr(module, name, lambda *_, **__: None)
        yield Walk(tmp_path_factory.mktemp("walk"))

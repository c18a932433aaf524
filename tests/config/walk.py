"""What each command computes from a tiny recipe, as a mapping that two recipes are compared by."""

import csv
import json
import shutil
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from keras_mer.cli import check_recipe
from keras_mer.config import recipe as recipes
from keras_mer.config.recipe import Recipe
from keras_mer.config.schema import Section
from keras_mer.config.support import SECTIONS
from keras_mer.cross_validation import jobs, runner
from keras_mer.data import build, inputs
from keras_mer.errors import UserError
from keras_mer.evaluation import plots, report
from keras_mer.experiments import ssl_distillation
from keras_mer.training import dino, distillation
from tests import people
from tests.config.walk_table import KEYS

TOLERANCE = 1e-5

_TRAINING = {
    "epochs": 2, "batch": 8, "rate": 0.05, "warmup": 0, "deterministic": True,
}  # fmt: skip
_PLAIN = {"flip": False, "shift": 0, "rotate": 0, "zoom": 0}
_CNN = {
    "name": "cnn", "size": 16, "channels": 3, "stem": 2, "filters": [3], "dropout": 0.0,
    "pool": "average",
}  # fmt: skip
_FLOW = {
    "name": "flow",
    "size": 16,
    "filters": [2, 4],
    "kernel": 3,
    "dropout": 0.0,
    "mirror": False,
}
_CLIP = {
    "name": "cnn_bilstm", "frames": 3, "size": 16, "channels": 3, "units": 3, "dropout": 0.0,
    "encoder": {"name": "lenet", "filters": [2], "units": 4, "dropout": 0.0},
}  # fmt: skip
_GRADIENT = {"training": _TRAINING, "augment": _PLAIN}
_DINO = {
    "epochs": 2, "batch": 8, "rate": 3.0, "warmup": 0, "teacher_momentum": 0.5,
    "temperature_warmup": 1, "freeze": 0, "outputs": 8, "hidden": 8, "bottleneck": 4,
    "local_crops": 1, "nearest": 3,
}  # fmt: skip
#: Base recipes by name, which begins with the command: their sections besides `data` and `split`.
BASES: dict[str, dict] = {
    "split": {"model": _CNN},
    "audit": {"model": _CNN},
    "train": {"model": _CNN, **_GRADIENT},
    "train flow": {"model": _FLOW, **_GRADIENT},
    "train clip": {"model": _CLIP, **_GRADIENT},
    "train flow_kernel": {"model": {"name": "flow_kernel", "size": 16}},
    "train svm": {"model": {"name": "svm", "size": 16}},
    "loso": {"model": _FLOW, **_GRADIENT},
    "loso image": {"model": _CNN, **_GRADIENT},
    "loso clip": {"model": _CLIP, **_GRADIENT},
    "loso flow_kernel": {"model": {"name": "flow_kernel", "size": 16}},
    "loso svm": {"model": {"name": "svm", "size": 16}},
    "ssl-kd": {"model": _CNN, "dino": _DINO, "student": {"model": _CNN | {"stem": 1}}, **_GRADIENT},
}


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
        distillation.learn(recipe, self.manifest(recipe), folder)
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
            return self.how(base, key)(recipe, folder)
        finally:
            keras.config.set_dtype_policy("float32")
            shutil.rmtree(folder, ignore_errors=True)

    def how(self, base: str, key: str) -> Callable[[Recipe, Path], dict]:
        """The function that stands for a command in what concerns one key."""
        command, section = command_of(base), key.split(".")[0]
        if section in ("data", "split") and key != "data.preprocessing":
            return {"audit": self.audit, "loso": self.load}.get(command, self.split)
        if command == "train":
            return self.train
        if command == "loso":
            final = key in ("data.preprocessing", "protocol.search_folds")
            return self.fit_final if final else self.cross_validate
        return {
            "transfer": self.fine_tune, "dino": self.pretrain, "student": self.distil,
            "ssl_distillation": self.chain,
        }.get(section, self.stages)  # fmt: skip

    def manifest(self, recipe: Recipe):
        """The manifest that a command trains on."""
        return build.manifest_for(recipe, self.home / "manifest.csv", renew=True)

    def split(self, recipe: Recipe, folder: Path) -> dict:
        return _rows(self.manifest(recipe))

    def audit(self, recipe: Recipe, folder: Path) -> dict:
        how = build.keywords(recipe)
        del how["drop_duplicates"]
        _, report = build.prepare(how.pop("sources"), near=True, **how)
        return _rows(report.manifest) | {"findings": report.summary()}

    def load(self, recipe: Recipe, folder: Path) -> dict:
        return _rows(runner.load(recipe))

    def train(self, recipe: Recipe, folder: Path) -> dict:
        distillation.learn(recipe, self.manifest(recipe), folder)
        return read_run(folder)

    def cross_validate(self, recipe: Recipe, folder: Path) -> dict:
        scores = runner.run(recipe, runner.load(recipe), folder, jobs=1)
        found: dict = {"scores": str(scores["whole"])}
        for name in ("predictions", "predictions-test-set-selection"):
            if (folder / f"{name}.csv").is_file():
                found[name] = (folder / f"{name}.csv").read_text()
        return found

    def fit_final(self, recipe: Recipe, folder: Path) -> dict:
        runner.fit_final(recipe, runner.load(recipe), folder)
        return read_run(folder)

    def stages(self, recipe: Recipe, folder: Path) -> dict:
        """The settings with which the stages train: `train` shows that training honors them."""
        made = {}
        for kind in ssl_distillation.KINDS:
            own = ssl_distillation.stage(recipe, kind, 0, folder, folder)
            made[kind] = json.dumps([own.augment.model_dump(), own.training.model_dump()])
        return made

    def fine_tune(self, recipe: Recipe, folder: Path) -> dict:
        return self.train(
            ssl_distillation.stage(recipe, "teacher-dino", 0, self.start("train"), folder), folder
        )

    def distil(self, recipe: Recipe, folder: Path) -> dict:
        shutil.copytree(self.start("train"), folder / "teacher-dino-seed0")
        own = ssl_distillation.stage(recipe, "student-distilled", 0, folder, folder)
        return self.train(own, folder / "run")

    def pretrain(self, recipe: Recipe, folder: Path) -> dict:
        dino.pretrain(recipe, self.manifest(recipe), folder)
        return read_run(folder)

    def chain(self, recipe: Recipe, folder: Path) -> dict:
        """What the chain asks of its stages, which are not run."""
        asked: dict = {}

        def stage(learn, recipe, manifest, folder, **_):
            asked[folder.name] = str([(s.path, s.split) for s in manifest])
            return folder

        def export(run, target, variants, **_):
            asked[f"export of {run.name}"] = variants
            return {}

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ssl_distillation.stages, "run", stage)
            patch.setattr(
                ssl_distillation.stages, "predictions", lambda path, manifest, split, **_: (
                    asked.update({f"scores of {path.name}": split}) or manifest.part(split).labels()
                ),
            )  # fmt: skip
            patch.setattr(ssl_distillation.export_run, "export_run", export)
            patch.setattr(ssl_distillation, "_size", lambda *_: {})
            patch.setattr(ssl_distillation, "_nearest", lambda *_: 0.0)
            patch.setattr(ssl_distillation, "table", lambda found: "")
            ssl_distillation.run(recipe, self.manifest(recipe), folder, out=folder / "out")
        return asked


def _gradient(base: str) -> bool:
    return not base.endswith(("flow_kernel", "svm"))


def _rows(manifest) -> dict:
    rows = [(s.path, s.split, s.label, s.duplicate_of) for s in manifest]
    return {"rows": rows, "classes": manifest.classes}


def read_run(folder: Path) -> dict:
    """The results in a run folder, without times: weights, history, best epoch, names of files."""
    found: dict = {"files": sorted(p.name for p in folder.iterdir() if "checkpoint" not in p.name)}
    with zipfile.ZipFile(folder / "model.keras") as archive, archive.open("model.weights.h5") as f:
        h5py.File(f).visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    if (folder / "history.csv").is_file():
        with (folder / "history.csv").open() as f:
            rows = list(csv.DictReader(f))
        for name in rows[0].keys() - {"seconds"}:
            found[f"history {name}"] = np.array([float(row[name]) for row in rows])
    summary = json.loads((folder / "summary.json").read_text())
    found["chosen"] = str(summary.get("chosen")), (summary.get("best") or {}).get("epoch")
    found["tried"] = [score for score in summary.get("tried", []) if isinstance(score, float)]
    if (folder / "preprocessing.json").is_file():
        found["preprocessing"] = (folder / "preprocessing.json").read_text()
    return found


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

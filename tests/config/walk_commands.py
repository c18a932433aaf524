"""What each command computes from a tiny recipe: mappings by which two recipes are compared.

Every function takes the walk (for its manifest and start run), the recipe and an unused folder.
"""

import csv
import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from keras_mer.config.recipe import Recipe
from keras_mer.cross_validation import runner
from keras_mer.data import build
from keras_mer.experiments import ssl_distillation
from keras_mer.training import dino, distillation


def split(walk, recipe: Recipe, folder: Path) -> dict:
    return _rows(walk.manifest(recipe))


def audit(walk, recipe: Recipe, folder: Path) -> dict:
    how = build.keywords(recipe)
    del how["drop_duplicates"]
    _, report = build.prepare(how.pop("sources"), near=True, **how)
    return _rows(report.manifest) | {"findings": report.summary()}


def load(walk, recipe: Recipe, folder: Path) -> dict:
    return _rows(runner.load(recipe))


def train(walk, recipe: Recipe, folder: Path) -> dict:
    distillation.train(recipe, walk.manifest(recipe), folder)
    return read_run(folder)


def cross_validate(walk, recipe: Recipe, folder: Path) -> dict:
    scores = runner.run(recipe, runner.load(recipe), folder, jobs=1)
    found: dict = {"scores": str(scores["whole"])}
    for name in ("predictions", "predictions-test-set-selection"):
        if (folder / f"{name}.csv").is_file():
            found[name] = (folder / f"{name}.csv").read_text()
    return found


def fit_final(walk, recipe: Recipe, folder: Path) -> dict:
    runner.fit_final(recipe, runner.load(recipe), folder)
    return read_run(folder)


def stages(walk, recipe: Recipe, folder: Path) -> dict:
    """The settings with which the stages train: `train` shows that training honors them."""
    made = {}
    for kind in ssl_distillation.MODELS:
        own = ssl_distillation.stage_recipe(recipe, kind, 0, folder, folder)
        made[kind] = json.dumps([own.augment.model_dump(), own.training.model_dump()])
    return made


def fine_tune(walk, recipe: Recipe, folder: Path) -> dict:
    own = ssl_distillation.stage_recipe(recipe, "teacher-dino", 0, walk.start("train"), folder)
    return train(walk, own, folder)


def distil(walk, recipe: Recipe, folder: Path) -> dict:
    shutil.copytree(walk.start("train"), folder / "teacher-dino-seed0")
    own = ssl_distillation.stage_recipe(recipe, "student-distilled", 0, folder, folder)
    return train(walk, own, folder / "run")


def pretrain(walk, recipe: Recipe, folder: Path) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        # two epochs of a few images may collapse, which is no matter of the key that is set
        patch.setattr(dino.CollapseStop, "collapsed", lambda *_: False)
        dino.pretrain(recipe, walk.manifest(recipe), folder)
    return read_run(folder)


def chain(walk, recipe: Recipe, folder: Path) -> dict:
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
        patch.setattr(ssl_distillation, "_knn_accuracy", lambda *_: 0.0)
        patch.setattr(ssl_distillation, "table", lambda found: "")
        ssl_distillation.run(recipe, walk.manifest(recipe), folder, out=folder / "out")
    return asked


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

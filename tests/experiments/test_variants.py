"""Variants are scored on held-out samples, each against the first, seed by seed."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_mer.config import recipe as recipes
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.evaluation import compare
from keras_mer.experiments import variants
from tests.conftest import REPOSITORY

CLASSES = ("angry", "happy")


@pytest.fixture
def manifest(tmp_path):
    samples = [
        Sample(path=f"{split}-{i}.png", label=CLASSES[i % 2], split=split)
        for split in ("train", "validation", "test")
        for i in range(200)
    ]
    return Manifest(tuple(samples), tmp_path, CLASSES)


def test_differences_are_paired_and_from_the_first_variant(manifest, tmp_path, monkeypatch):
    learnt, truth = [], manifest.part("test").labels()

    def run(train, recipe, own, folder, *, cache=None):
        learnt.append((folder.name, recipe.training.seed, recipe.training.imbalance))
        return folder

    def predictions(folder, own, split, *, cache=None):
        assert split == "test"  # epochs are chosen on validation
        wrong = np.random.default_rng(int(folder.name[-1])).random(200) < 0.3
        if folder.name.startswith("better"):
            wrong &= np.arange(200) % 3 > 0  # a third of the mistakes are gone
        return np.where(wrong, 1 - truth, truth)

    monkeypatch.setattr(variants.stages, "run", run)
    monkeypatch.setattr(variants.run_folder, "load_run", lambda folder: (None, manifest))
    monkeypatch.setattr(variants.stages, "predictions", predictions)
    plain = recipes.load("demo")
    better = plain.changed({"training.imbalance": "focal"})
    found = variants.compare(
        {"plain": plain, "better": better}, lambda seed: manifest, tmp_path / "out", seeds=3
    )
    assert learnt == [
        (f"{name}-{seed}", seed, kind)
        for seed in range(3)
        for name, kind in (("plain", "none"), ("better", "focal"))
    ]
    first, second = found["variants"]["plain"], found["variants"]["better"]
    assert "difference" not in first
    value, low, high = second["difference"]["accuracy"]
    assert value == pytest.approx(second["accuracy"][0] - first["accuracy"][0], abs=1e-4)
    assert value == pytest.approx(
        np.mean(second["of_each_seed"]) - np.mean(first["of_each_seed"]), abs=1e-4
    )
    assert 0 < low < value < high  # paired: narrower than either score's own
    assert high - low < first["accuracy"][2] - first["accuracy"][1]
    assert json.loads((tmp_path / "out/variants.json").read_text()) == found
    page = (tmp_path / "out/variants.md").read_text()
    assert "| plain |" in page and f"{100 * value:+.1f} [" in page and "3 seeds" in page


@pytest.mark.parametrize(
    ("script", "options", "names"),
    [
        (
            "transfer_worth",
            ["--pretrain", "demo", "--recipe", "demo", "--share", "0.2", "--epochs", "1",
             "--head-epochs", "1"],
            ["scratch", "extract", "finetune"],
        ),
        (
            "imbalance_worth",
            ["--recipe", "demo", "--share", "0.2"],
            ["none", "class_weights", "balanced_sampling", "focal"],
        ),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_the_scripts_train_every_variant(
    script, options, names, tiny_dataset, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    small = ["training.epochs=1", "model.size=24", "model.stem=4", "model.filters=[8]",
             f"data.sources={{synthetic: {tiny_dataset}}}"]  # fmt: skip
    settings = [x for value in small for x in ("--set", value)]
    main = runpy.run_path(str(REPOSITORY / f"scripts/{script}.py"))["main"]
    command = [script, *options, *settings, "--seeds", "1", "--out", "out"]
    monkeypatch.setattr(sys, "argv", command)
    main()
    assert "wrote out/variants.md" in capsys.readouterr().out
    found = json.loads((tmp_path / "out/variants.json").read_text())
    assert list(found["variants"]) == names and found["split"] == "test"
    runs = [compare.read(tmp_path / f"out/{name}-0", "test") for name in names]
    assert all(Path(sample).is_file() for run in runs for sample in run.samples)
    for name in names:
        recipe = recipes.load(tmp_path / f"out/{name}-0/recipe.yaml")
        if script == "imbalance_worth":
            assert recipe.training.imbalance == name
        else:
            assert (recipe.transfer.weights == "none") == (name == "scratch")
            assert (recipe.transfer.unfreeze == 0) == (name == "extract")

"""Every registered model goes through every command, on small drawn data of its kind."""

import csv
import json

import numpy as np
import pytest

from keras_mer import models, synthetic
from keras_mer.runtime import card
from keras_mer.runtime.interpreter import TFLiteModel
from tests.commands import run_here
from tests.models.test_models import SMALL


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Faces, clips in SMIC's layout and their flow images, drawn."""
    home = tmp_path_factory.mktemp("home")
    synthetic.write_samples(home / "faces", count=140, subjects=10, size=32)
    synthetic.write_smic(
        home / "smic", count=36, subjects=6, size=64, intensity=0.8, duration=(0.1, 0.15)
    )
    done = run_here("flow", "--data", "smic=smic", "--out", "flow", "--side", 28,
                    "--face-side", 48, cwd=home)  # fmt: skip
    assert not done.returncode, done.stderr
    return home


def recipe_of(name: str) -> dict:
    """A recipe for the model on the drawn data of its kind."""
    source, vocabulary = {
        "image": ({"synthetic": "faces"}, "fer7"),
        "clip": ({"smic": "smic"}, "megc3"),
        "flow": ({"flow-images": "flow"}, "megc3"),
    }[models.kind(name)]
    made = {
        "name": name,
        "data": {"sources": source, "vocabulary": vocabulary},
        "split": {"method": "subject", "fractions": [0.5, 0.25, 0.25]},
        "model": {"name": name} | {k: v for k, v in SMALL[name].items() if k != "anchors"},
    }
    if name in ("flow_kernel", "flow_linear", "svm"):
        return made
    return made | {
        "augment": {"shift": 0.05, "rotate": 0, "zoom": 0},
        "training": {"epochs": 2, "batch": 8, "optimizer": "adamw", "rate": 0.01, "warmup": 0},
    }


#: One model of each kind and the linear one run by default, the others in the slow tests.
NAMES = [
    name
    if name in ("lenet", "cnn_bilstm", "flow", "svm")
    else pytest.param(name, marks=pytest.mark.slow)
    for name in models.names()
]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_works(name, home, quick_int8):
    (home / f"{name}.yaml").write_text(json.dumps(recipe_of(name)))
    run, saved = f"runs/{name}", f"saved_models/{name}"

    def command(script, *arguments):
        done = run_here(script, *arguments, cwd=home)
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    recipe = ("--recipe", f"{name}.yaml")
    command("split", *recipe)
    assert "identical" in command("audit", *recipe)
    command("train", *recipe, "--run", run)
    command("evaluate", "--run", run)
    with (home / run / "evaluation-test/predictions.csv").open() as f:
        rows = list(csv.DictReader(f))
    scores = json.loads((home / run / "evaluation-test/metrics.json").read_text())
    right = sum(row["truth"] == row["prediction"] for row in rows)
    assert scores["whole"]["accuracy"][0] == pytest.approx(right / len(rows), abs=1e-4)
    command("export", "--run", run, "--allow-loss")
    found = card.read(home / saved)
    assert found.task == models.kind(name)
    assert (found.preprocessing is None) == (found.task == "image")
    for variant in found.variants:
        model = TFLiteModel(found.file(variant))
        assert model.input_shape == found.input_shape
        limit = 0.1 if variant in ("int8", "dynamic") else 0.01
        assert found.variants[variant]["max_difference"] < limit, variant
    command("explain", "--run", run, "--count", 4)
    assert (home / run / "explain-validation/means.png").stat().st_size > 5000
    maps = np.load(home / run / "explain-validation/means.npz")["maps"]
    assert maps.shape == (len(found.classes), *found.input_shape[:-1])
    assert "accuracy" in command("compare", run, run, "--split", "test")
    images = next((home / "faces").rglob("*.png")) if found.task == "image" else "smic"
    how = ["--no-detect"] if found.task == "image" else ["--whole"]
    command("predict", images, "--model", saved, *how, "--json", "out.json")
    label = json.dumps(json.loads((home / "out.json").read_text()))
    assert any(cls in label for cls in found.classes)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in models.names() if models.kind(n) != "image"])
def test_cross_validation_and_its_final_model_work(name, home):
    (home / f"{name}-loso.yaml").write_text(
        json.dumps({k: v for k, v in recipe_of(name).items() if k != "split"})
    )
    done = run_here("loso", "--recipe", f"{name}-loso.yaml", "--run", f"runs/{name}-loso",
                    "--protocol", "kfold", "--set", "protocol.folds=3", "--jobs", 1, "--final",
                    cwd=home)  # fmt: skip
    assert not done.returncode, done.stdout + done.stderr
    scores = json.loads((home / f"runs/{name}-loso/metrics.json").read_text())
    assert scores["whole"]["clips"] == 36
    assert (home / f"runs/{name}-loso/model.keras").is_file()

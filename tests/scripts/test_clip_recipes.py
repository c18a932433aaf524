"""The recipes over clips, as typed on a fresh clone: without a dataset, clips are drawn."""

import json

import pytest

from keras_mer.data import drawn
from tests.commands import run_here

SMALL = (
    "model.frames=4", "model.size=16", "model.units=4",
    "model.encoder={name: lenet, filters: [4, 4], units: 4}", "training.epochs=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A working folder in which few and short clips are drawn."""
    look = {"size": 24, "duration": (0.08, 0.1), "rest": 2, "jobs": 1}
    counts = {"casme2": 25, "smic": 15, "samm": 25}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "LOOK", look)
        small = {n: v | {"count": counts[n], "subjects": 5} for n, v in drawn.DEFAULTS.items()}
        patch.setattr(drawn, "DEFAULTS", small)
        yield tmp_path_factory.mktemp("clips")


def command(home, script, *arguments):
    done = run_here(script, *arguments, cwd=home)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name",
    ["smic", *(pytest.param(n, marks=pytest.mark.slow) for n in ("casme2", "samm", "megc2019"))],
)
def test_a_recipe_trains_and_is_evaluated_on_drawn_clips(name, home):
    recipe, run = f"{name}-cnn-bilstm", f"runs/{name}-cnn-bilstm"
    options = [word for value in SMALL for word in ("--set", value)]
    printed = command(home, "train", "--recipe", recipe, *options)
    assert "using drawn clips in the same layout" in printed.splitlines()[0]
    assert (home / f"data/manifests/{recipe}-drawn.csv").is_file()
    assert f"# {recipe}-drawn on test" in command(home, "evaluate", "--run", run)
    found = json.loads((home / f"{run}-drawn/evaluation-test/metrics.json").read_text())
    classes = {"casme2": 5, "samm": 5}.get(name, 3)
    assert len(found["classes"]) == classes and found["whole"]["samples"] >= classes
    assert not (home / run).exists() and not (home / "data" / name).exists()


@pytest.mark.slow
def test_the_card_says_drawn_and_people_are_left_out(home, quick_int8):
    options = [word for value in SMALL for word in ("--set", value)]
    command(home, "train", "--recipe", "smic-cnn-bilstm", *options)
    command(home, "export", "--run", "runs/smic-cnn-bilstm", "--allow-loss")
    card = json.loads((home / "saved_models/smic-cnn-bilstm-drawn/card.json").read_text())
    assert card["name"] == "smic-cnn-bilstm-drawn"
    printed = command(home, "loso", "--recipe", "smic-cnn-bilstm", *options, "--jobs", 1)
    assert "smic-cnn-bilstm-drawn" in printed
    found = json.loads((home / "runs/smic-cnn-bilstm-drawn-loso/metrics.json").read_text())
    assert found["subjects"] == 5


def test_real_makes_a_missing_dataset_an_error(home):
    for extra in ("--real", "--data=nowhere"):
        done = run_here("split", "--recipe", "samm-cnn-bilstm", extra, cwd=home)
        assert done.returncode == 2 and "error: no samm dataset at" in done.stderr


def test_clips_are_drawn_by_command(home):
    small = ("--count", 3, "--subjects", 1, "--size", 24, "--duration", 0.08, 0.1, "--jobs", 1)
    printed = command(home, "clips", "--layout", "smic", "--fps", 25, "--out", "mine", *small)
    assert "wrote 3 clips to mine" in printed
    assert (home / "mine/SMIC_all_cropped/VIS/s1/micro").is_dir()
    done = run_here("clips", "--layout", "samm", "--out", "x", "--fps", 30, cwd=home)
    assert "samm has clips of 200 frames per second, not 30" in done.stderr
    done = run_here("clips", "--layout", "smic", "--out", "x", "--classes", "happy", cwd=home)
    assert done.returncode == 2 and "SMIC has no class 'happy'" in done.stderr

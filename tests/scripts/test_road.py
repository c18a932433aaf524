"""The scripts in a row, as the make targets call them, on a tiny dataset."""

import json

import pytest

from keras_mer import synthetic
from keras_mer.config import recipe as recipes
from keras_mer.evaluation import disturbances
from tests.commands import run, run_here
from tests.conftest import tiny_recipe


@pytest.fixture(scope="module")
def road(tiny_dataset, tmp_path_factory):
    """Split, train, evaluate, export; everything they print, and the folder they wrote to."""
    home = tmp_path_factory.mktemp("road")
    tiny_recipe(tiny_dataset, epochs=6, rate=0.05, warmup=0).write(home / "tiny.yaml")
    printed = {}
    for script, *arguments in (
        ("split", "--recipe", "tiny.yaml"),
        ("train", "--recipe", "tiny.yaml"),
        ("evaluate", "--run", "runs/demo", "--disturbances"),
        ("export", "--run", "runs/demo", "--out", "model", "--allow-loss"),
    ):
        done = run(script, *arguments, cwd=home)
        assert done.returncode == 0, done.stdout + done.stderr
        printed[script] = done.stdout
    return home, printed


def test_every_step_leaves_what_the_next_one_needs(road):
    home, printed = road
    assert (home / "data/manifests/demo.csv").is_file()
    assert "/" + str(home).strip("/") not in (home / "data/manifests/demo.csv").read_text()
    metrics = json.loads((home / "runs/demo/evaluation-test/metrics.json").read_text())
    accuracy = metrics["whole"]["accuracy"][0]
    assert f"{100 * accuracy:.1f} %" in printed["evaluate"]
    card = json.loads((home / "model/card.json").read_text())
    assert card["scores"]["test"]["whole"]["accuracy"][0] == accuracy
    assert card["scores"]["test"]["whole"]["recall"].keys() == set(card["classes"])
    assert card["scores"]["test"]["disturbances"]["cost"].keys() == disturbances.DISTURBANCES.keys()
    assert "| blur, sigma 1 |" in printed["evaluate"]
    assert recipes.load(home / "tiny.yaml").to_dict() == card["training"]["recipe"]
    assert "| int8 |" in printed["export"]


def test_the_exported_file_predicts_on_the_split_what_the_evaluation_says(road, tiny_dataset):
    home, _ = road
    lines = (home / "runs/demo/evaluation-test/predictions.csv").read_text().splitlines()[1:]
    chosen = {line.split(",")[0].split("images/")[1]: line.split(",")[3] for line in lines}
    files = [tiny_dataset / "images" / name for name in list(chosen)[:30]]
    done = run("predict", *files, "--no-detect", "--model", home / "model",
               "--variant", "float32", "--json", home / "out.json", cwd=home)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.dumps(json.loads((home / "out.json").read_text()))
    got = [image["faces"][0]["label"] for image in json.loads(found)["images"]]
    assert got == [chosen[f.name] for f in files]


def test_training_is_distillation_where_the_recipe_names_teachers(road):
    home, _ = road
    done = run_here(
        "train", "--recipe", "tiny.yaml", "--run", "runs/taught",
        "--set", "student.teachers=[runs/demo]", "--set", "training.epochs=1", cwd=home,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    assert "distilling from cnn (" in done.stdout and (home / "runs/taught/model.keras").is_file()


def test_a_second_look_at_the_test_split_is_said(road):
    home, printed = road
    assert "evaluated on its test split" not in printed["evaluate"]
    again = run_here("evaluate", "--run", "runs/demo", "--split", "test", cwd=home)
    assert "on its test split 2 times" in again.stdout


def test_a_run_and_an_exported_model_are_evaluated_on_another_dataset(road):
    home, _ = road
    own = (home / "runs/demo/evaluation-test/metrics.json").read_bytes()
    looks = (home / "runs/demo/test-looks.txt").read_bytes()
    synthetic.write_jaffe(home / "jaffe", 56, 4, size=48, seed=7)
    data = ("--data", f"jaffe={home / 'jaffe'}")
    done = run_here("evaluate", "--run", "runs/demo", *data, cwd=home)
    assert not done.returncode, done.stderr
    assert "# demo on jaffe-all" in done.stdout and "bootstrap over subjects" in done.stdout
    found = json.loads((home / "runs/demo/evaluation-jaffe-all/metrics.json").read_text())
    assert found["whole"]["samples"] == 56
    assert (home / "runs/demo/evaluation-test/metrics.json").read_bytes() == own
    assert (home / "runs/demo/test-looks.txt").read_bytes() == looks
    done = run_here("evaluate", "--run", "model", *data, "--flip", cwd=home)
    assert not done.returncode, done.stderr
    assert "- what the model was trained on is unknown here" in done.stdout
    page = home / "data/evaluations/model/evaluation-jaffe-all/metrics.json"
    assert json.loads(page.read_text())["whole"] == found["whole"]


def test_errors_are_one_line_without_a_traceback(road, tmp_path):
    home, _ = road
    tiny = ("train", "--recipe", "tiny.yaml")
    for how, arguments, message in (
        (run, ("train", "--recipe", "fer2013-cnn", "--data", "nowhere"), "nowhere"),
        (run_here, (*tiny, "--set", "training.epocs=1"), "did you mean 'epochs'"),
        (run_here, (*tiny, "--set", "training.rate=1"), "training.rate = 0.05"),
        (run_here, ("evaluate", "--run", "runs/nothing"), "no run at runs/nothing"),
        (run_here, ("evaluate", "--run", "runs/demo", "--split", "all"), "--data SOURCE=PATH"),
        (run_here, ("evaluate", "--run", "runs/demo", "--data", "jaffe"), "expected SOURCE=PATH"),
        (run_here, ("export", "--run", tmp_path), "no run at"),
    ):
        done = how(*arguments, cwd=home)
        assert done.returncode == 2, done.stdout + done.stderr
        (line,) = [x for x in done.stderr.splitlines() if x.startswith("error:")]
        assert message in line
        assert "Traceback" not in done.stderr

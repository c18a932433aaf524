"""`make train` with a search space, an ensemble, and models fitted in closed form."""

import json

import numpy as np
import pytest

from keras_mer.data import build
from keras_mer.errors import UserError
from keras_mer.evaluation import evaluate
from keras_mer.models import saving
from keras_mer.training import trainer
from tests.people import TINY, recipe, write

KERNEL = {"name": "flow_kernel", "size": 12, "smooth": 0}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Flow images of eight people, split by subject: a function from a recipe to its manifest."""
    folder = write(tmp_path_factory.mktemp("flow") / "people")

    def manifest_of(settings):
        spec = {"flow-images": str(folder)}
        return build.build(spec, vocabulary="megc3", split="subject", fractions=(0.5, 0.25, 0.25))[
            0
        ]

    return manifest_of


def train(settings, made, folder):
    manifest = made(settings)
    model = saving.load_model(trainer.train(settings, manifest, folder), manifest.classes)
    summary = json.loads((folder / "summary.json").read_text())
    part = manifest.part("validation")
    found = evaluate.evaluate(model, manifest, "validation", kind="flow")
    assert found.scores["whole"]["accuracy"][0] == pytest.approx(
        summary["best"]["val_accuracy"], abs=1e-3
    )
    assert len(found.probabilities) == len(part)
    return model, summary


@pytest.mark.parametrize("model", [KERNEL, {"name": "svm", "size": 12}], ids=lambda m: m["name"])
def test_a_closed_form_model_is_trained_like_any_other(model, made, tmp_path):
    _, summary = train(recipe(model), made, tmp_path)
    assert summary["epochs"] == 1 and (tmp_path / "history.csv").is_file()
    again = (tmp_path / "model.keras").stat().st_mtime_ns
    trainer.train(recipe(model), made(None), tmp_path)  # the same command is no error
    assert (tmp_path / "model.keras").stat().st_mtime_ns >= again


def test_the_search_keeps_the_candidate_that_is_best_on_validation(made, tmp_path):
    space = {"model.reach": [1e4, 0.5], "model.ridge": [0.1]}
    model, summary = train(recipe(KERNEL, {"search_space": space}), made, tmp_path)
    assert summary["chosen"] == {"model.reach": 0.5, "model.ridge": 0.1}
    scores = [t["best"]["val_accuracy"] for t in summary["tried"]]
    assert len(scores) == 2 and scores[1] == max(scores)
    alone, _ = train(recipe(KERNEL | {"reach": 0.5, "ridge": 0.1}), made, tmp_path / "alone")
    for a, b in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_an_ensemble_is_the_mean_of_its_members_each_with_a_run_of_its_own(made, tmp_path):
    model, _ = train(recipe(TINY, {"ensemble_size": 2, "epochs": 2}), made, tmp_path)
    files = [tmp_path / f"member-{i}/model.keras" for i in (1, 2)]
    x = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3)).astype(np.float32)
    members = [saving.load_model(file).predict(x, verbose=0) for file in files]
    assert np.abs(members[0] - members[1]).max() > 1e-3
    np.testing.assert_allclose(model.predict(x, verbose=0), np.mean(members, axis=0), atol=1e-5)
    assert (tmp_path / "member-2/curves.png").is_file()


def test_a_search_over_the_data_is_refused(made, tmp_path):
    space = {"model.size": [12, 14]}
    with pytest.raises(UserError, match="training.search_space: .*changes the shape of the input"):
        trainer.train(recipe(TINY, {"search_space": space}), made(None), tmp_path)

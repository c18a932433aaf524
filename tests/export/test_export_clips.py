"""Models of clips and of flow: learnt from everybody, exported, and shown by the runtime the very
input that they learnt from."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.config import recipe as recipes
from keras_mer.cross_validation import runner
from keras_mer.data import build, flow_dataset
from keras_mer.errors import UserError
from keras_mer.evaluation import report
from keras_mer.export import export_run
from keras_mer.face import motion
from keras_mer.face.detect import HaarDetector
from keras_mer.kinds import Preprocessing
from keras_mer.models import saving
from keras_mer.runtime import Recogniser, card
from keras_mer.runtime.io.clip_reader import open_clip
from keras_mer.runtime.spotting import Spotter
from tests.people import TINY, recipe, write


@pytest.fixture(scope="module")
def smic(tmp_path_factory):
    """Six clips of three people, cut from onset to offset as SMIC's are."""
    folder = tmp_path_factory.mktemp("clips") / "smic"
    synthetic.write_smic(folder, count=6, subjects=3, size=80, intensity=0.6, duration=(0.1, 0.2))
    return folder


def bilstm(smic):
    values = {
        "name": "small",
        "data": {"sources": {"smic": str(smic)}, "vocabulary": "megc3"},
        "model": {
            "name": "cnn_bilstm", "frames": 5, "size": 24, "units": 6, "dropout": 0.1,
            "encoder": {"name": "lenet", "filters": [4, 8], "units": 12, "dropout": 0.1},
        },
        "augment": {"flip": False, "shift": 0, "rotate": 0, "zoom": 0},
        "training": {"epochs": 2, "batch": 6, "optimizer": "adamw", "rate": 1e-3, "warmup": 0},
    }  # fmt: skip
    return recipes.parse(values, "test")


def loaded(made):
    return build.load_sources(made.data.sources, made.data.vocabulary)


def test_a_clip_model_goes_from_loso_to_a_prediction(smic, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = bilstm(smic)
    runner.fit_final(made, loaded(made), "runs/small")
    notes = {"intended_use": "tests"}
    written = export_run.export_run("runs/small", variants=("float32",), notes=notes)
    assert written["notes"] == notes
    read = card.read("saved_models/small")
    assert (read.task, read.input_shape, read.face_margin) == ("clip", (5, 24, 24, 1), 0.15)
    made_by = read.preprocessing
    assert (made_by.side, made_by.register, made_by.origin) == (24, True, "recorded")
    assert written["parity"] == {"split": "train", "samples": 6} | {
        "keras_accuracy": written["parity"]["keras_accuracy"]
    }
    assert "this checks the files and is no score" in report.parity(written)
    assert written["variants"]["float32"]["max_difference"] < 1e-5
    # the runtime says of a clip what Keras says of the input that training read
    manifest = loaded(made)
    inputs = runner.load_samples(made, manifest).inputs.astype(np.float32)
    model = saving.load_model("runs/small", manifest.classes)
    expected = model.predict(inputs, verbose=0)
    spotter = Spotter(Recogniser.load("saved_models/small", variant="float32"))
    for sample, wanted in zip(manifest, expected, strict=True):
        clip = open_clip(manifest.root / sample.path)  # 100 frames a second, as SMIC's
        interval = spotter.classify(list(clip), clip.fps)
        got = [interval.expression.probabilities[name] for name in manifest.classes]
        np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_a_flow_model_is_shown_the_flow_images_that_flow_py_writes(smic):
    manifest = loaded(bilstm(smic))
    seen = []
    made = Preprocessing("dis", 128, 0.15, True, "removed")
    fake = SimpleNamespace(task="flow", name="fake", height=28, preprocessing=made, notice="")
    spotter = Spotter(SimpleNamespace(card=fake, detector=HaarDetector(), predict_flow=seen.append))
    for sample in manifest.samples[:3]:
        clip = open_clip(manifest.root / sample.path)
        spotter.classify(list(clip), clip.fps)
        moved = flow_dataset.rise(manifest, sample)
        np.testing.assert_array_equal(seen.pop(), motion.flow_image(moved.flow, moved.strain))


def test_an_ensemble_of_flow_models_is_exported_with_its_score(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "people", subjects=6)
    made = recipe(TINY, {"epochs": 2, "ensemble_size": 2})
    manifest = loaded(made)
    runner.run(made, manifest, "runs/people", jobs=1)
    with pytest.raises(UserError, match="holds the scores of folds, no model; make loso RECIPE=pe"):
        export_run.export_run("runs/people")
    runner.fit_final(made, manifest, "runs/people")
    record = Preprocessing("dis", 96, 0.3, True, "kept", "haar")
    record.write("runs/people")
    written = export_run.export_run("runs/people", variants=("float16", "int8"), allow_loss=True)
    assert written["default_variant"] == "float16"  # what int8 costs cannot be seen on these clips
    whole = json.loads((tmp_path / "runs/people/metrics.json").read_text())["whole"]
    assert written["scores"] == {"loso": {k: whole[k] for k in ("clips", "macro_f1", "uar")}}
    read = card.read("saved_models/people")
    assert (read.task, read.input_shape) == ("flow", (12, 12, 3))
    assert read.preprocessing == record and read.face_margin == 0.3
    assert (written["input"]["flow"], written["input"]["face_side"]) == ("dis", 96)
    recogniser = Recogniser.load("saved_models/people")
    said = recogniser.predict_flow(np.full((12, 12, 3), 128, np.uint8))
    assert sum(said.probabilities.values()) == pytest.approx(1, abs=0.02)

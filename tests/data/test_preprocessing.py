"""The preprocessing record, from the data to the reader of a video."""

import json
import logging

import pytest

from keras_mer import synthetic
from keras_mer.config import recipe as recipes
from keras_mer.data import build, flow_dataset, preprocessing, sources
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.export import tflite
from keras_mer.files import write_json
from keras_mer.kinds import Preprocessing
from keras_mer.runtime import card as cards
from keras_mer.runtime import spotting
from keras_mer.runtime.card import read as read_card

STATED = {"flow": "dis", "side": 64, "margin": 0.3, "register": False, "head_motion": "kept"}
STATED |= {"basis": "a paper"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of flow images made differently, and a third made elsewhere, without a record."""
    root = tmp_path_factory.mktemp("sources")
    synthetic.write_smic(root / "smic", count=3, subjects=3, size=80, duration=(0.1, 0.15))
    manifest = sources.load("smic", root / "smic")
    how = {"margin": 0.3, "register": False, "head": False}
    flow_dataset.write(manifest, root / "a", side=64, **how)
    flow_dataset.write(manifest, root / "b", side=96, **how)
    flow_dataset.write(manifest, root / "c", side=64, **how)
    (root / "c" / "preprocessing.json").unlink()
    return root


def made(folders, *names, stated=None, model="flow"):
    values = {name: {"path": str(folders / name), "source": "flow-images"} for name in names}
    data = {"sources": values, "vocabulary": "megc3", "preprocessing": stated}
    return recipes.parse({"name": "mine", "data": data, "model": {"name": model}}, "test")


def of(recipe):
    manifest = build.load_sources(recipe.data.sources, recipe.data.vocabulary)
    return preprocessing.of(recipe, manifest)


def test_flow_images_carry_the_record_of_how_they_were_made(folders, tmp_path):
    found = of(made(folders, "a"))
    assert (found.flow, found.side, found.margin, found.register) == ("dis", 64, 0.3, False)
    assert (found.head_motion, found.detector, found.origin) == ("kept", "haar", "recorded")
    assert found.opencv and found.keras_mer
    recipe = made(folders, "a")  # a manifest elsewhere, as training reads it
    build.load_sources(recipe.data.sources, "megc3").write(tmp_path / "m.csv")
    assert preprocessing.of(recipe, Manifest.read(tmp_path / "m.csv")) == found


def test_unknown_and_stated(folders):
    assert of(made(folders, "c")) is None
    found = of(made(folders, "c", stated=STATED))
    assert (found.origin, found.basis, found.side) == ("stated", "a paper", 64)
    assert of(made(folders, "a", stated=STATED)).origin == "recorded"  # they agree
    assert of(made(folders, "a", "c")) is None
    assert of(made(folders, "a", "c", stated=STATED)).origin == "stated"
    assert of(made(folders, "c", stated=STATED, model="svm")).origin == "stated"


@pytest.mark.parametrize(
    ("names", "change", "message"),
    [
        (("a", "b"), None, r"b and \S+a were made with different preprocessing: side 96 and 64"),
        ("a", {"margin": 0.1}, r"margin 0\.1 contradicts \S+a/preprocessing\.json, which has 0\.3"),
        ("c", {"margn": 0.1}, r"mine: data\.preprocessing: unknown key 'margn' \(did you mean"),
        ("c", {"basis": ""}, "basis: a stated preprocessing needs a text"),
        ("c", {"origin": "recorded"}, "origin: a recipe can only state it"),
        ("c", {"flow": "", "head_motion": ""}, "flow: 'flow' reads flow, so name its method"),
    ],
)
def test_contradictions_are_refused(folders, names, change, message):
    stated = STATED | change if change else None
    with pytest.raises(UserError, match=message):
        of(made(folders, *names, stated=stated))


def test_clips_are_made_by_their_loader_and_images_by_nobody():
    nothing = Manifest((), build.Path(), ("happy", "sad"))
    values = {"name": "m", "data": {"sources": {"smic": "x"}}, "model": {"name": "cnn_bilstm"}}
    values["model"]["size"] = 40
    clip = preprocessing.of(recipes.parse(values, "test"), nothing)
    assert (clip.flow, clip.side, clip.margin, clip.register) == ("", 40, 0.15, True)
    values["data"]["preprocessing"] = {"flow": "", "side": 40, "margin": 0.2, "register": True}
    values["data"]["preprocessing"]["basis"] = "a paper"
    with pytest.raises(UserError, match="margin 0.2 contradicts the clip loader, which has 0.15"):
        preprocessing.of(recipes.parse(values, "test"), nothing)
    values["model"] = {"name": "lenet"}
    with pytest.raises(UserError, match="'lenet' reads images, which have none"):
        preprocessing.of(recipes.parse(values, "test"), nothing)
    del values["data"]["preprocessing"]
    assert preprocessing.of(recipes.parse(values, "test"), nothing) is None


def test_the_published_flow_states_its_preprocessing(tmp_path):
    for name in ("megc2019-flow", "megc2019-cnn", "megc2019-ststnet", "megc2019-svm"):
        found = preprocessing.of(recipes.load(name), Manifest((), tmp_path, ("a", "b")))
        assert (found.flow, found.side, found.margin, found.register) == ("dis", 128, 0.15, True)
        assert found.head_motion == "removed" and "published images" in found.basis


def exported(folder, record):
    """A flow model's card as an export writes it, beside a file that is never run."""
    import keras

    entry = {"height": 12, "width": 12, "channels": 3, "range": [0, 255], "face_margin": 0.0}
    model = keras.Sequential([keras.Input((12, 12, 3)), keras.layers.Flatten()])
    entry |= tflite._input_entries("flow", model, record)
    card = {"name": "mine", "format": 1, "task": "flow", "classes": ["a", "b"], "input": entry}
    write_json(folder / cards.FILE, card | {"variants": {}, "default_variant": "int8"})
    return read_card(folder)


class Fake:
    """What a reader of video needs of a recogniser."""

    def __init__(self, card, detector="haar"):
        from keras_mer.face.detect import HaarDetector

        self.card, self.detector = card, HaarDetector()
        self.detector.name = detector

    def predict_flow(self, image):
        return image


@pytest.mark.parametrize("origin", ["recorded", "stated"])
def test_the_runtime_computes_flow_as_the_card_says(folders, tmp_path, monkeypatch, caplog, origin):
    seen = []

    def prepare(images, side, margin, **options):
        seen.append((side, margin, options["register"]))
        return real(images, side, margin, **options)

    def flow_and_strain(first, second, method, *, head):
        seen.append((method, head))
        return compute(first, second, method, head=head)

    real, compute = spotting.prepare, spotting.motion.flow_and_strain
    monkeypatch.setattr(spotting, "prepare", prepare)
    monkeypatch.setattr(spotting.motion, "flow_and_strain", flow_and_strain)
    of(made(folders, "a")).write(tmp_path)  # a run copies it
    record = Preprocessing.read(tmp_path)
    if origin == "stated":
        record = of(made(folders, "c", stated=STATED))
    card = exported(tmp_path, record)
    assert card.preprocessing == record
    reader = spotting.Spotter(Fake(card), cropped=True)
    frames = list(synthetic.draw_clip(3, "surprise", 0.5, 1, 4, 8, 9, 50.0, 100).frames)
    reader.classify(frames, 50)
    assert seen == [(64, 0.3, False), ("dis", False)]
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    wanted = "mine: its preprocessing is stated, not recorded (a paper)"
    assert lines == ([wanted] if origin == "stated" else [])


def test_another_detector_is_said_and_an_unknown_preprocessing_refused(folders, tmp_path, caplog):
    card = exported(tmp_path, of(made(folders, "a")))
    spotting.Spotter(Fake(card, "yunet"))
    (line,) = caplog.messages
    assert line == "mine: it learned from faces found by 'haar', here 'yunet' finds them"
    unknown = exported(tmp_path, None)
    with pytest.raises(UserError, match=r"mine cannot run on video: how the flow images .* state"):
        spotting.Spotter(Fake(unknown))


def test_the_export_refuses_a_record_of_another_kind(folders, tmp_path):
    with pytest.raises(UserError, match="flow '' does not belong to a flow model"):
        exported(tmp_path, preprocessing.clip_defaults(12))


def test_a_card_of_an_earlier_version_runs_as_before(tmp_path, folders, caplog):
    card = exported(tmp_path, of(made(folders, "a")))
    value = json.loads((tmp_path / cards.FILE).read_text())
    del value["input"]["preprocessing"]
    write_json(tmp_path / cards.FILE, value)
    old = read_card(tmp_path).preprocessing
    assert (old.flow, old.side, old.margin) == (card.preprocessing.flow, 64, 0.3)
    assert old.register and old.head_motion == "removed"
    spotting.Spotter(Fake(read_card(tmp_path), "yunet"))
    assert not caplog.records

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from keras_mer import images
from keras_mer.data import fingerprints
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from keras_mer.evaluation import across, evaluate

#: The model's classes; the other dataset has no fear, and contempt, which the model does not have.
CLASSES = ("angry", "fear", "happy", "sad")
LEVELS = {"angry": 40, "happy": 120, "sad": 160, "contempt": 220}


def picture(label, seed):
    noise = np.random.default_rng(seed).integers(-40, 41, (8, 8)) + seed % 7
    return np.clip(LEVELS[label] + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def other(tmp_path):
    """Class folders train/ and test/, 5 and 10 images a class, named by person."""
    for i, label in enumerate(LEVELS):
        for k in range(15):
            part = "test" if k < 10 else "train"
            path = tmp_path / f"other/{part}/{label}/p{k % 5}_{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write(path, picture(label, 100 * i + k))
    return tmp_path / "other"


@pytest.fixture
def own(tmp_path):
    """What the run learned from: two of its training images are in the other test part."""
    rows = [("a", "angry", 0, "train"), ("b", "happy", 101, "train"), ("g", "fear", 999, "train"),
            ("c", "sad", 203, "validation"), ("d", "sad", 204, "test"), ("e", "sad", 205, "test"),
            ("f", "sad", 206, "dropped")]  # fmt: skip
    samples = []
    for name, label, seed, split in rows:
        shown = label if label in LEVELS else "sad"
        images.write(tmp_path / f"own/{name}.png", picture(shown, seed))
        samples.append(Sample(f"{name}.png", label, split=split))
    manifest = Manifest(tuple(samples), tmp_path / "own", CLASSES)
    return fingerprints.take(manifest).fill(manifest)


@pytest.fixture
def model():
    """Closeness of the mean brightness to a level; fear is between angry and happy."""
    inputs = keras.Input((8, 8, 1))
    mean = keras.layers.GlobalAveragePooling2D()(inputs)
    levels = np.array([[40, 80, 120, 160]], np.float32)
    # -(mean - level)^2 / 800 without the square of the mean, which softmax does not see
    logits = keras.layers.Dense(4)
    out = keras.layers.Softmax()(logits(mean))
    made = keras.Model(inputs, out)
    logits.set_weights([2 * levels / 800, -(levels[0] ** 2) / 800])
    return made


def test_only_shared_classes_are_scored_and_what_was_trained_on_is_left_out(other, own, model):
    dataset = across.load(f"folders={other}", CLASSES, own)
    assert dataset.name == "folders-other-test" and dataset.part == "test"
    assert dataset.manifest.classes == ("angry", "happy", "sad")
    assert dataset.manifest.counts("label") == {"angry": 9, "happy": 9, "sad": 10}
    assert dataset.in_own_test == 2
    assert dataset.notes == (
        "left out, classes that the model does not have: contempt (10 samples)",
        "left out as pixel-identical to images that the run trained on: 2",
        "in the run's validation part, by which it was selected: 1",
        "left out, classes without a sample here: fear; their probabilities are dropped, the "
        "others rescaled to add up to 1",
    )
    found = across.evaluate(model, CLASSES, dataset)
    # by hand: the nearest of three levels
    pixels = [images.read(dataset.manifest.root / s.path) for s in dataset.manifest]
    mean = np.array([p.mean() for p in pixels])
    levels = np.array([40, 120, 160])
    guess = np.abs(mean[:, None] - levels).argmin(1)
    truth = [("angry", "happy", "sad").index(s.label) for s in dataset.manifest]
    whole = found.scores["whole"]
    assert whole["confusion"] == sklearn_metrics.confusion_matrix(truth, guess).tolist()
    assert whole["accuracy"][0] == pytest.approx(np.mean(truth == guess), abs=1e-4)
    weights = np.exp(-((mean[:, None] - levels) ** 2) / 800)
    wanted = weights / weights.sum(1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, wanted, atol=1e-4)
    assert "without_duplicates" not in found.scores
    assert found.scores["notes"] == [*dataset.notes]


def test_the_report_says_what_was_left_out(other, own, model, tmp_path):
    dataset = across.load(f"folders={other}", CLASSES, own)
    page = evaluate.write(across.evaluate(model, CLASSES, dataset), tmp_path / "out", "on other")
    text = page.read_text()
    assert all(f"\n- {note}\n" in text for note in dataset.notes)
    assert json.loads((tmp_path / "out/metrics.json").read_text())["dataset"] == dataset.name
    with (tmp_path / "out/predictions.csv").open() as f:
        assert list(next(csv.DictReader(f)))[4:] == ["angry", "happy", "sad"]


def test_the_part_is_the_stated_test_or_the_whole(other, tmp_path):
    shared = ("angry", "happy", "sad", "contempt")
    assert len(across.load(f"folders={other}", shared).manifest) == 40
    assert len(across.load(f"folders={other}", shared, part="train").manifest) == 20
    whole = across.load(f"folders={other}", shared, part="all")
    assert len(whole.manifest) == 60 and whole.name == "folders-other-all"
    with pytest.raises(UserError, match="has no part 'validation'; it has test 40, train 20"):
        across.load(f"folders={other}", shared, part="validation")
    (other / "test").rename(tmp_path / "bare")  # class folders that state no part
    bare = across.load(f"folders={tmp_path / 'bare'}", shared)
    assert bare.part == "all" and len(bare.manifest) == 40
    assert bare.notes == (
        "what the model was trained on is unknown here: it may be among these samples",
    )


def test_a_manifest_of_an_older_run_is_compared_by_its_images(other, own):
    expected = across.load(f"folders={other}", CLASSES, own)
    older = own.replace(dataclasses.replace(s, digest="") for s in own)
    assert across.load(f"folders={other}", CLASSES, older) == expected
    (own.root / "a.png").unlink()
    found = across.load(f"folders={other}", CLASSES, older)
    assert len(found.manifest) == len(expected.manifest) + 1
    assert "images of the run that cannot be read and compared: 1" in found.notes


def test_unreadable_images_are_left_out_and_people_of_train_are_said(other, own):
    (other / "test/sad/p0_0.png").write_bytes(b"cut off")
    (other / "test/sad/notes.txt").write_text("not an image")
    found = across.load(f"folders={other}", CLASSES, own)
    (note,) = (n for n in found.notes if "unusable" in n)
    assert note.startswith("left out as unusable: 1; the first: ") and "p0_0.png" in note
    whole = across.load(f"folders={other}", CLASSES, own, "all")
    assert any(n.startswith("left out as unusable: 2; ") for n in whole.notes)
    rows = [dataclasses.replace(s, source="jaffe", subject="jaffe:KA") for s in own]
    assert across._people_of_train(own.replace(rows), "jaffe") == {"KA"}


def test_errors_are_one_line(other):
    for spec, message in (
        ("rafdb", "--data rafdb: expected SOURCE=PATH"),
        ("=x", "expected SOURCE=PATH"),
        ("rafbd=x", r"unknown source 'rafbd' \(did you mean 'rafdb'\?\)"),
        ("rafdb=/nowhere", "no rafdb dataset at /nowhere: ask for RAF-DB"),
        (f"folders={other}", r"two classes of the model or more \(fear, happy\), got happy"),
    ):
        with pytest.raises(UserError, match=message):
            across.load(spec, ("fear", "happy"))


def test_restricting_keeps_the_order_of_the_columns(model):
    x = np.full((1, 8, 8, 1), 100, np.float32)
    p = model.predict_on_batch(x)[0]
    q = across.restrict(model, [3, 1]).predict_on_batch(x)[0]
    np.testing.assert_allclose(q, p[[3, 1]] / p[[3, 1]].sum(), rtol=1e-5)

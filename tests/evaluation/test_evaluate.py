import csv
import dataclasses
import json

import cv2
import keras
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from keras_mer import images
from keras_mer.data import build, fingerprints, subsets
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from keras_mer.evaluation import evaluate
from keras_mer.models import saving

CLASSES = ("happy", "sad")


def picture(mean, seed):
    """A noisy 8x8 image: the model below says happy above a mean of 128."""
    noise = np.random.default_rng(seed).integers(-20, 21, (8, 8))
    return np.clip(mean + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def manifest(tmp_path):
    samples = []
    for i in range(60):
        bright = i % 2 == 0
        label = CLASSES[not bright] if i % 10 else CLASSES[bright]  # every tenth label is wrong
        split = "test" if i < 40 else "train"
        images.write(tmp_path / f"{i}.png", picture(200 if bright else 60, i))
        samples.append(Sample(f"{i}.png", label, subject=f"s{i % 8}", split=split))
    # two test images stand in train; one of them was dropped from it
    images.write(tmp_path / "a.png", picture(60, 1))
    images.write(tmp_path / "b.png", picture(200, 2))
    samples += [
        Sample("a.png", "sad", "s1", split="train"),
        Sample("b.png", "happy", "s2", split="dropped", note="pixel-identical to 2.png (test)"),
    ]
    return Manifest(tuple(samples), tmp_path, CLASSES)


@pytest.fixture
def model():
    """Brightness of the left half against the right: an image's mirror counts otherwise."""
    inputs = keras.Input((8, 8, 1))
    left = keras.layers.GlobalAveragePooling2D()(keras.layers.Cropping2D(((0, 0), (0, 4)))(inputs))
    logit = keras.layers.Dense(2, kernel_initializer="zeros")(left)
    out = keras.layers.Softmax()(logit)
    made = keras.Model(inputs, out)
    made.layers[-2].set_weights([np.array([[0.02, -0.02]]), np.array([-2.5, 2.5])])
    return made


def test_scores_are_scikit_learns_and_duplicates_of_train_are_told(manifest, model):
    found = evaluate.evaluate(model, manifest, "test", flip=True)
    part = manifest.part("test")
    truth, guess = part.labels(), found.probabilities.argmax(1)
    whole = found.scores["whole"]
    assert whole["samples"] == 40
    accuracy, low, high = whole["accuracy"]
    assert accuracy == pytest.approx(sklearn_metrics.accuracy_score(truth, guess), abs=1e-4)
    assert low < accuracy < high
    assert whole["confusion"] == sklearn_metrics.confusion_matrix(truth, guess).tolist()
    assert found.scores["without_duplicates"]["samples"] == 38  # 1.png and 2.png are in train
    assert "subjects" in found.scores["interval"]
    assert found.scores["whole_flip"]["samples"] == 40
    nobody = manifest.replace(dataclasses.replace(s, subject="") for s in manifest)
    assert "samples" in evaluate.evaluate(model, nobody, "test").scores["interval"]


@pytest.fixture
def built(tmp_path):
    """A manifest as `make split` builds it: two of the test images were in train, too."""
    for i in range(48):
        bright, side = i % 2 == 0, ("train", "validation", "test")[i % 3]
        path = tmp_path / f"faces/{side}/{CLASSES[not bright]}/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images.write(path, picture(200 if bright else 60, i))
    for name, i in (("sad/a.png", 5), ("happy/b.png", 2)):
        images.write(tmp_path / "faces/train" / name, picture(200 if i == 2 else 60, i))
    manifest, _ = build.build({"folders": tmp_path / "faces"}, vocabulary=CLASSES)
    manifest.write(tmp_path / "m.csv")
    return Manifest.read(tmp_path / "m.csv")


def test_duplicates_are_columns_and_the_words_of_a_note_change_no_score(built, model, monkeypatch):
    expected = evaluate.evaluate(model, built, "test").scores
    assert expected["whole"]["samples"] == 16
    assert expected["without_duplicates"]["samples"] == 14

    def changed(**columns):
        rows = (dataclasses.replace(s, **columns) for s in built)
        return evaluate.evaluate(model, built.replace(rows), "test").scores

    older = changed(digest="", duplicate_of="")  # a manifest of an older run
    assert older == expected == changed(digest="", duplicate_of="", note="some other words")
    monkeypatch.delattr(fingerprints, "take")  # with the columns, no image is read for this
    assert changed(note="some other words") == changed(note="") == expected


def test_rows_that_few_labels_dropped_or_hold_out_moved_do_not_count_as_train(built, model):
    """Train rows with unused labels are not learned from; those that remain count by digest."""
    few = subsets.few_labels(built, 0.5, 0)
    assert evaluate.evaluate(model, few, "test").scores["without_duplicates"]["samples"] == 14
    again = built.replace(
        dataclasses.replace(s, split="train") if s.path.endswith("train/sad/a.png") else s
        for s in (dataclasses.replace(s, duplicate_of="") for s in built)
    )
    assert evaluate.evaluate(model, again, "test").scores["without_duplicates"]["samples"] == 15


def test_flip_averages_an_image_and_its_mirror_image(model):
    x = np.zeros((3, 8, 8, 1), np.uint8)
    x[1, :, 4:] = 250
    x[2, :, :4] = 250
    plain = evaluate.predict(model, x)
    flipped = evaluate.predict(model, x, flip=True)
    np.testing.assert_allclose(flipped[1], (plain[1] + plain[2]) / 2, rtol=1e-5)
    np.testing.assert_allclose(flipped[0], plain[0], rtol=1e-5)


def test_writes_a_report_a_table_and_readable_pictures(manifest, model, tmp_path):
    found = evaluate.evaluate(model, manifest, "test")
    page = evaluate.write(found, tmp_path / "out", "mine on test")
    text = page.read_text()
    assert "# mine on test" in text and "| happy |" in text
    accuracy = 100 * found.scores["whole"]["accuracy"][0]
    assert f"{accuracy:.1f} %" in text
    saved = json.loads((tmp_path / "out/metrics.json").read_text())
    assert saved == found.scores
    with (tmp_path / "out/predictions.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert [row["path"] for row in rows] == [s.path for s in manifest.part("test")]
    for row, p in zip(rows, found.probabilities, strict=True):
        assert float(row["happy"]) == pytest.approx(p[0], abs=1e-5)
        assert row["prediction"] == CLASSES[p.argmax()]
    for name in ("confusion.png", "misclassified.png"):
        drawn = cv2.imread(str(tmp_path / "out" / name))
        assert drawn.std() > 5 and min(drawn.shape[:2]) > 200


def test_an_empty_split_and_a_missing_class_are_named(manifest, model):
    with pytest.raises(UserError, match="no sample in split 'validation'; it has"):
        evaluate.evaluate(model, manifest, "validation")
    happy = manifest.where(lambda s: s.label == "happy" or s.split == "train")
    with pytest.raises(UserError, match="split 'test' has no sample of sad"):
        evaluate.evaluate(model, happy, "test")


def test_a_missing_corrupt_or_foreign_model_is_one_line(model, tmp_path):
    with pytest.raises(UserError, match="no model at"):
        saving.load_model(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match="not a readable Keras model") as error:
        saving.load_model(tmp_path)
    assert "\n" not in str(error.value)
    model.save(tmp_path / "model.keras")
    with pytest.raises(UserError, match="has 2 outputs, the manifest 3 classes"):
        saving.load_model(tmp_path, ("angry", "happy", "sad"))
    assert saving.load_model(tmp_path, CLASSES).output_shape == (None, 2)


def test_looks_at_the_test_split_are_counted(tmp_path):
    assert [evaluate.count_test_look(tmp_path) for _ in range(3)] == [1, 2, 3]

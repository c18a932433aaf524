"""Drawn faces: deterministic, and moved where their action units say."""

import cv2
import numpy as np
import pytest
from sklearn.svm import LinearSVC

from keras_mer import labels as vocabularies
from keras_mer import synthetic
from keras_mer.errors import UserError

SEVEN = vocabularies.FER2013


def gray(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


# each AU with the part of the face it moves, in fractions of a tight frame: top, bottom
BROWS, EYES, NOSE, MOUTH = (0.12, 0.36), (0.30, 0.46), (0.40, 0.62), (0.60, 0.98)
CHIN = (0.86, 1.0)


def test_an_image_depends_only_on_its_seed_and_index():
    first = synthetic.draw_expression(3, "happy", 0.8, seed=5, index=7)
    synthetic.draw_expression(9, "sad", 0.5, seed=5, index=8)
    synthetic.make_identity.cache_clear()
    again = synthetic.draw_expression(3, "happy", 0.8, seed=5, index=7)
    np.testing.assert_array_equal(first, again)
    assert (first != synthetic.draw_expression(3, "happy", 0.8, seed=5, index=8)).any()
    assert (first != synthetic.draw_expression(3, "happy", 0.8, seed=6, index=7)).any()


@pytest.mark.parametrize("size", [16, 48, 97, 192])
def test_shape_and_dtype(size):
    image = synthetic.draw_expression(1, "fear", size=size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8 and image.std() > 15


def test_subjects_differ_in_every_style():
    people = [synthetic.make_identity(0, n) for n in range(150)]
    assert {p.style for p in people} == set(synthetic.HAIR_STYLES)
    assert any(p.glasses for p in people) and any(p.beard for p in people)
    assert len({p.skin for p in people}) == 150
    assert people[1].name == "s001" and people[7].name == "s007"


@pytest.mark.parametrize(
    "unit, moved, still",
    [("1", BROWS, MOUTH), ("2", BROWS, MOUTH), ("4", BROWS, MOUTH), ("5", EYES, MOUTH),
     ("6", EYES, BROWS), ("7", EYES, MOUTH), ("9", NOSE, CHIN), ("10", MOUTH, BROWS),
     ("12", MOUTH, BROWS), ("14", MOUTH, BROWS), ("15", MOUTH, BROWS), ("16", MOUTH, BROWS),
     ("17", MOUTH, BROWS), ("20", MOUTH, BROWS), ("23", MOUTH, BROWS), ("24", MOUTH, BROWS),
     ("25", MOUTH, BROWS), ("26", MOUTH, BROWS), ("43", EYES, MOUTH)],
)  # fmt: skip
def test_an_action_unit_moves_its_part_of_the_face(unit, moved, still):
    identity, size = synthetic.make_identity(0, 6), 96
    base = {"25": 0.5} if unit == "16" else {}  # a lower lip goes down from open lips
    rest = gray(synthetic.draw_face(identity, synthetic.vector(base), size=size)).astype(float)
    shown = synthetic.draw_face(identity, synthetic.vector({**base, unit: 1.0}), size=size)
    change = np.abs(gray(shown) - rest)
    middle = slice(int(0.12 * size), int(0.88 * size))

    def mean(part):
        return change[int(part[0] * size) : int(part[1] * size), middle].mean()

    assert mean(moved) > 0.5
    assert mean(moved) > 3 * mean(still)


def test_left_and_right_are_the_subjects_own():
    identity = synthetic.make_identity(0, 6)
    rest = synthetic.draw_face(identity, synthetic.vector({}), size=96).astype(int)
    right = synthetic.draw_face(identity, synthetic.vector({"R12": 1}), size=96).astype(int)
    change = np.abs(right - rest).sum((0, 2))
    assert change[:48].sum() > 3 * change[48:].sum()  # the subject's right is our left


def test_expressions_show_their_prototypes():
    index = {name: i for i, name in enumerate(synthetic.ACTION_UNITS)}
    happy = synthetic.action_units("happiness")
    assert happy[0, index["12"]] == 1 and happy[0, index["4"]] == 0
    assert not synthetic.action_units("neutral").any()
    half = synthetic.action_units("surprise", 0.5)
    np.testing.assert_allclose(half, 0.5 * synthetic.action_units("surprise", 1.0))
    contempt = synthetic.action_units("contempt")
    assert contempt[0, index["14"]] > 0 and contempt[1, index["14"]] == 0


@pytest.mark.parametrize("size, margin", [(96, 0.3), (128, 0.3), (192, 0.2)])
def test_the_haar_cascade_finds_the_faces(size, margin):
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    names, found, count = list(synthetic.PROTOTYPES), 0, 80
    for i in range(count):
        strength = 0.4 + 0.6 * (i * 37 % 100) / 100
        image = synthetic.draw_expression(i, names[i % 8], strength, size, margin, index=i)
        boxes = cascade.detectMultiScale(gray(image), 1.1, 5, minSize=(40, 40))
        found += any(abs(x + w / 2 - size / 2) < 0.2 * size for x, _, w, _ in boxes)
    assert found >= 0.95 * count


def test_a_classifier_recognizes_expressions_of_unseen_subjects():
    hog = cv2.HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    features, labels = [], []
    for i in range(1050):
        label, subject = SEVEN[(i % 50 + i // 50) % 7], i % 50
        image = synthetic.draw_expression(subject, label, 0.4 + 0.6 * (i * 37 % 100) / 100, index=i)
        features.append(hog.compute(gray(image)).ravel())
        labels.append(label)
    x, y = np.array(features), np.array(labels)
    train = np.arange(1050) % 50 < 36
    accuracy = (LinearSVC(C=0.1).fit(x[train], y[train]).predict(x[~train]) == y[~train]).mean()
    assert 0.65 < accuracy < 0.99


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: synthetic.draw_expression(1, "hapy"), "did you mean 'happy'"),
        (lambda: synthetic.draw_expression(1, "happy", 1.2), "intensity must lie in 0 to 1"),
        (lambda: synthetic.draw_expression(1, "happy", size=8), "size must lie in 16"),
        (lambda: synthetic.draw_expression(1, "happy", margin=-1), "margin must lie"),
        (lambda: synthetic.draw_expression(1, "happy", seed=-1), "must be >= 0"),
        (lambda: synthetic.make_identity(0, -1), "must be >= 0"),
        (lambda: synthetic.vector({"3": 1}), "action unit '3' is not drawn"),
        (lambda: synthetic.vector({"12": 2}), "must lie in 0 to 1.5"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()

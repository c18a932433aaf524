"""A fold starts from nothing, and what is tested has no way into what is learnt."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from keras_mer.data.inputs import Samples
from keras_mer.errors import UserError
from keras_mer.training import closed_form, estimators, resident
from tests.people import CLASSES, TINY, people, recipe

KERNEL = {"name": "flow_kernel", "size": 12}
LINEAR = {"name": "flow_linear", "size": 12}
MODELS = [TINY, KERNEL, LINEAR, {"name": "svm", "size": 12}]


@pytest.fixture(scope="module")
def clips():
    manifest, inputs = people()
    subjects = np.array([s.subject for s in manifest])
    first, second = (subjects == f"one:s{i}" for i in (0, 1))
    rows = np.arange(len(subjects))
    return manifest.labels(), inputs, (rows[~first], rows[first]), (rows[~second], rows[second])


def samples(labels, inputs):
    return Samples(inputs, np.eye(3, dtype=np.float32)[labels], labels, CLASSES)


def make(labels, inputs, model=TINY, training=None, **protocol):
    made = recipe(model, training, **protocol)
    return estimators.make(made, samples(labels, inputs), seed=0)


def answer(estimator, train, test):
    estimator.fit(train)
    return estimator.predict(test)


@pytest.mark.parametrize("model", MODELS)
def test_a_fold_does_not_depend_on_the_folds_before_it(clips, model):
    labels, inputs, one, two = clips
    estimator = make(labels, inputs, model)
    alone, other, again = (answer(estimator, *fold) for fold in (one, two, one))
    np.testing.assert_array_equal(alone.argmax(1), again.argmax(1))
    np.testing.assert_allclose(alone, again, atol=1e-5)
    np.testing.assert_allclose(other, answer(make(labels, inputs, model), *two), atol=1e-5)
    np.testing.assert_allclose(alone.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_of_the_left_out_subject_reaches_what_is_fitted(clips, model):
    labels, inputs, (train, test), _ = clips
    honest = answer(make(labels, inputs, model), train, test)
    swapped = labels.copy()
    swapped[test] = (labels[test] + 1) % 3
    np.testing.assert_allclose(honest, answer(make(swapped, inputs, model), train, test), atol=1e-5)
    # the other left-out samples do not change the prediction for one (through batch statistics)
    noise = inputs.copy()
    noise[test[1:]] = 255 - noise[test[1:]]
    other = answer(make(labels, noise, model), train, test)
    np.testing.assert_allclose(honest[0], other[0], atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_the_keras_model_predicts_what_the_estimator_predicts(clips, model):
    labels, inputs, (train, test), _ = clips
    estimator = make(labels, inputs, model)
    expected = answer(estimator, train, test)
    got = estimator.to_keras().predict(inputs[test].astype(np.float32), verbose=0)
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_test_set_selection_looks_every_so_many_epochs_and_changes_nothing(clips):
    labels, inputs, (train, test), _ = clips
    plain = answer(make(labels, inputs), train, test)
    estimator = make(labels, inputs, test_set_selection=2)
    looks = estimator.fit(train, watch=test)
    assert len(looks) == 2
    np.testing.assert_allclose(looks[-1], estimator.predict(test), atol=1e-5)
    np.testing.assert_allclose(looks[-1], plain, atol=1e-4)
    with pytest.raises(UserError, match="test_set_selection: 3 does not divide the 4 epochs"):
        make(labels, inputs, test_set_selection=3).fit(train, watch=test)


def test_an_ensemble_predicts_its_members_mean(clips):
    labels, inputs, (train, test), _ = clips
    estimator = make(labels, inputs, training={"ensemble_size": 2})
    together = answer(estimator, train, test)
    first = answer(make(labels, inputs), train, test)  # member 1 starts as a lone network
    second = 2 * together - first
    assert (second > -1e-4).all() and np.abs(second - first).max() > 1e-3
    model = estimator.to_keras()
    p = model.predict(inputs[test].astype(np.float32), verbose=0)
    np.testing.assert_allclose(p, together, atol=1e-4)


def test_kernel_ridge_is_scikit_learns(clips):
    from sklearn.kernel_ridge import KernelRidge

    labels, inputs, (train, test), _ = clips
    model = KERNEL | {"mirror": False, "ridge": 0.2, "reach": 0.7, "smooth": 1}
    estimator = make(labels, inputs, model)
    x, truth = estimator.features, np.eye(3)[labels] * 4 - 2
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-5)
    weights = compute_class_weight("balanced", classes=np.arange(3), y=labels[train])
    ridge = KernelRidge(alpha=0.2, kernel="rbf", gamma=0.7)
    ridge.fit(x[train], truth[train], sample_weight=weights[labels[train]])
    expected = closed_form.softmax(ridge.predict(x[test]))
    np.testing.assert_allclose(answer(estimator, train, test), expected, atol=1e-4)


def test_linear_ridge_is_scikit_learns(clips):
    from sklearn.linear_model import Ridge

    labels, inputs, (train, test), _ = clips
    estimator = make(labels, inputs, LINEAR | {"mirror": False, "ridge": 0.2, "smooth": 1})
    x, truth = estimator.features, np.eye(3)[labels] * 4 - 2
    weights = compute_class_weight("balanced", classes=np.arange(3), y=labels[train])
    ridge = Ridge(alpha=0.2, fit_intercept=False)
    ridge.fit(x[train], truth[train], sample_weight=weights[labels[train]])
    expected = closed_form.softmax(ridge.predict(x[test]))
    np.testing.assert_allclose(answer(estimator, train, test), expected, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_the_svm_is_scikit_learns(classes):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    random = np.random.default_rng(0)
    labels = np.arange(60) % classes
    inputs = random.integers(0, 256, (60, 6, 6, 1), np.uint8)
    inputs[np.arange(60), labels] //= 2
    data = Samples(inputs, np.eye(classes, dtype="f")[labels], labels, tuple("abcd"[:classes]))
    estimator = closed_form.LinearSVM(recipe({"name": "svm", "size": 6, "channels": 1}), data)
    train, test = np.arange(40), np.arange(40, 60)
    estimator.fit(train)
    pixels = inputs.reshape(60, -1).astype(float)
    svm = make_pipeline(StandardScaler(), SVC(kernel="linear", C=1e-3, class_weight="balanced"))
    expected = svm.fit(pixels[train], labels[train]).predict(pixels[test])
    np.testing.assert_array_equal(estimator.predict(test).argmax(1), expected)
    p = estimator.to_keras().predict(inputs[test].astype(np.float32), verbose=0)
    np.testing.assert_allclose(p, estimator.predict(test), atol=1e-4)


def test_it_learns(clips):
    labels, inputs, (train, test), _ = clips
    found = answer(make(labels, inputs, training={"epochs": 25}), train, test)
    assert (found.argmax(1) == labels[test]).mean() > 0.8


def test_an_epoch_has_no_fewer_steps_than_the_batch_size_says(clips):
    labels, inputs, *_ = clips
    for batch, steps, each in ((16, 3, 16), (40, 2, 24), (48, 1, 48), (256, 1, 48)):
        made = recipe(TINY, {"batch": batch})
        loop = resident.ResidentLoop(made, samples(labels, inputs), [0])
        assert (loop.steps, loop.batch) == (steps, each)


def test_rows_are_drawn_evenly():
    random = np.random.default_rng(0)
    labels = np.array([0] * 20 + [1] * 5 + [2] * 3)
    rows = np.arange(2, 28)
    drawn = resident.draw(rows, labels, 130, random)
    np.testing.assert_array_equal(np.bincount(drawn, minlength=28), [0, 0] + [5] * 26)
    assert sorted(drawn[:26]) == sorted(rows)
    drawn = resident.draw(rows, labels, 90, random, balanced=True)
    np.testing.assert_array_equal(np.bincount(labels[drawn]), [30, 30, 30])
    np.testing.assert_array_equal(np.bincount(drawn)[20:25], 6)


def test_what_a_model_cannot_honor_is_named(clips):
    labels, inputs, *_ = clips
    with pytest.raises(UserError, match="model 'svm' has no argument 'gamma'"):
        make(labels, inputs, {"name": "svm", "gamma": 1}).fit(np.arange(20))
    with pytest.raises(UserError, match="model.anchors: the anchors are the training samples"):
        make(labels, inputs, KERNEL | {"anchors": 9})

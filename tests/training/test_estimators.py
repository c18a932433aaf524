"""A fold starts from nothing, and what is tested has no way into what is learnt."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from keras_mer.errors import UserError
from keras_mer.training import estimators, fitting
from tests.people import TINY, people, recipe

KERNEL = {"name": "flow_kernel", "size": 12}
MODELS = [TINY, KERNEL, {"name": "svm", "size": 12}]


@pytest.fixture(scope="module")
def clips():
    manifest, inputs = people()
    subjects = np.array([s.subject for s in manifest])
    first, second = (subjects == f"one:s{i}" for i in (0, 1))
    rows = np.arange(len(subjects))
    return manifest.labels(), inputs, (rows[~first], rows[first]), (rows[~second], rows[second])


def make(labels, inputs, model=TINY, training=None, **protocol):
    return fitting.learner(recipe(model, training, **protocol), inputs, labels, 3, 0)


@pytest.mark.parametrize("model", MODELS)
def test_a_fold_does_not_depend_on_the_folds_before_it(clips, model):
    labels, inputs, one, two = clips
    learner = make(labels, inputs, model)
    alone = learner.answer(*one)[0]
    other = learner.answer(*two)[0]
    again = learner.answer(*one)[0]
    np.testing.assert_array_equal(alone.prediction, again.prediction)
    np.testing.assert_allclose(alone.probabilities, again.probabilities, atol=1e-5)
    fresh = make(labels, inputs, model).answer(*two)[0]
    np.testing.assert_allclose(other.probabilities, fresh.probabilities, atol=1e-5)
    np.testing.assert_allclose(alone.probabilities.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_of_the_left_out_subject_reaches_what_is_learnt(clips, model):
    labels, inputs, (train, test), _ = clips
    honest, _ = make(labels, inputs, model).answer(train, test)
    swapped = labels.copy()
    swapped[test] = (labels[test] + 1) % 3
    other, _ = make(swapped, inputs, model).answer(train, test)
    np.testing.assert_allclose(honest.probabilities, other.probabilities, atol=1e-5)
    # its other clips do not move the answer for one either (through batch statistics, say)
    noise = inputs.copy()
    noise[test[1:]] = 255 - noise[test[1:]]
    third, _ = make(labels, noise, model).answer(train, test)
    np.testing.assert_allclose(honest.probabilities[0], third.probabilities[0], atol=1e-5)


def test_peeking_picks_the_epoch_by_the_test_labels_and_is_kept_apart(clips):
    labels, inputs, (train, test), _ = clips
    plain, none = make(labels, inputs).answer(train, test)
    assert none is None
    learner = make(labels, inputs, test_set_selection=1)
    honest, peek = learner.answer(train, test)
    np.testing.assert_allclose(honest.probabilities, plain.probabilities, atol=1e-4)
    right = [(a.prediction == labels[test]).sum() for a in (honest, peek)]
    assert right[1] >= right[0]
    with pytest.raises(UserError, match="test_set_selection: 3 does not divide training.epochs, 4"):
        make(labels, inputs, test_set_selection=3)


def test_a_committee_answers_with_its_members_mean(clips):
    labels, inputs, (train, test), _ = clips
    learner = make(labels, inputs, training={"ensemble_size": 2})
    together = learner.answer(train, test)[0]
    first = make(labels, inputs).answer(train, test)[0]  # member 1 starts as a lone network
    second = 2 * together.probabilities - first.probabilities
    assert (second > -1e-4).all() and np.abs(second - first.probabilities).max() > 1e-3
    model = learner.committee(train)
    p = model.predict(inputs[test].astype(np.float32), verbose=0)
    assert p.shape == (len(test), 3)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)


def test_a_kernel_machine_is_scikit_learns_and_its_keras_model_says_the_same(clips):
    from sklearn.kernel_ridge import KernelRidge

    labels, inputs, (train, test), _ = clips
    model = KERNEL | {"mirror": False, "ridge": 0.2, "reach": 0.7, "smooth": 1}
    learner = make(labels, inputs, model)
    x, truth = learner.features, np.eye(3)[labels] * 4 - 2
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-5)
    weights = compute_class_weight("balanced", classes=np.arange(3), y=labels[train])
    ridge = KernelRidge(alpha=0.2, kernel="rbf", gamma=0.7)
    ridge.fit(x[train], truth[train], sample_weight=weights[labels[train]])
    expected = estimators.softmax(ridge.predict(x[test]))
    np.testing.assert_allclose(learner.answer(train, test)[0].probabilities, expected, atol=1e-4)
    for mirror in (False, True):
        learner = make(labels, inputs, model | {"mirror": mirror})
        p = learner.committee(train).predict(inputs[test].astype(np.float32), verbose=0)
        np.testing.assert_allclose(learner.answer(train, test)[0].probabilities, p, atol=1e-4)


def test_it_learns(clips):
    labels, inputs, (train, test), _ = clips
    made = recipe(TINY, {"epochs": 25})
    learner = fitting.learner(made, inputs, labels, 3, 0)
    assert (learner.answer(train, test)[0].prediction == labels[test]).mean() > 0.8


def test_an_epoch_has_no_fewer_steps_than_the_batch_size_says(clips):
    labels, inputs, *_ = clips
    for batch, steps, each in ((16, 3, 16), (40, 2, 24), (48, 1, 48), (256, 1, 48)):
        learner = fitting.learner(recipe(TINY, {"batch": batch}), inputs, labels, 3, 0)
        assert (learner.epoch, learner.batch) == (steps, each)


def test_rows_are_drawn_evenly():
    random = np.random.default_rng(0)
    labels = np.array([0] * 20 + [1] * 5 + [2] * 3)
    rows = np.arange(2, 28)
    drawn = fitting.draw(rows, labels, 130, random)
    np.testing.assert_array_equal(np.bincount(drawn, minlength=28), [0, 0] + [5] * 26)
    assert sorted(drawn[:26]) == sorted(rows)
    drawn = fitting.draw(rows, labels, 90, random, balanced=True)
    np.testing.assert_array_equal(np.bincount(labels[drawn]), [30, 30, 30])
    np.testing.assert_array_equal(np.bincount(drawn)[20:25], 6)


def test_class_weights_are_scikit_learns():
    labels = np.array([0] * 20 + [1] * 5 + [2] * 3)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(estimators.class_weights(labels, 3), expected, rtol=1e-6)
    assert estimators.class_weights(labels, 4)[3] == 0


def test_what_a_recipe_cannot_ask_is_named(clips):
    labels, inputs, *_ = clips
    with pytest.raises(UserError, match="model 'svm' has no argument 'gamma'"):
        make(labels, inputs, {"name": "svm", "gamma": 1})
    with pytest.raises(UserError, match="the anchors are the clips that are learnt"):
        make(labels, inputs, KERNEL | {"anchors": 9})
    mixed = recipe(TINY).changed({"augment.mixup": 0.2})
    with pytest.raises(UserError, match="augment.mixup: not for clips and flow images"):
        fitting.learner(mixed, inputs, labels, 3, 0)

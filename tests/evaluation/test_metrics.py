import csv

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from keras_mer.evaluation import metrics
from tests.conftest import REAL_DATA


@pytest.fixture
def answers():
    random = np.random.default_rng(3)
    truth = random.choice(5, 400, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    noise = random.integers(0, 5, 400)
    return truth, np.where(random.random(400) < 0.6, truth, noise)


def test_scores_equal_scikit_learns(answers):
    truth, guess = answers
    confusion = metrics.confusion_matrix(truth, guess, 5)
    np.testing.assert_array_equal(confusion, sklearn_metrics.confusion_matrix(truth, guess))
    found = metrics.scores(confusion)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(truth, guess)
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.f1, f1)
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(truth, guess))
    assert found.macro_f1 == pytest.approx(sklearn_metrics.f1_score(truth, guess, average="macro"))
    assert found.uar == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, guess))


def test_stacks_of_matrices_score_as_each_alone(answers):
    one = metrics.confusion_matrix(*answers, 5)
    two = one[::-1]
    both = metrics.scores(np.stack([one, two]))
    for i, matrix in enumerate((one, two)):
        alone = metrics.scores(matrix)
        assert both.macro_f1[i] == alone.macro_f1
        np.testing.assert_array_equal(both.recall[i], alone.recall)


def test_a_class_nobody_has_is_left_out_of_the_means():
    found = metrics.scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    assert np.isnan(found.recall[2]) and np.isnan(found.f1[2])
    assert found.uar == pytest.approx((3 / 4 + 1) / 2)
    assert found.macro_f1 == pytest.approx((6 / 7 + 8 / 9) / 2)


def test_bootstrap_over_samples_agrees_with_drawing_the_samples(answers):
    truth, guess = answers
    drawn = metrics.bootstrap(truth, guess, 5, repeats=4000)
    assert (drawn.sum((1, 2)) == len(truth)).all()
    low, high = metrics.interval(metrics.scores(drawn).uar)
    random = np.random.default_rng(1)
    values = []
    for _ in range(2000):
        rows = random.integers(0, len(truth), len(truth))
        values.append(sklearn_metrics.balanced_accuracy_score(truth[rows], guess[rows]))
    assert [low, high] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.008)


def test_bootstrap_over_groups_is_wider_when_a_group_is_right_or_wrong_as_a_whole():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 30)
    truth = np.tile([0, 1], 300)
    right = np.repeat(random.random(20) < 0.7, 30)
    guess = np.where(right, truth, 1 - truth)

    def width(groups):
        drawn = metrics.bootstrap(truth, guess, 2, groups=groups)
        low, high = metrics.interval(metrics.scores(drawn).accuracy)
        return high - low

    # 20 independent answers rather than 600: wider by about the root of 30.
    assert width(groups) / width(None) == pytest.approx(30**0.5, rel=0.15)


def test_calibration_error_of_a_known_case():
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.4, 0.6]] * 10)
    truth = np.array([0] * 7 + [1] * 3 + [1] * 10)
    # |0.9 - 0.7| and |0.6 - 1.0|, ten samples each
    assert metrics.calibration_error(probabilities, truth) == pytest.approx(0.3)


def test_published_predictions_score_as_published():
    file = REAL_DATA / "ststnet-predictions.csv"
    if not file.is_file():
        pytest.skip("needs the STSTNet authors' published predictions")
    with file.open() as f:
        rows = list(csv.DictReader(f))
    names = sorted({row["truth"] for row in rows})
    truth, guess = (
        np.array([names.index(row[column]) for row in rows]) for column in ("truth", "prediction")
    )
    found = metrics.scores(metrics.confusion_matrix(truth, guess, len(names)))
    assert len(rows) == 442
    assert found.macro_f1.round(4) == 0.7209
    assert found.uar.round(4) == 0.7250


@pytest.mark.parametrize("grouped", [False, True])
def test_paired_resamples_are_those_of_each_model_alone_and_move_together(grouped):
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 300)
    first = np.where(random.random(300) < 0.3, (truth + 1) % 3, truth)
    second = np.where(random.random(300) < 0.05, (first + 1) % 3, first)  # nearly the same
    groups = np.arange(300) // 10 if grouped else None
    a, b = metrics.paired_bootstrap(truth, first, second, 3, groups=groups, repeats=3000)
    alone = metrics.bootstrap(truth, first, 3, groups=groups, repeats=3000, seed=1)
    assert (a.sum((1, 2)) == 300).all() and (a.sum(2) == b.sum(2)).all()  # the same truths
    accuracy = [metrics.scores(m).accuracy for m in (a, b, alone)]
    assert accuracy[0].mean() == pytest.approx(accuracy[2].mean(), abs=0.005)
    assert accuracy[0].std() == pytest.approx(accuracy[2].std(), rel=0.1)
    assert (accuracy[0] - accuracy[1]).std() < 0.7 * accuracy[0].std()


def test_p_is_small_where_the_difference_is_sure_and_never_zero():
    assert metrics.two_sided_p(np.full(2000, 0.1)) == 0.001
    assert metrics.two_sided_p(np.zeros(2000)) == 1
    assert metrics.two_sided_p(np.r_[np.full(1900, 1), np.full(100, -1)]) == pytest.approx(0.1)


@pytest.mark.filterwarnings("error")
def test_a_class_that_is_never_there_has_no_interval():
    drawn = metrics.bootstrap(np.array([0, 1, 1]), np.array([0, 1, 0]), 3, repeats=50)
    low, high = metrics.interval(metrics.scores(drawn).f1)
    assert np.isnan([low[2], high[2]]).all() and (low[:2] <= high[:2]).all()

import numpy as np
import pytest

from keras_mer.evaluation import bootstrap, metrics


def test_resampled_matrices_agree_with_drawing_the_samples(answers):
    truth, prediction = answers
    drawn = bootstrap.resample(truth, prediction, 5, repeats=4000)
    assert (drawn.sum((1, 2)) == len(truth)).all()
    low, high = bootstrap.interval(metrics.scores(drawn)["uar"])
    random = np.random.default_rng(1)
    values = []
    for _ in range(2000):
        rows = random.integers(0, len(truth), len(truth))
        values.append(metrics.uar(metrics.confusion_matrix(truth[rows], prediction[rows], 5)))
    assert [low, high] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.008)
    found = bootstrap.estimate(truth, prediction, 5, repeats=4000).intervals()
    assert found["uar"][1:] == pytest.approx([low, high], abs=1e-4)
    assert len(found["recall"]) == 5 and list(found) == list(metrics.METRICS)


def test_groups_that_are_right_or_wrong_as_a_whole_widen_the_interval():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 30)
    truth = np.tile([0, 1], 300)
    right = np.repeat(random.random(20) < 0.7, 30)
    prediction = np.where(right, truth, 1 - truth)

    def width(groups):
        found = bootstrap.estimate(truth, prediction, 2, groups=groups)
        low, high = bootstrap.interval(found.draws["accuracy"])
        return high - low

    # 20 independent answers instead of 600: wider by about the root of 30.
    assert width(groups) / width(None) == pytest.approx(30**0.5, rel=0.15)


@pytest.mark.parametrize("grouped", [False, True])
def test_paired_resamples_are_those_of_each_model_alone_and_move_together(grouped):
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 300)
    first = np.where(random.random(300) < 0.3, (truth + 1) % 3, truth)
    second = np.where(random.random(300) < 0.05, (first + 1) % 3, first)  # nearly the same
    groups = np.arange(300) // 10 if grouped else None
    a, b = bootstrap.resample_pair(truth, first, second, 3, groups=groups, repeats=3000)
    alone = bootstrap.resample(truth, first, 3, groups=groups, repeats=3000, seed=1)
    assert (a.sum((1, 2)) == 300).all() and (a.sum(2) == b.sum(2)).all()  # the same truths
    accuracy = [metrics.accuracy(m) for m in (a, b, alone)]
    assert accuracy[0].mean() == pytest.approx(accuracy[2].mean(), abs=0.005)
    assert accuracy[0].std() == pytest.approx(accuracy[2].std(), rel=0.1)
    assert (accuracy[0] - accuracy[1]).std() < 0.7 * accuracy[0].std()
    pair = bootstrap.estimate_pair(truth, first, second, 3, groups=groups, repeats=3000)
    difference = pair[1] - pair[0]
    np.testing.assert_allclose(difference.draws["accuracy"], accuracy[1] - accuracy[0])
    assert difference.values["accuracy"] == pytest.approx(
        (second == truth).mean() - (first == truth).mean()
    )


def test_p_is_small_for_a_clear_difference_and_never_zero():
    assert bootstrap.two_sided_p(np.full(2000, 0.1)) == 0.001
    assert bootstrap.two_sided_p(np.zeros(2000)) == 1
    assert bootstrap.two_sided_p(np.r_[np.full(1900, 1), np.full(100, -1)]) == pytest.approx(0.1)


@pytest.mark.filterwarnings("error")
def test_a_class_without_samples_and_predictions_has_no_interval():
    found = bootstrap.estimate(np.array([0, 1, 1]), np.array([0, 1, 0]), 3, repeats=50)
    low, high = bootstrap.interval(found.draws["f1"])
    assert np.isnan([low[2], high[2]]).all() and (low[:2] <= high[:2]).all()
    assert found.intervals(["f1"])["f1"][2] == [None, None, None]


def seeds(truth, runs, classes, **how):
    return bootstrap.estimate_seeds(truth, runs, classes, **how).intervals()


def test_estimates_over_seeds_are_means_and_their_intervals_cover_samples_and_seeds():
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 100)

    def run(accuracy):
        wrong = random.uniform(size=300) > accuracy
        return np.where(wrong, (truth + 1) % 3, truth)

    alike, apart = [run(0.8), run(0.8)], [run(0.7), run(0.9)]
    one, two = seeds(truth, alike, 3), seeds(truth, apart, 3)
    for scores, runs in ((one, alike), (two, apart)):
        value, low, high = scores["accuracy"]
        assert value == pytest.approx(np.mean([(r == truth).mean() for r in runs]), abs=1e-4)
        assert low < value < high
    width = [s["accuracy"][2] - s["accuracy"][1] for s in (one, two)]
    assert width[1] > 1.5 * width[0]
    gain = seeds(truth, [run(0.9)], 3, against=[run(0.6)])["uar"]
    assert gain[0] == pytest.approx(0.3, abs=0.07) and gain[1] > 0.15
    nothing = seeds(truth, alike, 3, against=alike)["uar"]
    assert nothing[0] == 0 and nothing[1] <= 0 <= nothing[2]


def test_intervals_over_subjects_are_wider_when_a_subject_is_all_right_or_all_wrong():
    truth = np.tile([0, 1], 50)
    who = np.repeat(np.arange(10), 10)
    prediction = np.where(who < 6, truth, 1 - truth)
    alone, grouped = (
        seeds(truth, [prediction], 2, groups=groups)["accuracy"] for groups in (None, who)
    )
    assert grouped[2] - grouped[1] > 2 * (alone[2] - alone[1])
    # One run: the same resampled subjects as `estimate`, and the same interval.
    single = bootstrap.estimate(truth, prediction, 2, groups=who).intervals()["accuracy"]
    assert grouped == pytest.approx(single, abs=1e-4)

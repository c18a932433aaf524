import csv

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from keras_mer.cross_validation import scores
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.evaluation import bootstrap, compare, evaluate, metrics, report
from keras_mer.experiments import stages
from tests.conftest import REAL_DATA


def test_scores_equal_scikit_learns(answers):
    truth, prediction = answers
    confusion = metrics.confusion_matrix(truth, prediction, 5)
    np.testing.assert_array_equal(confusion, sklearn_metrics.confusion_matrix(truth, prediction))
    found = metrics.scores(confusion)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(truth, prediction)
    np.testing.assert_allclose(found["precision"], precision)
    np.testing.assert_allclose(found["recall"], recall)
    np.testing.assert_allclose(found["f1"], f1)
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(truth, prediction))
    assert found["macro_f1"] == pytest.approx(
        sklearn_metrics.f1_score(truth, prediction, average="macro")
    )
    assert found["uar"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, prediction))


def test_stacks_of_matrices_score_as_each_alone(answers):
    one = metrics.confusion_matrix(*answers, 5)
    two = one[::-1]
    both = metrics.scores(np.stack([one, two]))
    for i, matrix in enumerate((one, two)):
        alone = metrics.scores(matrix)
        assert both["macro_f1"][i] == alone["macro_f1"]
        np.testing.assert_array_equal(both["recall"][i], alone["recall"])


def test_a_class_without_samples_is_left_out_of_the_means():
    found = metrics.scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    assert np.isnan(found["recall"][2]) and np.isnan(found["f1"][2])
    assert found["uar"] == pytest.approx((3 / 4 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((6 / 7 + 8 / 9) / 2)


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
    truth, prediction = (
        np.array([names.index(row[column]) for row in rows]) for column in ("truth", "prediction")
    )
    found = metrics.scores(metrics.confusion_matrix(truth, prediction, len(names)))
    assert len(rows) == 442
    assert found["macro_f1"].round(4) == 0.7209
    assert found["uar"].round(4) == 0.7250


def test_a_registered_metric_appears_in_every_report(monkeypatch, tmp_path):
    """One entry in the registry is all that a new metric needs."""

    def error_rate(confusion):
        return 1 - metrics.accuracy(confusion)

    def missed(confusion):
        return 1 - metrics.recall(confusion)

    for metric in (
        metrics.Metric("error_rate", "error rate", error_rate),
        metrics.Metric("missed", "missed share", missed, per_class=True),
    ):
        monkeypatch.setitem(metrics.METRICS, metric.name, metric)
    truth = np.tile([0, 1, 2], 20)
    first, second = truth.copy(), truth.copy()
    first[:15], second[:6] = (truth[:15] + 1) % 3, (truth[:6] + 1) % 3
    who = np.repeat([f"s{i}" for i in range(10)], 6)
    classes = ("happy", "sad", "fear")

    # One split: metrics.json and report.md.
    whole = evaluate._score(truth, np.eye(3)[first], who)
    assert whole["error_rate"][0] == 0.25 and len(whole["missed"]) == 3
    found = {"split": "test", "interval": "", "classes": list(classes), "whole": whole}
    page = report.markdown(found, "x")
    assert "| error rate | calibration error |" in page and "| missed share |" in page
    assert "| 25.0 % [" in page

    # Comparison of runs.
    def run(name, prediction):
        return compare.Run(
            name,
            tmp_path / name,
            classes,
            tuple(map(str, range(60))),
            tuple(who),
            truth,
            prediction,
        )

    found = compare.compare([run("a", first), run("b", second)])
    assert found["runs"][1]["difference"]["error_rate"][0] == -0.15
    page = compare.markdown(found, "test")
    assert "| error rate |" in page and "| error rate, difference |" in page

    # Cross-validation: metrics.json, report.md and the comparison's sentence.
    def table(prediction):
        return scores.Predictions(
            classes, dataset=np.full(60, "one"), subject=who, clip=np.arange(60).astype(str),
            truth=truth, prediction=prediction, seed=np.zeros(60, int), fold=who,
            probabilities=np.eye(3)[prediction],
        )  # fmt: skip

    found = {"protocol": "loso", **scores.score(table(first))}
    assert found["datasets"]["one"]["error_rate"] == found["whole"]["error_rate"]
    assert found["by_seed"]["0"]["error_rate"] == 0.25
    page = scores.markdown(found, "x")
    assert "| error rate |" in page and "| missed share |" in page
    found = scores.compare(table(second), table(first), repeats=50)
    assert "error rate -0.150" in scores.sentence(found, "other")

    # Several training seeds.
    part = Manifest(
        tuple(Sample(str(i), classes[k]) for i, k in enumerate(truth)), tmp_path, classes
    )
    assert stages.scores(part, [first, second])["error_rate"][0] == 0.175
    assert stages.scores(part, [first], [second])["error_rate"][0] == 0.15
    assert "missed" in bootstrap.estimate(truth, first, 3, repeats=10).intervals()

import csv
import json
import runpy
import sys

import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.evaluation import compare
from tests.conftest import REPOSITORY

CLASSES = ("angry", "happy", "sad")


def write(folder, guesses, truth, *, subjects=None, names=None, classes=CLASSES, split="test"):
    """A run folder as `evaluation.write` leaves it, as far as a comparison reads it."""
    out = folder / f"evaluation-{split}"
    out.mkdir(parents=True)
    names = names or [f"../data/{i}.png" for i in range(len(truth))]
    with (out / "predictions.csv").open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["path", "subject", "truth", "prediction", *classes])
        for i, name in enumerate(names):
            subject = subjects[i] if subjects else ""
            row = [classes[truth[i]], classes[guesses[i]]]
            writer.writerow([name, subject, *row, *[0.33] * len(classes)])
    (folder / "summary.json").write_text(json.dumps({"seconds": 90, "epochs": 4}))
    return folder


@pytest.fixture
def three(tmp_path):
    """A run that is right in 70 %, the same in another order, and one that is right in 80 %."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 500)

    def right(share, seed):
        wrong = np.random.default_rng(seed).random(500) >= share
        return np.where(wrong, (truth + 1) % 3, truth)

    weak, strong = right(0.7, 1), right(0.8, 2)
    order = random.permutation(500)
    write(tmp_path / "a", weak, truth)
    names = [f"../data/{i}.png" for i in order]
    write(tmp_path / "b", weak[order], truth[order], names=names)
    write(tmp_path / "deep" / "c", strong, truth,
          names=[f"../../data/{i}.png" for i in range(500)])  # fmt: skip
    runs = [compare.read(tmp_path / name, "test") for name in ("a", "b", "deep/c")]
    return runs, truth, weak, strong


def test_the_same_predictions_in_another_order_do_not_differ_and_better_ones_do(three):
    runs, truth, weak, strong = three
    found = compare.compare(runs)
    assert found["samples"] == 500 and "over samples" in found["interval"]
    a, b, c = found["runs"]
    assert "difference" not in a
    assert a["accuracy"][0] == pytest.approx((weak == truth).mean(), abs=1e-4)
    assert b["difference"]["accuracy"][:3] == [0, 0, 0] and b["difference"]["accuracy"][3] == 1
    value, low, high, p = c["difference"]["accuracy"]
    assert value == pytest.approx((strong == truth).mean() - (weak == truth).mean(), abs=1e-4)
    assert low > 0 and p < 0.01 and low < value < high


def test_the_paired_interval_is_that_of_resampled_samples(three):
    runs, truth, weak, strong = three
    _, low, high, _ = compare.compare([runs[0], runs[2]], repeats=4000)["runs"][1]["difference"][
        "accuracy"
    ]
    random = np.random.default_rng(5)
    gain = (strong == truth).astype(float) - (weak == truth)
    means = [gain[random.integers(0, 500, 500)].mean() for _ in range(4000)]
    np.testing.assert_allclose([low, high], np.quantile(means, [0.025, 0.975]), atol=0.006)


def test_whole_subjects_are_resampled_where_they_are_known(tmp_path):
    truth = np.tile([0, 1, 2], 40)
    people = [f"p{i // 30}" for i in range(120)]  # the second run is right on two of four
    better = np.where(np.arange(120) < 60, truth, (truth + 1) % 3)
    for name, guess in (("a", (truth + 1) % 3), ("b", better)):
        write(tmp_path / name, guess, truth, subjects=people)
    runs = [compare.read(tmp_path / name, "test") for name in "ab"]
    found = compare.compare(runs)
    assert "over subjects" in found["interval"]
    value, low, high, p = found["runs"][1]["difference"]["accuracy"]
    assert value == 0.5 and low <= 0.0 + 1e-9 and high == 1.0 and 0.05 < p < 0.3


def test_runs_that_cannot_be_compared_are_named(tmp_path):
    truth = np.array([0, 1, 2, 0])
    write(tmp_path / "a", truth, truth)
    write(tmp_path / "b", truth[:3], truth[:3])
    write(tmp_path / "c", truth, truth, classes=("angry", "fear", "sad"))
    write(tmp_path / "d", truth, truth[::-1])
    a, b, c, d = (compare.read(tmp_path / name, "test") for name in "abcd")
    with pytest.raises(UserError, match=r"different samples \(1 are in one only"):
        compare.compare([a, b])
    with pytest.raises(UserError, match="a has angry, happy, sad; .*c has angry, fear, sad"):
        compare.compare([a, c])
    with pytest.raises(UserError, match="disagree on the true classes"):
        compare.compare([a, d])
    with pytest.raises(UserError, match="no predictions on validation; make them with: make eval"):
        compare.read(tmp_path / "a", "validation")


def test_the_page_and_the_plot(three, tmp_path):
    found = compare.compare(three[0])
    found["runs"][0] |= {
        "parameters": 1_200_000,
        "multiply_adds": 99_800_000,
        "tflite": {"float32": {"bytes": 4_800_000, "latency_ms": 1.5}},
        "training": compare.training_cost(three[0][0].folder),
    }
    page = compare.markdown(found, "test")
    assert "| a | 1.20 M | 100 M | 4.80 MB, 1.50 ms | - | 1.5 min, 4 epochs |" in page
    assert page.count("| a |") == page.count("| c |") == 2
    for with_files in (True, False):
        if not with_files:
            del found["runs"][0]["tflite"]
        compare.draw(found, tmp_path / "plot.png", "title")
        assert (tmp_path / "plot.png").stat().st_size > 5_000


def test_the_script_measures_two_runs(three, tmp_path, monkeypatch, capsys, quick_int8):
    import keras

    from keras_mer import models

    folders = [run.folder for run in (three[0][0], three[0][2])]
    for seed, folder in enumerate(folders):
        keras.utils.set_random_seed(seed)
        model = models.build("lenet", classes=3, size=16, filters=(4, 8), units=8)
        models.with_probabilities(model).save(folder / "model.keras")
    script = runpy.run_path(str(REPOSITORY / "scripts/compare.py"))
    command = ["compare", *map(str, folders), "--out", str(tmp_path / "out"), "--no-tflite"]
    monkeypatch.setattr(sys, "argv", command)
    script["main"]()
    assert "| multiply-adds |" in capsys.readouterr().out
    saved = json.loads((tmp_path / "out/compare.json").read_text())
    assert [run["name"] for run in saved["runs"]] == ["a", "c"]
    assert saved["runs"][0]["parameters"] == model.count_params()
    # a file that export left in the run is measured, not made again
    from keras_mer.export import tflite

    for variant in ("float32", "int8"):
        x = np.zeros((2, 16, 16, 1), np.uint8)
        data = tflite.convert(models.with_probabilities(model), variant, x)
        for folder in folders:
            file = folder / "export" / f"model-{variant}.tflite"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
    figures = script["tflite"](folders, rounds=1)
    assert all(f["latency_ms"] > 0 and f["bytes"] > 1000 for one in figures for f in one.values())
    monkeypatch.setattr(sys, "argv", ["compare", str(folders[0])])
    with pytest.raises(UserError, match="expected at least two runs"):
        script["main"]()

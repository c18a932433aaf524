"""One table of predictions, its scores, and the difference of two."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from keras_mer.cross_validation import scores
from keras_mer.errors import UserError
from tests.people import CLASSES, people, recipe


def table(right=0.7, seeds=(0,), seed=0, subjects=20, each=6):
    """Predictions of which a share is right; each dataset has half of the subjects."""
    random = np.random.default_rng(seed)
    count = subjects * each
    subject = np.repeat([f"s{i:02d}" for i in range(subjects)], each)
    truth = np.tile([0, 0, 0, 1, 1, 2], subjects)[:count]
    rows = []
    for s in seeds:
        hit = random.random(count) < right
        guess = np.where(hit, truth, (truth + random.integers(1, 3, count)) % 3)
        p = np.eye(3, dtype=np.float32)[guess] * 0.8 + 0.2 / 3
        rows.append((np.full(count, s), guess, p))
    n = len(seeds)
    return scores.Predictions(
        CLASSES,
        dataset=np.tile(np.where(subject < "s10", "one", "two"), n),
        subject=np.tile(subject, n),
        clip=np.tile([f"c{i}" for i in range(count)], n),
        truth=np.tile(truth, n),
        prediction=np.concatenate([r[1] for r in rows]),
        seed=np.concatenate([r[0] for r in rows]),
        fold=np.tile(subject, n),
        probabilities=np.concatenate([r[2] for r in rows]),
    )


def test_scores_are_scikit_learns_on_the_pool_and_on_each_datasets_slice():
    t = table()
    found = scores.score(t)
    for view, keep in (
        (found["whole"], t.seed == 0),
        (found["datasets"]["one"], t.dataset == "one"),
        (found["datasets"]["two"], t.dataset == "two"),
    ):
        y, p = t.truth[keep], t.prediction[keep]
        f1 = sklearn_metrics.f1_score(y, p, average="macro")
        assert view["macro_f1"][0] == pytest.approx(f1, abs=1e-4)
        assert view["uar"][0] == pytest.approx(sklearn_metrics.recall_score(y, p, average="macro"),
                                               abs=1e-4)  # fmt: skip
        assert view["clips"] == len(y)
        low, high = view["macro_f1"][1:]
        assert low < f1 < high
    assert np.array(found["confusion"]).sum() == len(t.truth)


def test_several_seeds_are_averaged_not_mixed():
    t = table(seeds=(0, 1, 2))
    found = scores.score(t)
    alone = [scores.score(t.where(t.seed == s))["whole"]["macro_f1"][0] for s in (0, 1, 2)]
    assert found["whole"]["macro_f1"][0] == pytest.approx(np.mean(alone), abs=2e-4)
    assert [v["macro_f1"] for v in found["by_seed"].values()] == pytest.approx(alone, abs=1e-4)
    assert found["whole"]["clips"] == 120


def test_the_interval_is_over_people():
    """Everybody all right or all wrong: six clips a person tell no more than one."""
    t = table()
    hit = np.repeat(np.arange(20) % 5 < 3, 6)
    t.prediction[:] = np.where(hit, t.truth, (t.truth + 1) % 3)
    low, high = scores.score(t)["whole"]["accuracy"][1:]
    assert high - low > 0.35  # 4 * sqrt(0.24 / 20); over clips it would be 0.18


def test_the_csv_comes_back_as_it_was(tmp_path):
    t = table(seeds=(0, 3))
    t.write(tmp_path / "predictions.csv")
    again = scores.read(tmp_path)
    for name, value in vars(t).items():
        if name == "probabilities":
            np.testing.assert_allclose(again.probabilities, value, atol=1e-5)
        else:
            np.testing.assert_array_equal(getattr(again, name), value)
    with pytest.raises(UserError, match="no predictions at"):
        scores.read(tmp_path / "nothing")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the columns dataset, subject"):
        scores.read(tmp_path / "other.csv")


def test_the_paired_bootstrap_against_one_written_out():
    a, b = table(0.8, seed=1), table(0.65, seed=2)
    found = scores.compare(a, b)
    random = np.random.default_rng(5)
    names = np.unique(a.subject)
    rows_of = {n: np.flatnonzero(a.subject == n) for n in names}
    differences = []
    for _ in range(400):
        rows = np.concatenate([rows_of[n] for n in random.choice(names, len(names))])
        differences.append(
            np.subtract(
                *(
                    sklearn_metrics.f1_score(t.truth[rows], t.prediction[rows], average="macro")
                    for t in (a, b)
                )
            )
        )
    got = found["macro_f1"]
    assert [got["low"], got["high"]] == pytest.approx(
        np.quantile(differences, [0.025, 0.975]), abs=0.02
    )
    assert got["worse"] == pytest.approx(np.mean(np.array(differences) <= 0), abs=0.02)
    assert got["difference"] > 0 and found["subjects"] == 20 and found["clips"] == 120
    backwards = scores.compare(b, a)["macro_f1"]
    assert backwards["difference"] == -got["difference"] and backwards["high"] == -got["low"]
    assert "UF1 +0." in scores.sentence(found, "other")


def test_a_table_is_no_better_than_itself_and_order_does_not_matter():
    a = table()
    shuffled = a.where(np.random.default_rng(0).permutation(len(a.truth)))
    found = scores.compare(a, shuffled)
    assert found["macro_f1"] == {"difference": 0, "low": 0, "high": 0, "worse": 1}
    many = table(seeds=(0, 1))
    assert scores.compare(many, a)["clips"] == 120


def test_other_clips_or_another_truth_are_refused():
    a = table()
    with pytest.raises(UserError, match="not of the same clips: 120 and 119, 119 in common"):
        scores.compare(a, a.where(a.clip != "c3"))
    b = table()
    b.truth[0] = 2
    with pytest.raises(UserError, match="119 in common"):
        scores.compare(a, b)


def test_a_clip_counted_twice_is_refused():
    manifest, _ = people()
    half = {"prediction": [0] * 24, "probabilities": [[1, 0, 0]] * 24, "seed": 0}
    found = {
        (0, 0): half | {"fold": "a", "rows": list(range(24))},
        (1, 0): half | {"fold": "b", "rows": list(range(23, 47))},
    }
    with pytest.raises(UserError, match="a clip was predicted twice"):
        scores.collect(manifest, found)


def test_the_page_says_what_leaks():
    found = {"protocol": "loso", **scores.score(table())}
    assert "eak" not in scores.markdown(found, "x")
    found["test_set_selection"] = {"note": scores.SELECTION_NOTE, **scores.score(table(0.9))}
    page = scores.markdown(found, recipe().name)
    assert "Leaky: the best epoch was chosen on the clips that are scored" in page

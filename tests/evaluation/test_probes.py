import numpy as np
import pytest

from keras_mer.data import subsets
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from keras_mer.evaluation import probes

CLASSES = ("happy", "sad", "fear")


def manifest(counts=(60, 30, 3), subjects=0, split="train"):
    samples, number = [], 0
    for name, count in zip(CLASSES, counts, strict=True):
        for _ in range(count):
            who = f"s{number % subjects}" if subjects else ""
            samples.append(Sample(f"{number}.png", name, who, split=split))
            number += 1
    return Manifest(tuple(samples), ".", CLASSES)


def clouds(spread=0.3, count=60):
    random = np.random.default_rng(0)
    centres = np.eye(3, 8)
    labels = np.arange(count) % 3
    x = centres[labels] + spread * random.normal(size=(count, 8))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("f"), labels


def test_nearest_neighbours_vote_by_their_likeness():
    known = np.array([[1, 0], [0.8, 0.6], [0, 1]], "f")
    votes = probes.nearest(known, np.array([0, 1, 1]), np.array([[1, 0]], "f"), 2, k=2)
    a, b = np.exp(1 / 0.07), np.exp(0.8 / 0.07)
    np.testing.assert_allclose(votes, [[a / (a + b), b / (a + b)]], rtol=1e-4)
    np.testing.assert_array_equal(probes.neighbours(known, known[:1], 3), [[0, 1, 2]])


@pytest.mark.parametrize("probe", [probes.nearest, probes.linear])
def test_probes_find_classes_that_are_there_and_none_that_are_not(probe):
    x, labels = clouds()
    votes = probe(x[:40], labels[:40], x[40:], 3)
    np.testing.assert_allclose(votes.sum(1), 1, rtol=1e-6)
    assert (votes.argmax(1) == labels[40:]).mean() > 0.8
    shuffled = np.random.default_rng(1).permutation(labels)
    chance = (probe(x[:40], shuffled[:40], x[40:], 3).argmax(1) == shuffled[40:]).mean()
    assert chance < 0.75


def test_a_probe_with_a_label_of_each_class_still_answers():
    x, labels = clouds()
    assert probes.linear(x[:3], labels[:3], x, 3).shape == (60, 3)
    assert probes.nearest(x[:3], labels[:3], x, 3).argmax(1).max() < 3


def test_rank_counts_directions():
    random = np.random.default_rng(0)
    line = random.normal(size=(500, 1)) * np.ones((1, 10)) + 3
    assert probes.rank(line) == pytest.approx(1, abs=0.01)
    assert probes.rank(random.normal(size=(500, 10))) == pytest.approx(10, abs=0.3)
    plane = random.normal(size=(500, 2)) @ random.normal(size=(2, 10))
    assert probes.principal(plane, 2).var(0).sum() == pytest.approx(plane.var(0).sum())


@pytest.mark.parametrize("subjects", [0, 12])
def test_few_labels_are_nested_stratified_and_hold_every_class(subjects):
    whole = manifest(subjects=subjects)
    parts = {f: subsets.few_labels(whole, f, seed=4) for f in (0.02, 0.1, 0.5, 1.0)}
    kept = {f: {s.path for s in m if s.split == "train"} for f, m in parts.items()}
    assert kept[0.02] <= kept[0.1] <= kept[0.5] <= kept[1.0]
    assert len(kept[0.5]) >= 46 and len(kept[1.0]) == 93
    for part in parts.values():
        assert set(part.where(lambda s: s.split == "train").counts("label")) == set(CLASSES)
    half = parts[0.5].where(lambda s: s.split == "train")
    if subjects:  # few people, not a little of everybody
        assert len(half.counts("subject")) <= 8
    else:
        assert half.counts("label")["happy"] == pytest.approx(30, abs=2)
    other = subsets.few_labels(whole, 0.1, seed=5)
    assert {s.path for s in other if s.split == "train"} != kept[0.1]
    dropped = [s for s in parts[0.1] if s.split == "dropped"]
    assert all(s.note == subsets.UNUSED_NOTE for s in dropped)


def test_a_share_that_is_none_is_named():
    with pytest.raises(UserError, match="expected a share above 0 and up to 1, got 0"):
        subsets.few_labels(manifest(), 0.0, 0)


def test_held_out_images_choose_and_the_old_validation_measures():
    rows = [*manifest(subjects=12), *manifest((9, 9, 9), split="validation")]
    whole = Manifest(tuple(rows), ".", CLASSES)
    held = subsets.hold_out(whole, 0.1)
    counts = held.counts("split")
    assert counts["test"] == 27 and 9 <= counts["validation"] <= 20
    assert counts["train"] + counts["validation"] == 93
    assert subsets.hold_out(whole, 0.0) is whole and subsets.hold_out(held, 0.1) is held


def test_pooled_scores_are_means_over_seeds_and_their_intervals_hold_both_sources():
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 100)

    def run(accuracy):
        wrong = random.uniform(size=300) > accuracy
        return np.where(wrong, (truth + 1) % 3, truth)

    alike, apart = [run(0.8), run(0.8)], [run(0.7), run(0.9)]
    one, two = probes.pooled(truth, alike, 3), probes.pooled(truth, apart, 3)
    for scores, runs in ((one, alike), (two, apart)):
        value, low, high = scores["accuracy"]
        assert value == pytest.approx(np.mean([(r == truth).mean() for r in runs]), abs=1e-4)
        assert low < value < high
    width = [s["accuracy"][2] - s["accuracy"][1] for s in (one, two)]
    assert width[1] > 1.5 * width[0]
    gain = probes.pooled(truth, [run(0.9)], 3, against=[run(0.6)])["uar"]
    assert gain[0] == pytest.approx(0.3, abs=0.07) and gain[1] > 0.15
    nothing = probes.pooled(truth, alike, 3, against=alike)["uar"]
    assert nothing[0] == 0 and nothing[1] <= 0 <= nothing[2]


def test_intervals_over_subjects_are_wider_when_a_person_is_all_right_or_all_wrong():
    truth = np.tile([0, 1], 50)
    who = np.repeat(np.arange(10), 10)
    guess = np.where(who < 6, truth, 1 - truth)
    alone, grouped = (probes.pooled(truth, [guess], 2, g)["accuracy"] for g in (None, who))
    assert grouped[2] - grouped[1] > 2 * (alone[2] - alone[1])

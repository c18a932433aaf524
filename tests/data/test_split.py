from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.split import is_held_out, split, subsample
from keras_mer.errors import UserError

CLASSES = ("angry", "happy", "sad")


def make(tmp_path, samples):
    return Manifest(tuple(samples), tmp_path, CLASSES)


@pytest.fixture
def plain(tmp_path):
    """1,000 samples of unequal classes, without subjects."""
    labels = ["angry"] * 100 + ["happy"] * 600 + ["sad"] * 300
    return make(tmp_path, (Sample(f"{i}.png", c, source="a") for i, c in enumerate(labels)))


@pytest.fixture
def people(tmp_path):
    """40 subjects with 1 to 30 samples each and different class distributions."""
    rng = np.random.default_rng(3)
    samples = []
    for person in range(40):
        taste = rng.dirichlet([0.5, 1, 2])
        for k in range(rng.integers(1, 31)):
            label = str(rng.choice(CLASSES, p=taste))
            samples.append(Sample(f"{person}-{k}.png", label, subject=f"S{person:02}", source="a"))
    return make(tmp_path, samples)


def sides(manifest, column="subject"):
    """Each value of a column -> the splits in which it occurs."""
    out = {}
    for s in manifest:
        out.setdefault(getattr(s, column), set()).add(s.split)
    return out


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.1), (0.7, 0.15, 0.15), (0.5, 0.5, 0)])
def test_stratified_gives_every_class_its_fractions(plain, fractions):
    done = split(plain, "stratified", fractions=fractions)
    for label in CLASSES:
        total = plain.counts("label")[label]
        got = Counter(s.split for s in done if s.label == label)
        for name, share in zip(("train", "validation", "test"), fractions, strict=True):
            assert abs(got[name] - share * total) <= 1


def test_only_the_split_column_changes(plain):
    done = split(plain, "stratified")
    assert [s.path for s in done] == [s.path for s in plain]
    assert done.labels().tolist() == plain.labels().tolist()


@pytest.mark.parametrize("method", ["stratified", "kfold"])
def test_a_seed_repeats_and_another_one_differs(plain, method):
    assert split(plain, method, seed=4) == split(plain, method, seed=4)
    first, second = (split(plain, method, seed=n).samples for n in (4, 5))
    moved = sum(a.split != b.split for a, b in zip(first, second, strict=True))
    assert moved > 100


def test_a_stratified_split_is_shuffled(plain):
    test = [i for i, s in enumerate(split(plain, "stratified")) if s.split == "test"]
    assert 400 < np.mean(test) < 600
    assert np.diff(test).max() < 100


def test_groups_stay_in_one_part(plain):
    rng = np.random.default_rng(0)
    groups = [f"g{rng.integers(150)}" if i % 3 else "" for i in range(len(plain))]
    done = split(plain, "stratified", groups=groups)
    seen = {}
    for key, s in zip(groups, done, strict=True):
        if key:
            seen.setdefault(key, set()).add(s.split)
    assert all(len(found) == 1 for found in seen.values())
    assert done.counts("split")["test"] == pytest.approx(100, abs=10)


def test_no_subject_is_in_two_parts(people):
    done = split(people, "subject", fractions=(0.6, 0.2, 0.2))
    assert all(len(found) == 1 for found in sides(done).values())
    sizes = done.counts("split")
    assert sizes["train"] / len(people) == pytest.approx(0.6, abs=0.05)
    assert sizes["test"] / len(people) == pytest.approx(0.2, abs=0.05)


def imbalance(labels, parts):
    """Largest difference between a class's share in a part and its share in the whole."""
    labels, parts = np.array(labels), np.array(parts)
    return max(
        abs((labels[parts == p] == c).mean() - (labels == c).mean())
        for p in set(parts)
        for c in set(labels)
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_subject_folds_are_as_balanced_as_scikit_learns(people, seed):
    labels = [s.label for s in people]
    names = [s.subject for s in people]
    ours = np.zeros(len(people), int)
    for fold in range(5):
        done = split(people, "kfold", folds=5, fold=fold, seed=seed)
        ours[[i for i, s in enumerate(done) if s.split == "test"]] = fold
    theirs = np.zeros(len(people), int)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for fold, (_, test) in enumerate(folds.split(labels, labels, names)):
        theirs[test] = fold
    assert imbalance(labels, ours) <= imbalance(labels, theirs) + 0.02
    assert np.bincount(ours).max() <= np.bincount(theirs).max() + 10


@pytest.mark.parametrize("fixture", ["plain", "people"])
def test_folds_test_every_sample_once(request, fixture):
    manifest = request.getfixturevalue(fixture)
    tested = Counter()
    for fold in range(4):
        done = split(manifest, "kfold", folds=4, fold=fold)
        tested.update(s.path for s in done if s.split == "test")
        assert set(done.counts("split")) == {"train", "validation", "test"}
        if fixture == "people":
            assert all(len(found) == 1 for found in sides(done).values())
    assert tested == Counter(s.path for s in manifest)


def test_official_keeps_what_the_source_states(plain):
    names = ("train", "validation", "test")
    stated = make(
        plain.root,
        (Sample(s.path, s.label, source="a", split=names[i % 3]) for i, s in enumerate(plain)),
    )
    assert split(stated, "official") == stated


def test_official_takes_validation_from_train_and_keeps_test(plain):
    stated = make(
        plain.root,
        (
            Sample(s.path, s.label, source="a", split="test" if i % 5 == 0 else "train")
            for i, s in enumerate(plain)
        ),
    )
    done = split(stated, "official", fractions=(0.75, 0.25, 0))
    assert [s.path for s in done if s.split == "test"] == [
        s.path for s in stated if s.split == "test"
    ]
    assert done.counts("split") == {"train": 600, "validation": 200, "test": 200}


def test_official_splits_a_source_that_states_nothing_by_subject(tmp_path, people):
    names = ("train", "validation", "test")
    fer = [Sample(f"f{i}.png", CLASSES[i % 3], source="fer", split=names[i % 3]) for i in range(9)]
    done = split(make(tmp_path, [*fer, *people.samples]), "official")
    assert [s.split for s in done][:9] == [s.split for s in fer]
    rest = done.where(lambda s: s.source == "a")
    assert set(rest.counts("split")) == set(names)
    assert all(len(found) == 1 for found in sides(rest).values())


def test_dropped_rows_stay_dropped(plain):
    lost = [
        Sample(s.path, s.label, split="dropped", note="bad") if i % 10 == 0 else s
        for i, s in enumerate(plain)
    ]
    for method in ("stratified", "kfold"):
        done = split(make(plain.root, lost), method)
        assert [s for s in done if s.split == "dropped"] == lost[::10]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "statified"}, r"unknown split 'statified' \(did you mean 'stratified'\?\)"),
        ({"method": "official"}, "the source states no split; choose stratified, subject or kfold"),
        ({"method": "subject"}, r"1,000 of 1,000 samples have none, e.g. 0.png"),
        ({"method": "stratified", "fractions": (0.5, 0.2, 0.2)}, r"add up to 1, got 0.5, 0.2, 0.2"),
        ({"method": "stratified", "fractions": (0.9, 0.1)}, r"expected three shares"),
        ({"method": "kfold", "folds": 5, "fold": 5}, r"0 <= fold < folds, got 5/5"),
        ({"method": "kfold", "folds": 2}, "expected 3 folds or more"),
    ],
)
def test_invalid_arguments_are_refused(plain, arguments, message):
    with pytest.raises(UserError, match=message):
        split(plain, **arguments)


def test_a_manifest_of_dropped_rows_cannot_be_split(tmp_path):
    with pytest.raises(UserError, match="every row of the manifest is dropped"):
        split(make(tmp_path, [Sample("a.png", "sad", split="dropped")]), "stratified")


def test_a_partially_stated_split_is_refused(plain):
    half = [Sample(s.path, s.label, source="a", split="train" if i % 2 else "") for i, s in
            enumerate(plain)]  # fmt: skip
    with pytest.raises(UserError, match="a states a split for a part of its rows only"):
        split(make(plain.root, half), "official")


def test_subsampling_keeps_the_classes_and_the_other_parts(plain):
    whole = split(plain, "stratified", seed=0)
    few, fewer = subsample(whole, 0.2, seed=1), subsample(whole, 0.05, seed=1)
    for name in ("validation", "test"):
        assert few.part(name).samples == whole.part(name).samples
    counts = whole.part("train").counts("label")
    for label, count in few.part("train").counts("label").items():
        assert count == max(1, round(0.2 * counts[label]))
    assert {s.path for s in fewer.part("train")} <= {s.path for s in few.part("train")}
    assert {s.path for s in few.part("train")} != {
        s.path for s in subsample(whole, 0.2, 2).part("train")
    }
    assert all("only 0.2 of train" in s.note for s in few if s.split == "dropped")
    assert subsample(whole, 1.0).samples == whole.samples
    with pytest.raises(UserError, match="share: expected a number above 0, at most 1, got 2"):
        subsample(whole, 2.0)


def stated(tmp_path, *parts, count=400):
    """Rows of a source that states these parts, two rows for each image."""
    return make(
        tmp_path,
        (
            Sample(
                f"{part}{i}.png", CLASSES[i % 3], source="a", split=part, digest=f"{part}{i // 2}"
            )
            for part in parts
            for i in range(count)
        ),
    )


@pytest.mark.parametrize(
    ("parts", "becomes"),
    [
        (("train", "validation"), {"validation": "test"}),
        (("train", "test"), {"test": "test"}),
        (("train", "validation", "test"), {"validation": "test", "test": "dropped"}),
    ],
)
def test_hold_out_takes_validation_from_train_and_scores_on_the_stated_validation(
    tmp_path, parts, becomes
):
    before = stated(tmp_path, *parts)
    done = split(before, "official", hold_out=0.2)
    moved = {}
    for old, new in zip(before, done, strict=True):
        moved.setdefault(old.split, Counter())[new.split] += 1
    for part, name in becomes.items():
        assert moved[part] == {name: 400}
    assert set(moved["train"]) == {"train", "validation"}
    assert 50 < moved["train"]["validation"] < 110  # 200 groups with probability 0.2
    # identical images stay together
    assert all(len(s) == 1 for s in sides(done, "digest").values())
    assert all(s.note for s in done if s.split == "dropped")


def test_an_image_is_held_out_in_every_recipe_or_in_none(tmp_path):
    whole = split(stated(tmp_path, "train", "validation"), "official", hold_out=0.2)
    less = split(stated(tmp_path, "train", "test", count=100), "official", hold_out=0.2)
    names = {s.path: s.split for s in whole}
    shared = [s for s in less if s.path in names and s.path.startswith("train")]
    assert len(shared) == 100 and all(names[s.path] == s.split for s in shared)


def test_hold_out_keeps_people_together_and_follows_the_seed():
    one, other = (Sample(f"{n}.png", subject="S1", digest=str(n)) for n in range(2))
    for seed in range(30):
        assert is_held_out(one, 0.5, seed) == is_held_out(other, 0.5, seed)
    taken = [is_held_out(one, 0.5, seed) for seed in range(30)]
    assert 5 < sum(taken) < 25

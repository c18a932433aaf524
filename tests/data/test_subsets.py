import pytest

from keras_mer.data import subsets
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError

CLASSES = ("happy", "sad", "fear")


def manifest(counts=(60, 30, 3), subjects=0, split="train"):
    samples, number = [], 0
    for name, count in zip(CLASSES, counts, strict=True):
        for _ in range(count):
            who = f"s{number % subjects}" if subjects else ""
            samples.append(Sample(f"{number}.png", name, who, split=split))
            number += 1
    return Manifest(tuple(samples), ".", CLASSES)


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
    assert all(s.note == "label not used" and not s.duplicate_of for s in dropped)


def test_an_invalid_fraction_is_an_error():
    with pytest.raises(UserError, match="expected a share above 0 and up to 1, got 0"):
        subsets.few_labels(manifest(), 0.0, 0)


def test_a_part_of_train_is_held_out_and_the_old_validation_becomes_test():
    rows = [*manifest(subjects=12), *manifest((9, 9, 9), split="validation")]
    whole = Manifest(tuple(rows), ".", CLASSES)
    held = subsets.hold_out(whole, 0.1)
    counts = held.counts("split")
    assert counts["test"] == 27 and 9 <= counts["validation"] <= 20
    assert counts["train"] + counts["validation"] == 93
    assert subsets.hold_out(whole, 0.0) is whole and subsets.hold_out(held, 0.1) is held

"""Nobody is on two sides, and everybody is somewhere."""

import dataclasses

import numpy as np
import pytest

from keras_mer.config.recipe import Protocol
from keras_mer.cross_validation import folds
from keras_mer.errors import UserError
from tests.people import people


@pytest.fixture(scope="module")
def manifest():
    return people()[0]


def check(manifest, made, whole=None):
    """Every row is tested once, nobody is on both sides; returns the subjects of each test part."""
    subjects = np.array([s.subject for s in manifest])
    whole = np.arange(len(manifest)) if whole is None else whole
    np.testing.assert_array_equal(np.sort(np.concatenate([f.test for f in made])), whole)
    for fold in made:
        np.testing.assert_array_equal(np.sort(np.concatenate([fold.train, fold.test])), whole)
        assert not set(subjects[fold.train]) & set(subjects[fold.test])
    return [set(subjects[f.test]) for f in made]


def test_leave_one_subject_out(manifest):
    left_out = check(manifest, folds.outer(manifest, Protocol()))
    assert len(left_out) == 8 and all(len(people) == 1 for people in left_out)


def test_folds_of_subjects_and_folds_inside_a_fold(manifest):
    made = folds.outer(manifest, Protocol(kind="kfold", folds=4))
    assert [len(people) for people in check(manifest, made)] == [2, 2, 2, 2]
    outer = made[1]
    inner = folds.by_subject(manifest, outer.train, 3)
    check(manifest, inner, outer.train)
    assert not set(np.concatenate([f.test for f in inner])) & set(outer.test)


def test_one_dataset_is_left_out(manifest):
    made = folds.outer(manifest, Protocol(kind="dataset"))
    check(manifest, made)
    assert [f.name for f in made] == ["one", "two"]
    one = manifest.where(lambda s: s.source == "one")
    with pytest.raises(UserError, match="two datasets or more"):
        folds.outer(one, Protocol(kind="dataset"))


def test_a_fixed_split(manifest):
    rows = [
        dataclasses.replace(s, split="test" if s.source == "two" else "train") for s in manifest
    ]
    (fold,) = folds.outer(manifest.replace(rows), Protocol(kind="split"))
    assert {manifest.samples[i].source for i in fold.test} == {"two"}
    with pytest.raises(UserError, match="states no train and test"):
        folds.outer(manifest, Protocol(kind="split"))
    rows[0] = dataclasses.replace(rows[0], split="test")
    with pytest.raises(UserError, match="fold test: one:s0 is in train and in test"):
        folds.outer(manifest.replace(rows), Protocol(kind="split"))


def test_what_cannot_be_left_out_is_named(manifest):
    rows = list(manifest)
    unknown = manifest.replace([dataclasses.replace(rows[0], subject=""), *rows[1:]])
    with pytest.raises(UserError, match=r"needs every clip's subject; one-0-0.png has none"):
        folds.outer(unknown, Protocol())
    lonely = manifest.where(lambda s: s.subject == "one:s0" or s.label == "negative")
    with pytest.raises(UserError, match="fold one:s0: no clip of positive, surprise left"):
        folds.outer(lonely, Protocol())
    with pytest.raises(UserError, match="no more than the 8 subjects"):
        folds.outer(manifest, Protocol(kind="kfold", folds=9))

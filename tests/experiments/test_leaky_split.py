"""The comparison with a random split of frames: what is dealt, and where its scores are kept."""

import json
from collections import Counter

import pytest

from keras_mer.data import build
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from keras_mer.experiments import leaky_split
from tests.experiments.test_ssl_distillation import tiny_experiment

SPLITS = {"a": "train", "b": "train", "c": "validation", "d": "test"}


def frames(tmp_path, per_clip):
    samples = [
        Sample(path=f"{clip}/{n}.png", label="x", subject=clip, clip=clip, split=split)
        for clip, split in SPLITS.items()
        for n in range(per_clip)
    ]
    dropped = Sample(path="no.png", split="dropped", note="unreadable")
    return Manifest((*samples, dropped), tmp_path, ("x",))


def test_frames_are_dealt_at_random_to_parts_of_the_same_sizes(tmp_path):
    before = frames(tmp_path, 30)
    after = leaky_split.shuffled(before)
    assert after.counts("split") == before.counts("split")
    assert [s.path for s in after] == [s.path for s in before]
    assert after.samples[-1] == before.samples[-1]
    by_clip = Counter((s.clip, s.split) for s in after)
    for clip in SPLITS:  # of 30 frames, 15 are expected in train
        assert 6 <= by_clip[clip, "train"] <= 24 and by_clip[clip, "test"] >= 1
    assert leaky_split.shuffled(before) == after


def test_without_two_frames_of_a_clip_nothing_leaks_and_one_line_says_so(tmp_path):
    with pytest.raises(UserError, match="no two images here are frames of one clip"):
        leaky_split.shuffled(frames(tmp_path, 1))


@pytest.mark.slow
def test_the_leaky_score_has_a_file_of_its_own(tmp_path):
    from keras_mer import synthetic

    synthetic.write_casme2(
        tmp_path / "casme2", count=36, subjects=6, size=48, duration=(0.05, 0.1), rest=2,
        classes=("happy", "disgust", "surprise"),
    )  # fmt: skip
    recipe = tiny_experiment(
        tmp_path, "data.vocabulary=megc3", "ssl_distillation.labels=1.0", "dino.batch=16",
        "training.batch=16",
    )  # fmt: skip
    spec = {"casme2": {"path": str(tmp_path / "casme2"), "stills": 4}}
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"sources": spec})})
    how = build.keywords(recipe)
    manifest, _ = build.build(how.pop("sources"), **how)
    found = leaky_split.run(recipe, manifest, tmp_path / "run")
    kept = json.loads((tmp_path / "run/leaky/leaky-scores.json").read_text())
    assert kept["warning"] == found["warning"] and kept["warning"].startswith("LEAKY")
    text = (tmp_path / "run/leaky/leaky.md").read_text()
    assert text.startswith("LEAKY") and text.count("(leaky)") == 2
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"leaky"}

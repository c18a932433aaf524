"""Matching of intervals and scores of spotting, against counts of frames and definitions."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from keras_mer.data.recordings import Interval, Recording
from keras_mer.evaluation import spot_report, spotting
from keras_mer.evaluation.spotting import Spot


def recording(*intervals, name="a", subject="one"):
    return Recording(Path(name), name, subject, 50.0, intervals)


def test_iou_is_that_of_the_sets_of_frames():
    for a, b, c, d in itertools.product(range(4), repeat=4):
        first, second = Spot(a, a, a + b), Spot(c, c, c + d)
        one, two = set(range(a, a + b + 1)), set(range(c, c + d + 1))
        assert spotting.iou(first, second) == pytest.approx(len(one & two) / len(one | two))


def test_each_annotated_interval_is_found_once_and_by_the_best_spot():
    truth = recording(
        Interval(10, 15, 19), Interval(40, 45, 49), Interval(60, 70, 99, kind="macro")
    )
    outcomes = spotting.match(
        truth,
        [
            Spot(10, 14, 17),  # IoU 0.8
            Spot(10, 14, 16),  # IoU 0.7: the same interval again
            Spot(44, 46, 53),  # 6 of 14 frames: too little
            Spot(62, 70, 95),  # a longer expression
            Spot(200, 205, 210),
        ],
    )
    assert [o.name for o in outcomes] == ["found", "false", "missed", "false", "false", "false"]
    assert outcomes[0].spot.offset == 17 and outcomes[0].iou == pytest.approx(0.8)
    assert spotting.false_alarms(outcomes) == {"micro": 2, "macro": 1, "rest": 1}
    half = spotting.match(recording(Interval(0, 4, 9)), [Spot(0, 2, 4)])
    assert half[0].name == "found"  # 0.5 counts


def counted(outcomes):
    names = [o.name for o in outcomes]
    found, missed, false = (names.count(n) for n in ("found", "missed", "false"))
    return found / (found + false), found / (found + missed), found, missed, false


def test_scores_are_pooled_over_recordings_and_multiplied_with_the_recognition():
    classes = ("negative", "positive", "surprise")
    one = recording(
        Interval(0, 5, 9, "happy"), Interval(20, 25, 29, "disgust"), Interval(40, 45, 49, "others")
    )
    two = recording(
        Interval(0, 5, 9, "surprise"), Interval(20, 25, 29, "sad"), name="b", subject="x"
    )
    outcomes = [
        *spotting.match(one, [Spot(0, 5, 9, "positive"), Spot(20, 25, 29, "surprise"),
                              Spot(40, 45, 49, "negative"), Spot(70, 75, 79, "positive")]),
        *spotting.match(two, [Spot(0, 5, 9, "surprise")]),
    ]  # fmt: skip
    precision, recall, found, missed, false = counted(outcomes)
    assert (found, missed, false) == (4, 1, 1)
    result = spotting.scores(outcomes, [one, two], classes)
    assert result["precision"][0] == pytest.approx(precision)
    assert result["recall"][0] == pytest.approx(recall)
    f1 = 2 * precision * recall / (precision + recall)
    assert result["f1"][0] == pytest.approx(f1)
    # found and of one of the classes: happy right, disgust called surprise, surprise right
    uf1 = np.mean([0, 1, 2 / 3])
    assert result["uf1"][0] == pytest.approx(uf1, abs=1e-4)
    assert result["strs"][0] == pytest.approx(f1 * uf1, abs=1e-4)
    for value, low, high in result.values():
        assert low <= value <= high
    # two people: a resample holds one of them alone or both
    alone = [counted([o for o in outcomes if o.recording is r])[1] for r in (one, two)]
    assert result["recall"][1:] == pytest.approx(sorted(alone))


def test_people_without_intervals_and_recordings_without_spots_count():
    quiet, busy = recording(name="q", subject="q"), recording(Interval(0, 5, 9))
    outcomes = [*spotting.match(quiet, []), *spotting.match(busy, [])]
    result = spotting.scores(outcomes, [quiet, busy])
    assert result["precision"][0] is None and result["recall"][0] == 0 and "uf1" not in result
    minutes = {"q": 1.0, "a": 0.5}
    rows = spot_report.rows(outcomes, [quiet, busy], minutes)
    assert rows == [["q", "1.0", "0", "0", "0", "0"], ["a", "0.5", "1", "0", "1", "0"],
                    ["all", "1.5", "1", "0", "1", "0"]]  # fmt: skip


def test_the_summary_and_the_intervals_are_written(tmp_path):
    one = recording(Interval(0, 5, 9, "happy"), Interval(100, 105, 140, kind="talk"))
    outcomes = spotting.match(one, [Spot(1, 5, 9), Spot(110, 120, 130)])
    result = spot_report.summary(outcomes, [one], {"a": 2.0})
    assert result["false_alarms"] == {"talk": 1} and result["false_alarms_per_minute"] == 0.5
    spot_report.write(tmp_path, result, outcomes)
    assert json.loads((tmp_path / "spotting.json").read_text()) == result
    rows = list(csv.DictReader((tmp_path / "intervals.csv").open()))
    assert [(r["outcome"], r["onset"], r["spotted_onset"], r["during"]) for r in rows] == [
        ("found", "0", "1", ""), ("false", "", "110", "talk"),
    ]  # fmt: skip

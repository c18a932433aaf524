"""`scripts/spot.py` on a drawn recording."""

import csv
import json

from keras_mer import synthetic


def test_spotting_is_scored_with_and_without_a_model(script, tiny_models, tmp_path):
    synthetic.write_recordings(
        tmp_path / "drawn", 1, 12.0, 25.0, 0.6, seed=1, size=128, without=("talk", "macro", "nod")
    )
    done = script("spot.py", "drawn", "--out", "plain", "--detector", "haar")
    assert done.returncode == 0, done.stderr
    assert "false alarms a minute: " in done.stdout and "F1: " in done.stdout
    plain = json.loads((tmp_path / "plain" / "spotting.json").read_text())
    assert plain["annotated"] == 1 and set(plain["scores"]) == {"precision", "recall", "f1"}
    assert plain["minutes"] == 0.2 and plain["people"] == 1
    rows = list(csv.DictReader((tmp_path / "plain" / "intervals.csv").open()))
    found = [r for r in rows if r["outcome"] == "found"]
    assert len(found) == 1 and float(found[0]["iou"]) >= 0.5 and found[0]["predicted"] == ""
    done = script("spot.py", "drawn", "--out", "named", "--model", tiny_models / "flow")
    assert done.returncode == 0, done.stderr
    named = json.loads((tmp_path / "named" / "spotting.json").read_text())
    assert {"uf1", "strs"} <= set(named["scores"]) and named["classes"]
    done = script("spot.py", "nothing")
    assert done.returncode == 2 and "nothing: no such folder" in done.stderr

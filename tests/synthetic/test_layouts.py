"""Writers of synthetic face datasets."""

import csv
import re
from collections import Counter

import numpy as np
import pytest

from keras_mer import labels as vocabularies
from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.images import read

SEVEN = vocabularies.FER2013


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def bytes_of(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_samples_are_balanced_and_described(tmp_path):
    seen = []
    synthetic.write_samples(
        tmp_path / "s", 70, 10, size=32, progress=lambda done, total: seen.append((done, total))
    )
    rows = rows_of(tmp_path / "s" / "samples.csv")
    assert list(rows[0]) == ["file", "label", "subject", "intensity"]
    assert set(Counter(r["label"] for r in rows).values()) == {10}
    assert set(Counter(r["subject"] for r in rows).values()) == {7}
    assert len({(r["label"], r["subject"]) for r in rows}) == 70
    for row in rows:
        low, high = (0, 0) if row["label"] == "neutral" else (0.4, 1)
        assert low <= float(row["intensity"]) <= high
    assert read(tmp_path / "s" / rows[0]["file"]).shape == (32, 32)
    assert seen[-1] == (70, 70) and len(seen) == 70


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        synthetic.write_samples(tmp_path / name, 14, 7, seed=3)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    synthetic.write_samples(tmp_path / "c", 14, 7, seed=4)
    assert bytes_of(tmp_path / "a") != bytes_of(tmp_path / "c")
    # fewer pictures are the first of more
    synthetic.write_samples(tmp_path / "d", 7, 7, seed=3)
    assert (
        bytes_of(tmp_path / "d")["images/000007.png"]
        == (tmp_path / "a/images/000007.png").read_bytes()
    )


def test_fer2013_csv_folders_and_ferplus_agree(tmp_path):
    synthetic.write_fer2013_csv(tmp_path / "fer2013.csv", 210, 10)
    synthetic.write_ferplus_csv(tmp_path / "fer2013new.csv", 210, 10)
    synthetic.write_fer2013_folders(tmp_path / "fer", 210, 10)
    rows, votes = rows_of(tmp_path / "fer2013.csv"), rows_of(tmp_path / "fer2013new.csv")
    assert list(rows[0]) == ["emotion", "pixels", "Usage"]
    assert Counter(r["Usage"] for r in rows) == {
        "Training": 168, "PublicTest": 21, "PrivateTest": 21,
    }  # fmt: skip
    assert all(len(r["pixels"].split()) == 2304 for r in rows)
    for usage in ("Training", "PublicTest", "PrivateTest"):
        assert set(Counter(r["emotion"] for r in rows if r["Usage"] == usage)) == set("0123456")
    assert [r["Usage"] for r in votes] == [r["Usage"] for r in rows]
    assert list(votes[0])[:3] == ["Usage", "Image name", "neutral"] and list(votes[0])[-1] == "NF"
    unnamed = [i for i, v in enumerate(votes) if not v["Image name"]]
    assert unnamed == [6, 206] and all(votes[i]["NF"] == "10" for i in unnamed)
    agree = 0
    for row, vote in zip(rows, votes, strict=True):
        counts = [int(v) for v in list(vote.values())[2:]]
        assert sum(counts) == 10
        agree += vocabularies.FERPLUS[int(np.argmax(counts[:8]))] == SEVEN[int(row["emotion"])]
    assert agree > 190
    files = sorted((tmp_path / "fer").rglob("*.jpg"))
    assert len(files) == 210
    for file in files:
        part, label, name = file.relative_to(tmp_path / "fer").parts
        usage, number = re.fullmatch(r"(\w+?)_(\d+)\.jpg", name).groups()
        assert rows[int(number)]["Usage"] == usage
        assert SEVEN[int(rows[int(number)]["emotion"])] == label
        assert part == ("train" if usage == "Training" else "test")
    pixels = np.array(rows[0]["pixels"].split(), int).reshape(48, 48)
    label = SEVEN[int(rows[0]["emotion"])]
    assert np.abs(read(tmp_path / f"fer/train/{label}/Training_0.jpg") - pixels).mean() < 4


def test_subjects_do_not_cross_usages():
    from keras_mer.synthetic.layouts import _usage_rows

    rows = _usage_rows(300, 11, 48, 0, SEVEN)
    groups = [{r.subject for r in rows if r.usage == u} for u in
              ("Training", "PublicTest", "PrivateTest")]  # fmt: skip
    assert sum(map(len, groups)) == len(set.union(*groups)) == 11


def test_ckextended_csv_has_contempt(tmp_path):
    synthetic.write_ckextended_csv(tmp_path / "ck.csv", 80, 10)
    codes = Counter(r["emotion"] for r in rows_of(tmp_path / "ck.csv"))
    assert set(codes) == set("01234567")


def test_a_failing_writer_leaves_no_files(tmp_path):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthetic.write_samples(tmp_path / "s", 14, 7, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_replaced_only_with_overwrite(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("x")
    (tmp_path / "fer2013.csv").write_text("x")
    with pytest.raises(UserError, match="not empty"):
        synthetic.write_samples(tmp_path / "s", 7, 7)
    with pytest.raises(UserError, match="exists"):
        synthetic.write_fer2013_csv(tmp_path / "fer2013.csv", 10, 3)
    assert (tmp_path / "s" / "mine.txt").exists()
    synthetic.write_samples(tmp_path / "s", 7, 7, overwrite=True)
    assert not (tmp_path / "s" / "mine.txt").exists()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: synthetic.write_samples("x", 0), "count must lie in 1"),
        (lambda: synthetic.write_fer2013_csv("x", 10, 2), "3 subjects at least"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()

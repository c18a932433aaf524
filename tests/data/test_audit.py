import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_mer.data import fingerprints, sources
from keras_mer.data.audit import NEAR, audit, drop_leaks, mark_duplicates
from keras_mer.data.manifest import Manifest, Sample

CLASSES = ("angry", "happy")
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "fer2013-train-publictest.tar.xz"


@pytest.fixture
def planted(tmp_path):
    """A manifest with one of each finding; the rest are unlike one another."""
    rng = np.random.default_rng(0)
    rows = []

    def add(name, image, label="happy", split="train", subject=""):
        if image is not None:
            cv2.imwrite(str(tmp_path / name), image)
        rows.append(Sample(name, label, split=split, subject=subject))

    def face():
        return cv2.resize(rng.integers(0, 256, (8, 8), np.uint8), (48, 48))

    one, two, three, four, near = (face() for _ in range(5))
    add("a0.png", one, subject="S1")
    add("a1.png", one, split="validation", subject="S2")
    add("a2.png", one, split="test", subject="S3")
    add("b0.png", two)
    add("b1.png", two, "angry")  # the same picture under two labels
    add("c0.png", three, split="validation")
    add("c1.png", cv2.cvtColor(three, cv2.COLOR_GRAY2BGR), split="test")  # grey all the same
    add("d0.png", four, subject="S4")
    add("d1.png", face(), split="test", subject="S4")
    add("e0.png", near)
    add("e1.png", np.clip(near.astype(int) * 0.9 + 15, 0, 255).astype(np.uint8), split="test")
    add("f0.png", np.full((48, 48), 100, np.uint8), "angry")
    add("f1.png", rng.integers(100, 103, (48, 48), np.uint8), "angry", split="test")
    add("g0.png", None, "angry")
    (tmp_path / "g0.png").write_bytes(b"")
    add("h0.png", cv2.resize(one, (40, 40)), split="validation")  # near a0, a1, a2
    rows.append(Sample("gone.png", "angry", split="dropped", note="cut off"))
    add("i0.png", face(), "angry", split="validation")
    return Manifest(tuple(rows), tmp_path, CLASSES)


def names(manifest, rows):
    return sorted(manifest.samples[i].path for i in rows)


def test_each_finding_is_found_with_its_rows(planted):
    report = audit(planted)
    assert sorted(names(planted, g) for g in report.identical) == [
        ["a0.png", "a1.png", "a2.png"], ["b0.png", "b1.png"], ["c0.png", "c1.png"],
    ]  # fmt: skip
    assert sorted(names(planted, g) for g in report.across) == [
        ["a0.png", "a1.png", "a2.png"], ["c0.png", "c1.png"],
    ]  # fmt: skip
    samples = planted.samples
    duplicates = {samples[i].path: samples[j].path for i, j in report.duplicates.items()}
    assert duplicates == {"a1.png": "a0.png", "a2.png": "a0.png", "c1.png": "c0.png"}
    assert [names(planted, g) for g in report.conflicting] == [["b0.png", "b1.png"]]
    assert names(planted, report.blank) == ["f0.png", "f1.png"]
    assert {planted.samples[i].path: why for i, why in report.unreadable.items()} == {
        "g0.png": f"{planted.root / 'g0.png'}: empty file (0 bytes)"
    }
    assert {who: names(planted, rows) for who, rows in report.subjects.items()} == {
        "S4": ["d0.png", "d1.png"]
    }
    assert report.duplicates_in_train("validation") == 1
    assert report.duplicates_in_train("test") == 1


def test_near_duplicates_are_those_a_plain_loop_finds(planted):
    report = audit(planted)
    images = {
        i: cv2.imread(str(planted.root / s.path), 0)
        for i, s in enumerate(planted)
        if s.path not in ("g0.png", "gone.png")
    }
    small = {
        i: cv2.resize(x, (16, 16), interpolation=cv2.INTER_AREA).ravel().astype(float)
        for i, x in images.items()
    }
    wanted = {}
    for i in images:
        for j in images:
            same = images[i].shape == images[j].shape and (images[i] == images[j]).all()
            if i < j and not same and min(small[i].std(), small[j].std()) > 1:
                value = np.corrcoef(small[i], small[j])[0, 1]
                if value > NEAR:
                    wanted[i, j] = value
    assert len(wanted) == 4  # e0 with e1, and h0 with each of a0, a1, a2
    assert {(i, j): v for i, j, v in report.near} == pytest.approx(wanted, abs=1e-5)
    values = [v for *_, v in report.near]
    assert values == sorted(values, reverse=True)
    assert len(report.near_across()) == 3


def test_blocks_do_not_change_the_pairs(planted, monkeypatch):
    prints = fingerprints.take(planted)
    whole = fingerprints.near_pairs(prints, 0.2)
    monkeypatch.setattr(fingerprints, "_BLOCK", 3)
    parts = fingerprints.near_pairs(prints, 0.2)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole[1], parts[1], atol=1e-6)
    assert len(whole[0]) > 10


def test_near_duplicates_need_not_be_searched(planted):
    report = audit(planted, near=False)
    assert report.near is None
    assert "not searched for" in report.markdown()


def test_duplicates_are_dropped_from_the_earlier_split(planted):
    clean = drop_leaks(planted, audit(planted, near=False))
    changed = {
        after.path: (after.split, after.note, after.duplicate_of)
        for before, after in zip(planted, clean, strict=True)
        if before != after
    }
    assert changed == {
        "a0.png": ("dropped", "pixel-identical to a2.png (test)", "a2.png"),
        "a1.png": ("dropped", "pixel-identical to a2.png (test)", "a2.png"),
        "a2.png": ("test", "", "a0.png"),
        "c0.png": ("dropped", "pixel-identical to c1.png (test)", "c1.png"),
    }
    again = audit(clean, near=False)
    assert again.across == [] and again.duplicates == {}
    assert names(clean, again.dropped()) == ["a0.png", "a1.png", "c0.png", "gone.png"]


def test_duplicates_of_train_may_be_kept_and_marked(planted):
    kept = mark_duplicates(planted, audit(planted, near=False))
    assert [(s.split, s.note) for s in kept] == [(s.split, s.note) for s in planted]
    marked = {s.path: s.duplicate_of for s in kept if s.duplicate_of}
    assert marked == {"a1.png": "a0.png", "a2.png": "a0.png"}  # c1 equals a validation image


def test_the_page_and_the_table_hold_every_row(planted, tmp_path):
    report = audit(planted)
    page, table = report.write(tmp_path / "out")
    text = page.read_text()
    for line in (
        "| groups of pixel-identical images | 3 |",
        "| such groups across splits | 2 |",
        "| validation images pixel-identical to a train image | 1 |",
        "| groups of identical images with conflicting labels | 1 |",
        "| subjects in more than one split | 1 |",
        "| blank images (pixel std below 2) | 2 |",
        "| unreadable images | 1 |",
        "| rows dropped before the audit | 1 |",
        "| angry | 3 (42.9%) | 1 (25.0%) | 1 (20.0%) |",
        "| all | 7 | 4 | 5 |",
    ):
        assert line in text.splitlines()
    with table.open(newline="") as f:
        rows = list(csv.DictReader(f))
    of = {}
    for row in rows:
        of.setdefault(row["finding"], []).append(row["path"])
    assert len(of["identical"]) == 7 and len(of["near-duplicate"]) == 8
    assert of["dropped before"] == ["gone.png"]
    assert of["unreadable"] == ["g0.png"]
    assert {r["detail"] for r in rows if r["path"] == "c1.png"} >= {"c0.png (validation)"}


def test_an_unsplit_manifest_has_no_leaks(planted):
    report = audit(planted.replace(Sample(s.path, s.label) for s in planted.samples[:13]))
    assert len(report.identical) == 3
    assert report.across == [] and report.duplicates == {} and report.subjects == {}


@pytest.mark.skipif(not REAL.is_file(), reason="needs the FER2013 images beside the checkout")
def test_real_fer2013_to_the_unit():
    manifest = sources.load("fer2013", REAL)
    assert manifest.counts("split") == {"train": 28709, "validation": 3589}
    report = audit(manifest, near=False)
    assert len(report.identical) == 1273
    assert len(report.across) == 270
    assert report.duplicates_in_train("validation") == 280
    assert len(report.conflicting) == 47
    assert len(report.blank) == 13
    assert report.unreadable == {}

import dataclasses
import runpy
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_mer.config import recipe as recipes
from keras_mer.data.build import build, describe, load_sources, manifest_for, prepare_folds
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from tests.conftest import REAL_DATA

CLASSES = ("angry", "happy", "sad")
SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def data(tmp_path):
    """30 different pictures of each class, without a split."""
    rng = np.random.default_rng(0)
    for label in CLASSES:
        (tmp_path / "faces" / label).mkdir(parents=True)
        for i in range(30):
            image = rng.integers(0, 256, (20, 20), np.uint8)
            cv2.imwrite(str(tmp_path / "faces" / label / f"{i:02}.png"), image)
    return tmp_path / "faces"


def copy(data, one, other):
    (data / other).parent.mkdir(parents=True, exist_ok=True)
    (data / other).write_bytes((data / one).read_bytes())


def test_a_folder_becomes_a_split_manifest(data, tmp_path):
    manifest, report = build({"folders": data}, vocabulary=CLASSES, split="stratified")
    assert manifest.counts("split") == {"train": 72, "validation": 9, "test": 9}
    assert manifest.classes == CLASSES
    assert report.identical == []
    manifest.write(tmp_path / "m" / "faces.csv")
    assert Manifest.read(tmp_path / "m" / "faces.csv").counts("label") == manifest.counts("label")


def test_broken_files_are_named_dropped_and_counted(data):
    whole = (data / "sad" / "03.png").read_bytes()
    (data / "sad" / "00.png").write_bytes(b"")
    (data / "sad" / "01.png").write_bytes(whole[:100])
    (data / "sad" / "02.png").write_text("no picture")
    manifest, report = build({"folders": str(data)}, vocabulary=CLASSES, split="stratified")
    dropped = [s for s in manifest if s.split == "dropped"]
    assert [s.path for s in dropped] == ["sad/00.png", "sad/01.png", "sad/02.png"]
    assert [
        next(w for w in ("empty file", "truncated image", "not an image") if w in s.note)
        for s in dropped
    ] == ["empty file", "truncated image", "not an image"]
    assert len(report.unreadable) == 3
    assert ("unreadable images", 3) in report.summary()
    assert report.dropped() == []
    assert len(manifest) == 90


def test_colour_deep_and_clear_images_are_taken(data):
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    cv2.imwrite(str(data / "sad" / "colour.png"), np.dstack([grey, grey[::-1], grey.T]))
    cv2.imwrite(str(data / "sad" / "deep.png"), grey.T.astype(np.uint16) * 257)
    cv2.imwrite(str(data / "sad" / "clear.png"), np.dstack([grey, grey, grey, grey]))
    manifest, _ = build({"folders": data}, vocabulary=CLASSES, split="stratified")
    assert manifest.counts("label")["sad"] == 33
    assert manifest.counts("split")["dropped"] == 0


def test_identical_images_stay_together_in_a_stratified_split(data):
    for i in range(15):
        copy(data, f"happy/{i:02}.png", f"happy/copy{i:02}.png")
    for seed in range(3):
        manifest, report = build(
            {"folders": data}, vocabulary=CLASSES, split="stratified", seed=seed
        )
        assert len(report.identical) == 15
        assert report.across == []
        assert manifest.counts("split")["dropped"] == 0


@pytest.fixture
def official(data):
    """The same faces under train/ and test/, two of them in both."""
    root = data.parent / "official"
    for label in CLASSES:
        for i in range(30):
            side = "train" if i < 20 else "validation" if i < 25 else "test"
            copy(data.parent, f"faces/{label}/{i:02}.png", f"official/{side}/{label}/{i:02}.png")
    copy(root, "test/sad/29.png", "train/sad/leak.png")
    copy(root, "test/sad/28.png", "validation/sad/leak.png")
    return root


def test_leaks_are_dropped_by_default(official):
    manifest, report = build({"folders": official}, vocabulary=CLASSES)
    assert report.duplicates_in_train("test") == 1
    assert {s.path: s.note for s in manifest if s.split == "dropped"} == {
        "train/sad/leak.png": "pixel-identical to test/sad/29.png (test)",
        "validation/sad/leak.png": "pixel-identical to test/sad/28.png (test)",
    }
    assert {s.path: s.duplicate_of for s in manifest if s.duplicate_of} == {
        "train/sad/leak.png": "test/sad/29.png",
        "validation/sad/leak.png": "test/sad/28.png",
        "test/sad/29.png": "train/sad/leak.png",
    }
    digests = {s.path: s.digest for s in manifest}
    assert all(digests.values())
    assert digests["train/sad/leak.png"] == digests["test/sad/29.png"]


@pytest.mark.parametrize("changed", [{"fractions": (0.6, 0.2, 0.2)}, {"seed": 3}])
def test_settings_of_a_split_that_is_stated_are_refused(official, changed):
    with pytest.raises(UserError, match="split.fractions and split.seed have no effect"):
        build({"folders": official}, vocabulary=CLASSES, **changed)


def test_leaks_are_kept_and_marked_on_request(official):
    manifest, _ = build({"folders": official}, vocabulary=CLASSES, drop_duplicates=False)
    assert manifest.counts("split")["dropped"] == 0
    marked = {s.path: s.duplicate_of for s in manifest if s.duplicate_of}
    assert marked == {"test/sad/29.png": "train/sad/leak.png"}


def test_several_sources_under_one_vocabulary(data, official):
    spec = {"mine": {"source": "folders", "path": data, "subject": r"^(\d)"}, "folders": official}
    merged = load_sources(spec, ["happy", "sad"])
    assert merged.counts("source") == {"mine": 90, "folders": 92}
    assert merged.counts("split")["dropped"] == 60
    assert merged.counts("subject") == {"": 92, "mine:0": 30, "mine:1": 30, "mine:2": 30}
    manifest, _ = build(spec, vocabulary=["happy", "sad"])
    kept = manifest.where(lambda s: s.split != "dropped")
    people = {}
    for s in kept:
        if s.subject:
            people.setdefault(s.subject, set()).add(s.split)
    assert all(len(found) == 1 for found in people.values())


def test_a_class_without_a_sample_in_a_split_is_an_error(data):
    for file in sorted((data / "sad").iterdir())[2:]:
        file.unlink()
    with pytest.raises(UserError, match=r"split 'validation' has no sample of sad"):
        build({"folders": data}, vocabulary=CLASSES, split="stratified")
    with pytest.raises(UserError, match=r"split 'train' has no sample of .*neutral"):
        build({"folders": data}, vocabulary="fer7", split="stratified")


def test_sources_that_are_missing_or_incomplete(tmp_path):
    with pytest.raises(UserError, match="no data source given"):
        build({})
    with pytest.raises(UserError, match="source fer2013: the key 'path' is missing"):
        build({"fer2013": {"frames": 1}})
    with pytest.raises(UserError, match=r"no fer2013 dataset at .*: download fer2013 from"):
        build({"fer2013": tmp_path / "none"})


@pytest.fixture
def recipe(official):
    data = recipes.Data(sources={"folders": str(official)}, vocabulary=list(CLASSES))
    return recipes.Recipe(name="tiny", data=data, model={"name": "cnn"})


def test_a_recipes_manifest_is_made_once(official, recipe, tmp_path, capsys):
    path = tmp_path / "manifests" / "tiny.csv"
    made = manifest_for(recipe, path)
    assert "wrote" in capsys.readouterr().out
    assert made.counts("split") == {"train": 60, "validation": 15, "test": 15, "dropped": 2}
    for file in official.rglob("*.png"):
        file.unlink()  # it is read, not built again
    assert manifest_for(recipe, path) == made
    assert capsys.readouterr().out == ""


def test_a_manifest_of_other_settings_is_refused(recipe, tmp_path):
    path = tmp_path / "tiny.csv"
    manifest_for(recipe, path)
    other = recipe.changed({"data.drop_duplicates": False})
    message = r"tiny.csv was built with drop_duplicates True \(now False\): run make spl"
    with pytest.raises(UserError, match=message):
        manifest_for(other, path)
    manifest_for(other, path, renew=True)
    manifest_for(other, path)
    path.with_suffix(".json").unlink()  # as if made by hand
    assert len(manifest_for(recipe, path)) == 92
    with pytest.raises(UserError, match="expected the classes happy, sad; got angry, happy, sad"):
        manifest_for(recipe.changed({"data.vocabulary": ["happy", "sad"]}), path)


def test_the_description_counts_what_is_kept_and_names_what_is_not(official):
    (official / "train" / "sad" / "00.png").write_bytes(b"")
    manifest, _ = build({"folders": official}, vocabulary=CLASSES)
    lines = describe(manifest).splitlines()
    assert lines[0].split() == ["train", "validation", "test"]
    assert lines[3].split() == ["sad", "19", "5", "5"]
    assert lines[4].split() == ["all", "59", "15", "15"]
    assert lines[5] == "dropped as pixel-identical to one of a later split: 2"
    assert lines[6] == "dropped as unusable: 1"
    assert "train/sad/00.png: empty file (0 bytes)" in lines[7]
    renamed = manifest.replace(dataclasses.replace(s, note="whatever") for s in manifest)
    assert describe(renamed).splitlines()[5:7] == lines[5:7]  # by column, not by the note


def write_flow(folder, rows):
    """A dataset of flow images; `rows` are (file, class, subject, seed or None for zero flow)."""
    folder.mkdir()
    lines = ["file,dataset,subject,clip,label"]
    for name, label, subject, seed in rows:
        image = np.full((12, 12, 3), 128, np.uint8)
        if seed is not None:
            image = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
        cv2.imwrite(str(folder / name), image)
        lines.append(f"{name},one,{subject},{name[:-4]},{label}")
    (folder / "samples.csv").write_text("\n".join(lines) + "\n")
    return load_sources({"flow-images": folder}, "megc3")


def test_folds_have_no_identical_clips_on_two_sides(tmp_path):
    loaded = write_flow(
        tmp_path / "flow",
        [
            ("a.png", "negative", "s1", 1),
            ("b.png", "positive", "s1", 2),
            ("again.png", "negative", "s1", 1),  # no fold over subjects separates it from a
            ("copy.png", "surprise", "s2", 1),
            ("c.png", "negative", "s2", 3),
            ("still.png", "negative", "s2", None),  # zero flow shows no person
            ("rest.png", "negative", "s3", None),
            ("broken.png", "negative", "s3", 4),
        ],
    )
    (loaded.root / "broken.png").write_bytes(b"")
    manifest, findings = prepare_folds(loaded)
    dropped = {s.path: s.duplicate_of for s in manifest if s.split == "dropped"}
    assert dropped == {"copy.png": "a.png", "broken.png": ""}
    assert findings == [
        "1 images identical to one of another subject, dataset or split, dropped; first: "
        "copy.png = a.png",
        "1 images identical to one of the same subject, kept; first: again.png = a.png",
        "1 groups of identical images with different labels; first: a.png",
        "2 blank images, kept; first: still.png",
        f"1 unreadable images, dropped; first: {loaded.root / 'broken.png'}: empty file (0 bytes)",
    ]
    kept, findings = prepare_folds(loaded, drop_duplicates=False)
    assert [s.path for s in kept if s.split == "dropped"] == ["broken.png"]
    assert {s.path: s.duplicate_of for s in kept if s.duplicate_of} == {"copy.png": "a.png"}
    assert "kept, because data.drop_duplicates is false; first: copy.png" in findings[0]


def test_folds_over_a_stated_split_keep_the_test_row(official):
    loaded = load_sources({"folders": official}, CLASSES)
    manifest, findings = prepare_folds(loaded)
    dropped = {s.path for s in manifest if s.split == "dropped"}
    assert dropped == {"train/sad/leak.png", "validation/sad/leak.png"}
    assert findings == [
        "2 images identical to one of another subject, dataset or split, dropped; first: "
        "validation/sad/leak.png = test/sad/28.png"
    ]


@pytest.mark.skipif(
    not (REAL_DATA / "megc2019-flow").is_dir(), reason="needs the flow images beside the checkout"
)
def test_real_flow_images_have_no_duplicates_and_are_read_quickly():
    loaded = load_sources({"flow-images": REAL_DATA / "megc2019-flow"}, "megc3")
    start = time.perf_counter()
    manifest, findings = prepare_folds(loaded)
    assert time.perf_counter() - start < 2
    assert findings == [] and len(manifest) == 309
    assert loaded == manifest.replace(dataclasses.replace(s, digest="") for s in manifest)


def run(script, arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(SCRIPTS / f"{script}.py"), run_name="__main__")
    return exit_.value.code


def test_the_split_and_audit_scripts(official, recipe, tmp_path, monkeypatch, capsys):
    recipe.write(tmp_path / "tiny.yaml")
    monkeypatch.chdir(tmp_path)
    common = ["--recipe", "tiny.yaml", "--data", f"folders={official}"]
    assert run("split", common, monkeypatch) == 0
    assert "wrote data/manifests/tiny.csv" in capsys.readouterr().out
    assert Manifest.read("data/manifests/tiny.csv").counts("split")["dropped"] == 2
    assert run("audit", [*common, "--strict"], monkeypatch) == 1
    assert "        2  such groups across splits\n" in capsys.readouterr().out
    assert "# Audit" in (tmp_path / "data/audits/tiny/audit.md").read_text()
    clean = ["--manifest", "data/manifests/tiny.csv", "--strict", "--out", "out"]
    assert run("audit", clean, monkeypatch) == 0
    assert (tmp_path / "out" / "findings.csv").is_file()


def test_a_script_says_what_is_wrong_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("split", ["--recipe", "fer2013-cnn"], monkeypatch) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no fer2013 dataset at data/fer2013: download")
    assert error.count("\n") == 1

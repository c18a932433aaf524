"""`make split` and `make audit` on clips, on flow images, and on frames of clips as images."""

import dataclasses
import shutil

import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.data import (
    build,
    clips,
    fingerprints,
    frame_sampling,
    sources,
)
from keras_mer.data.audit import audit, drop_leaks
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from tests.data.test_build import run
from tests.people import recipe as flow_recipe
from tests.people import write as write_flow

LOOK = {"count": 12, "subjects": 4, "size": 32, "rest": 2, "duration": (0.04, 0.06)}
CLASSES = ("happy", "surprise")


@pytest.fixture(scope="module")
def casme2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit") / "casme2"
    synthetic.write_casme2(folder, classes=CLASSES, **LOOK)
    return folder


@pytest.fixture
def planted(casme2, tmp_path):
    """Clips of three people and two splits, and one of each finding."""
    root = tmp_path / "clips"
    truth = sources.load("casme2", casme2).samples
    for k in range(4):
        shutil.copytree(casme2 / truth[k].path, root / f"c{k}")
    for copy in ("same", "other-label"):
        shutil.copytree(root / "c0", root / copy)
        for n, file in enumerate(sorted((root / copy).iterdir()), 900):
            file.rename(file.with_name(f"again{n}.jpg"))  # other names and numbers, same pixels
    (root / "frozen").mkdir()
    frame = next((root / "c1").iterdir())
    for n in range(6):
        shutil.copy(frame, root / "frozen" / f"f{n}.jpg")
    (root / "short").mkdir()
    shutil.copy(frame, root / "short" / "f1.jpg")
    shutil.copytree(root / "c2", root / "broken")
    for file in (root / "broken").iterdir():
        file.write_bytes(b"")
    rows = [
        ("c0", "happy", "a", "train"),
        ("c1", "happy", "a", "train"),
        ("c2", "surprise", "b", "train"),
        ("c3", "surprise", "b", "test"),  # b stands on both sides
        ("same", "happy", "c", "test"),
        ("other-label", "surprise", "c", "test"),
        ("frozen", "happy", "d", "train"),
        ("short", "happy", "d", "train"),
        ("broken", "happy", "d", "train"),
    ]
    samples = (Sample(p, label, subject=who, split=split) for p, label, who, split in rows)
    return Manifest(tuple(samples), root, CLASSES)


def paths(manifest, rows):
    return [manifest.samples[i].path for i in rows]


def test_each_finding_among_clips_is_found_with_its_row(planted):
    report = audit(planted)
    assert [paths(planted, g) for g in report.identical] == [["c0", "same", "other-label"]]
    assert report.across == report.conflicting == report.identical
    assert {paths(planted, [i])[0] for i in report.duplicates} == {"same", "other-label"}
    assert list(report.subjects) == ["b"]
    assert paths(planted, report.blank) == ["frozen"]
    reasons = {planted.samples[i].path: why for i, why in report.unreadable.items()}
    assert list(reasons) == ["short", "broken"]
    assert reasons["short"].endswith("short: a clip of one frame")
    assert "empty file (0 bytes)" in reasons["broken"]
    assert report.near is None  # all clips of a person look alike
    lines = report.markdown().splitlines()
    for line in (
        "| test clips pixel-identical to a train clip | 2 |",
        "| groups of identical clips with conflicting labels | 1 |",
        "| blank or frozen clips (pixel std below 2) | 1 |",
        "| unreadable clips | 2 |",
    ):
        assert line in lines
    clean = drop_leaks(planted, report)
    assert [s.path for s in clean if s.split == "dropped"] == ["c0"]


def test_identical_clips_of_two_subjects_are_dropped_before_cross_validation(planted):
    unsplit = planted.replace(dataclasses.replace(s, split="") for s in planted)
    manifest, findings = build.prepare_folds(unsplit)
    dropped = {s.path: s.duplicate_of for s in manifest if s.split == "dropped"}
    assert dropped == {"same": "c0", "other-label": "c0", "short": "", "broken": ""}
    assert findings[0].startswith("2 clips identical to one of another subject")
    assert "1 groups of identical clips with different labels; first: c0" in findings


def test_parts_of_one_recording_are_told_apart_by_their_frames(casme2):
    t = sources.load("casme2", casme2).samples[0]
    numbers = list(clips.frame_files(casme2 / t.path))
    middle = numbers[len(numbers) // 2]
    halves = [Sample(t.path, onset=a, offset=b) for a, b in ((numbers[0], middle), (middle, None))]
    digests = fingerprints.take(Manifest((*halves, halves[0]), casme2, ())).digest
    assert digests[0] == digests[2] != digests[1]


def test_glimpses_of_a_clip_are_spread_from_end_to_end(casme2):
    path = casme2 / sources.load("casme2", casme2).samples[0].path
    whole = clips.read(path)
    few = clips.read(path, most=3)
    assert few.numbers.tolist() == [whole.numbers[0], few.numbers[1], whole.numbers[-1]]
    assert abs(few.numbers[1] - whole.numbers.mean()) <= 1
    assert len(clips.read(path, most=10_000)) == len(whole)


def test_clips_and_flow_images_are_split_by_people(casme2, tmp_path):
    flow = write_flow(tmp_path / "flow", subjects=9)
    for spec, vocabulary, noun in (
        ({"casme2": casme2}, CLASSES, "clip"),
        ({"flow-images": flow}, "megc3", "image"),
    ):
        manifest, report = build.build(
            spec, vocabulary=vocabulary, split="subject", fractions=(0.5, 0.25, 0.25)
        )
        sides = {}
        for s in manifest:
            sides.setdefault(s.subject, set()).add(s.split)
        assert all(len(found) == 1 for found in sides.values()) and report.subjects == {}
        assert {"train", "validation", "test"} == set(manifest.counts("split"))
        assert report.noun == noun and report.frames == []


def test_a_recipe_of_clips_needs_no_word_about_its_split(tmp_path, monkeypatch, capsys):
    """What `make split` and `make audit` do with the recipes of `make loso`."""
    write_flow(tmp_path / "people", subjects=9)
    flow_recipe().write(tmp_path / "floor.yaml")
    monkeypatch.chdir(tmp_path)
    fractions = ["--recipe", "floor.yaml", "--set", "split.fractions=[0.5, 0.25, 0.25]"]
    assert run("split", fractions, monkeypatch) == 0
    manifest = Manifest.read("data/manifests/people.csv")
    assert len(manifest) == 54 and set(manifest.counts("split")) == {"train", "validation", "test"}
    assert run("audit", [*fractions, "--strict"], monkeypatch) == 0
    said = capsys.readouterr().out
    assert "        0  subjects in more than one split\n" in said
    assert "        1  subjects with a single class\n" in said  # the last of `people`
    findings = (tmp_path / "data/audits/people/findings.csv").read_text()
    assert findings.count("subject with a single class,1,") == 6  # each of its rows
    assert findings.count("two:s8") == 6


def test_an_unreadable_clip_is_dropped_and_named(casme2, tmp_path):
    folder = tmp_path / "casme2"
    shutil.copytree(casme2, folder)
    path = sources.load("casme2", folder).samples[0].path
    for file in (folder / path).iterdir():
        file.write_bytes(b"no picture")
    manifest, _ = build.build(
        {"casme2": folder}, vocabulary=CLASSES, split="subject", fractions=(0.7, 0.3, 0)
    )
    (dropped,) = [s for s in manifest if s.split == "dropped"]
    assert dropped.path == path and "not an image" in dropped.note


def test_stills_are_the_frames_around_the_apex(casme2):
    truth = {s.path: s for s in sources.load("casme2", casme2)}
    manifest = build.load_sources({"casme2": {"path": casme2, "stills": 3}}, CLASSES)
    assert len(manifest) == 3 * len(truth)
    for s in manifest:
        folder, _, name = s.path.rpartition("/")
        t = truth[folder]
        assert abs(int(name.removeprefix("reg_img").removesuffix(".jpg")) - t.apex) <= 1
        assert (s.label, s.subject, s.clip) == (t.label, t.subject, t.clip)
        assert cv2.imread(str(manifest.root / s.path)) is not None
    with pytest.raises(UserError, match="stills: expected 1 frame per clip or more, got -1"):
        frame_sampling.explode(manifest, -1)
    video = Manifest((Sample("talk.avi", "happy"),), casme2, CLASSES)
    (gone,) = frame_sampling.explode(video, 3)
    assert gone.split == "dropped" and gone.note.startswith("talk.avi: stills are taken from fold")


def test_a_random_split_of_frames_leaks_more_than_the_split_by_subject(casme2):
    spec = {"casme2": {"path": casme2, "stills": 5}}
    how = {"vocabulary": CLASSES, "fractions": (0.7, 0.3, 0.0)}
    _, report = build.prepare(spec, split="subject", **how)
    own, random = report.frames
    assert own.clip == own.subject == 0 and own.samples == random.samples
    # by hand: a frame's four siblings are all elsewhere with a chance of about 0.3 ** 4
    assert random.clip > 0.97 and random.subject == 1
    assert random.accuracy > 0.95 > own.accuracy + 0.1
    assert f"| this split | 0.0% | 0.0% | {own.accuracy:.1%} |" in report.markdown()
    assert "would raise the accuracy of the nearest neighbor by" in report.markdown()
    # a split without people still keeps the frames of a clip together
    manifest, report = build.prepare(spec, split="stratified", **how)
    assert report.frames[0].clip == 0
    sides = {}
    for s in manifest:
        sides.setdefault((s.subject, s.clip), set()).add(s.split)
    assert all(len(found) == 1 for found in sides.values())


def test_the_nearest_neighbor_is_the_one_a_plain_loop_finds():
    random = np.random.default_rng(0)
    thumbnails = random.normal(size=(40, 256)).astype(np.float32)
    thumbnails /= np.linalg.norm(thumbnails, axis=1, keepdims=True)
    samples = tuple(
        Sample(
            str(i), CLASSES[i % 3 == 0], f"s{i // 2 % 4}", f"c{i // 2}",
            split="train" if i < 25 else "test",
        )
        for i in range(40)
    )  # fmt: skip
    manifest = Manifest(samples, None, CLASSES)
    prints = fingerprints.Fingerprints([str(i) for i in range(40)], None, thumbnails)
    own, _ = frame_sampling.compare(manifest, prints)
    right = {c: [] for c in CLASSES}
    for i in range(25, 40):
        distances = [((thumbnails[i] - thumbnails[k]) ** 2).sum() for k in range(25)]
        guess = samples[int(np.argmin(distances))].label
        right[samples[i].label].append(guess == samples[i].label)
    assert own.samples == 15 and own.subject == 1 and own.clip == 1 / 15  # 24 | 25: one clip
    assert own.accuracy == pytest.approx(np.mean(np.concatenate([*right.values()])))
    assert own.uar == pytest.approx(np.mean([np.mean(r) for r in right.values()]))

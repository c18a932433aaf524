"""Drawn faces: the same each time, moved where their action units say, in the real layouts."""

import csv
import re
from collections import Counter

import cv2
import numpy as np
import pytest
from sklearn.svm import LinearSVC

from keras_mer import labels as vocabularies
from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.images import read

SEVEN = vocabularies.FER2013


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def grey(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def bytes_of(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


# --- drawing


def test_a_picture_depends_on_its_seed_and_index_only():
    first = synthetic.draw_expression(3, "happy", 0.8, seed=5, index=7)
    synthetic.draw_expression(9, "sad", 0.5, seed=5, index=8)
    synthetic.make_identity.cache_clear()
    again = synthetic.draw_expression(3, "happy", 0.8, seed=5, index=7)
    np.testing.assert_array_equal(first, again)
    assert (first != synthetic.draw_expression(3, "happy", 0.8, seed=5, index=8)).any()
    assert (first != synthetic.draw_expression(3, "happy", 0.8, seed=6, index=7)).any()


@pytest.mark.parametrize("size", [16, 48, 97, 192])
def test_shape_and_dtype(size):
    image = synthetic.draw_expression(1, "fear", size=size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8 and image.std() > 15


def test_subjects_differ_in_every_style():
    people = [synthetic.make_identity(0, n) for n in range(150)]
    assert {p.style for p in people} == set(synthetic.HAIR_STYLES)
    assert any(p.glasses for p in people) and any(p.beard for p in people)
    assert len({p.skin for p in people}) == 150
    assert people[1].name == "s001" and people[7].name == "s007"


# each AU with the part of the face it moves, in fractions of a tight frame: top, bottom
BROWS, EYES, NOSE, MOUTH = (0.12, 0.36), (0.30, 0.46), (0.40, 0.62), (0.60, 0.98)
CHIN = (0.86, 1.0)


@pytest.mark.parametrize(
    "unit, moved, still",
    [("1", BROWS, MOUTH), ("2", BROWS, MOUTH), ("4", BROWS, MOUTH), ("5", EYES, MOUTH),
     ("6", EYES, BROWS), ("7", EYES, MOUTH), ("9", NOSE, CHIN), ("10", MOUTH, BROWS),
     ("12", MOUTH, BROWS), ("14", MOUTH, BROWS), ("15", MOUTH, BROWS), ("16", MOUTH, BROWS),
     ("17", MOUTH, BROWS), ("20", MOUTH, BROWS), ("23", MOUTH, BROWS), ("24", MOUTH, BROWS),
     ("25", MOUTH, BROWS), ("26", MOUTH, BROWS), ("43", EYES, MOUTH)],
)  # fmt: skip
def test_an_action_unit_moves_its_part_of_the_face(unit, moved, still):
    who, size = synthetic.make_identity(0, 6), 96
    base = {"25": 0.5} if unit == "16" else {}  # a lower lip goes down from open lips
    rest = grey(synthetic.draw_face(who, synthetic.vector(base), size=size)).astype(float)
    shown = synthetic.draw_face(who, synthetic.vector({**base, unit: 1.0}), size=size)
    change = np.abs(grey(shown) - rest)
    middle = slice(int(0.12 * size), int(0.88 * size))

    def mean(part):
        return change[int(part[0] * size) : int(part[1] * size), middle].mean()

    assert mean(moved) > 0.5
    assert mean(moved) > 3 * mean(still)


def test_sides_are_the_subjects_own():
    who = synthetic.make_identity(0, 6)
    rest = synthetic.draw_face(who, synthetic.vector({}), size=96).astype(int)
    right = synthetic.draw_face(who, synthetic.vector({"R12": 1}), size=96).astype(int)
    change = np.abs(right - rest).sum((0, 2))
    assert change[:48].sum() > 3 * change[48:].sum()  # the subject's right is our left


def test_expressions_show_their_prototypes():
    index = {name: i for i, name in enumerate(synthetic.ACTION_UNITS)}
    happy = synthetic.action_units("happiness")
    assert happy[0, index["12"]] == 1 and happy[0, index["4"]] == 0
    assert not synthetic.action_units("neutral").any()
    half = synthetic.action_units("surprise", 0.5)
    np.testing.assert_allclose(half, 0.5 * synthetic.action_units("surprise", 1.0))
    contempt = synthetic.action_units("contempt")
    assert contempt[0, index["14"]] > 0 and contempt[1, index["14"]] == 0


@pytest.mark.parametrize("size, margin", [(96, 0.3), (128, 0.3), (192, 0.2)])
def test_the_haar_cascade_finds_the_faces(size, margin):
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    names, found, count = list(synthetic.PROTOTYPES), 0, 80
    for i in range(count):
        strength = 0.4 + 0.6 * (i * 37 % 100) / 100
        image = synthetic.draw_expression(i, names[i % 8], strength, size, margin, index=i)
        boxes = cascade.detectMultiScale(grey(image), 1.1, 5, minSize=(40, 40))
        found += any(abs(x + w / 2 - size / 2) < 0.2 * size for x, _, w, _ in boxes)
    assert found >= 0.95 * count


def test_expressions_are_told_apart_on_unseen_subjects():
    hog = cv2.HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    features, labels = [], []
    for i in range(1050):
        label, subject = SEVEN[(i % 50 + i // 50) % 7], i % 50
        image = synthetic.draw_expression(subject, label, 0.4 + 0.6 * (i * 37 % 100) / 100, index=i)
        features.append(hog.compute(grey(image)).ravel())
        labels.append(label)
    x, y = np.array(features), np.array(labels)
    train = np.arange(1050) % 50 < 36
    accuracy = (LinearSVC(C=0.1).fit(x[train], y[train]).predict(x[~train]) == y[~train]).mean()
    assert 0.65 < accuracy < 0.99


# --- photographs and clips


def test_photo_tells_where_its_faces_are():
    photo = synthetic.draw_photo(["happy", "sad", "anger"], seed=1)
    assert photo.image.shape == (480, 640, 3) and photo.image.dtype == np.uint8
    assert photo.expressions == ("happy", "sad", "angry") and len(set(photo.subjects)) == 3
    assert photo.boxes.shape == (3, 4)
    assert (photo.boxes[:, :2] >= 0).all()
    assert (photo.boxes[:, :2] + photo.boxes[:, 2:] <= (640, 480)).all()
    assert (np.diff(photo.boxes[:, 0]) > 0).all()
    np.testing.assert_array_equal(
        photo.image, synthetic.draw_photo(["happy", "sad", "anger"], seed=1).image
    )


def test_sheet_has_a_row_a_subject_and_a_column_an_expression():
    sheet = synthetic.draw_sheet(subjects=(1, 2), size=32, expressions=("happy", "sad", "fear"))
    assert sheet.shape == (64, 96, 3) and sheet.dtype == np.uint8


def test_photo_faces_are_found_where_they_are():
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    hits = total = 0
    for index in range(6):
        photo = synthetic.draw_photo(1 + index, index=index)
        found = cascade.detectMultiScale(grey(photo.image), 1.1, 5, minSize=(40, 40))
        for x, y, w, h in photo.boxes:
            total += 1
            hits += any(
                abs(a + c / 2 - x - w / 2) < 0.25 * w and abs(b + d / 2 - y - h / 2) < 0.25 * h
                for a, b, c, d in found
            )
    assert hits >= 0.85 * total


def test_profile_rises_to_the_apex_and_falls():
    strength = synthetic.profile(70, 10, 30, 60)
    assert strength.argmax() == 30 and strength[30] == 1 and (strength[:11] == 0).all()
    assert (np.diff(strength[10:31]) > 0).all() and (np.diff(strength[30:61]) < 0).all()
    np.testing.assert_allclose(strength[60:], 0, atol=1e-12)
    assert synthetic.profile(5, 0, 2, 2).tolist() == pytest.approx([0, 0.5, 1, 0, 0])


def test_clip_moves_most_at_its_apex():
    quiet = {"drift": 0.0, "flicker": 0.0, "noise": 0.0}
    clip = synthetic.draw_clip(2, "surprise", 0.4, 4, 10, 20, 24, size=64, **quiet)
    assert clip.frames.shape == (24, 64, 64, 3) and clip.frames.dtype == np.uint8
    change = np.abs(clip.frames.astype(int) - clip.frames[0]).mean((1, 2, 3))
    assert abs(int(change.argmax()) - 10) <= 1
    assert (change[:5] == 0).all() and (change[20:] == 0).all()
    assert (clip.onset, clip.apex, clip.offset, clip.fps) == (4, 10, 20, 200)
    assert clip.expression == "surprise" and clip.subject == "s002"


def test_clip_without_expression_moves_by_drift_light_and_noise_only():
    still = {"drift": 0.0, "flicker": 0.0, "noise": 0.0}
    clip = synthetic.draw_clip(2, "neutral", 0.4, 1, 3, 5, 6, size=48, **still)
    assert (clip.frames == clip.frames[0]).all()
    for name, value in (("drift", 0.05), ("flicker", 0.1), ("noise", 3.0)):
        moved = synthetic.draw_clip(
            2, "neutral", 0.4, 1, 3, 5, 6, 25.0, size=48, **{**still, name: value}
        )
        assert (moved.frames[-1] != moved.frames[0]).any()


def test_clip_is_the_same_each_time():
    kwargs = {"onset": 1, "apex": 2, "offset": 4, "frames": 5, "size": 48, "seed": 3, "index": 4}
    first = synthetic.draw_clip(1, "happy", **kwargs)
    synthetic.draw_clip(1, "happy", **{**kwargs, "index": 5})
    np.testing.assert_array_equal(first.frames, synthetic.draw_clip(1, "happy", **kwargs).frames)


# --- layouts


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


def test_fer2013_csv_folders_and_ferplus_tell_the_same_story(tmp_path):
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


def test_ck48_has_three_frames_a_sequence(tmp_path):
    synthetic.write_ck48(tmp_path / "ck48", 14, 4)
    folders = sorted(p.name for p in (tmp_path / "ck48").iterdir())
    assert folders == ["anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"]
    files = list((tmp_path / "ck48").rglob("*.png"))
    assert len(files) == 42
    assert all(re.fullmatch(r"S\d{3}_\d{3}_\d{8}\.png", f.name) for f in files)
    assert set(Counter(f.name[:8] for f in files).values()) == {3}
    assert read(files[0]).shape == (48, 48)


def test_ckplus_goes_from_neutral_to_the_peak(tmp_path):
    synthetic.write_ckplus(tmp_path / "ck", 10, 4, size=64)
    sequences = sorted((tmp_path / "ck/cohn-kanade-images").glob("S*/*"))
    assert len(sequences) == 10 and sequences[0].relative_to(tmp_path / "ck").parts[1] == "S005"
    labels = list((tmp_path / "ck/Emotion").rglob("*_emotion.txt"))
    assert len(labels) == 8 and len(list((tmp_path / "ck/Emotion").glob("S*/*"))) == 10
    for label in labels:
        text = label.read_text()
        assert re.fullmatch(r"   [1-7]\.0000000e\+00\n", text)
        frames = sorted((tmp_path / "ck/cohn-kanade-images").glob(
            f"{label.parent.parent.name}/{label.parent.name}/*.png"))  # fmt: skip
        assert label.name == frames[-1].stem + "_emotion.txt"
        first, second, last = (read(frames[i]).astype(int) for i in (0, 1, -1))
        assert np.abs(last - first).mean() > np.abs(second - first).mean()


def test_nothing_is_left_by_a_writer_that_fails(tmp_path):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthetic.write_samples(tmp_path / "s", 14, 7, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_replaced_unasked(tmp_path):
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
        (lambda: synthetic.draw_expression(1, "hapy"), "did you mean 'happy'"),
        (lambda: synthetic.draw_expression(1, "happy", 1.2), "intensity must lie in 0 to 1"),
        (lambda: synthetic.draw_expression(1, "happy", size=8), "size must lie in 16"),
        (lambda: synthetic.draw_expression(1, "happy", margin=-1), "margin must lie"),
        (lambda: synthetic.draw_expression(1, "happy", seed=-1), "must be >= 0"),
        (lambda: synthetic.make_identity(0, -1), "must be >= 0"),
        (lambda: synthetic.vector({"3": 1}), "action unit '3' is not drawn"),
        (lambda: synthetic.vector({"12": 2}), "must lie in 0 to 1.5"),
        (lambda: synthetic.draw_clip(1, "happy", apex=5), "onset < apex"),
        (lambda: synthetic.draw_clip(1, "happy", noise=-1), "noise must not be negative"),
        (lambda: synthetic.draw_photo(0), "got 0"),
        (lambda: synthetic.draw_photo(50), "room for 1 to"),
        (lambda: synthetic.write_samples("x", 0), "count must lie in 1"),
        (lambda: synthetic.write_fer2013_csv("x", 10, 2), "3 subjects at least"),
        (lambda: synthetic.write_ckplus("x", frames=(1, 3)), "frames must be"),
    ],
)
def test_bad_arguments_say_what_was_expected(call, message):
    with pytest.raises(UserError, match=message):
        call()

import pytest

from keras_mer.data import sources
from keras_mer.errors import UserError


def test_class_folders_with_any_known_name(tmp_path, faces):
    for word, label in {"Happiness": "happy", "ANGER": "angry", "neutral": "neutral"}.items():
        faces.save(tmp_path / word / "a.png", label)
        faces.save(tmp_path / word / "b.JPG", label)
    manifest = sources.load("folders", tmp_path)
    faces.check(manifest, source="folders")
    assert manifest.classes == ("angry", "happy", "neutral")
    assert manifest.counts("split") == {"": 6}


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "val", "test"), {"train", "validation", "test"}),
        (("Training", "validation", "testing"), {"train", "validation", "test"}),
        (("train", "test"), {"train", "test"}),
    ],
)
def test_folders_with_a_split(tmp_path, faces, names, splits):
    for name in names:
        faces.save(tmp_path / "data" / name / "happy" / "a.png", "happy")
        faces.save(tmp_path / "data" / name / "sad" / "a.png", "sad")
    manifest = sources.load("folders", tmp_path)
    faces.check(manifest, source="folders")
    assert set(manifest.counts("split")) == splits
    assert {s.path.split("/")[1]: s.split for s in manifest}[names[-1]] == "test"


def test_subject_and_clip_from_the_file_name(tmp_path, faces):
    faces.save(tmp_path / "happy" / "p07_c2_1.png", "happy")
    faces.save(tmp_path / "sad" / "other.png", "sad")
    manifest = sources.load("folders", tmp_path, subject=r"^(p\d+)_", clip=r"^(p\d+_c\d+)_")
    assert [(s.subject, s.clip) for s in manifest] == [("p07", "p07_c2"), ("", "")]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "is not a regular expression"), ("S[0-9]+", r"needs a group, e.g. ")],
)
def test_an_invalid_pattern_is_refused(tmp_path, faces, pattern, message):
    faces.save(tmp_path / "happy" / "a.png", "happy")
    with pytest.raises(UserError, match=message):
        sources.load("folders", tmp_path, subject=pattern)


def test_no_images_and_unknown_class(tmp_path, faces):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "readme.txt").write_text("no pictures here")
    with pytest.raises(UserError, match="no images in class folders; expected a folder with"):
        sources.load("folders", tmp_path)
    faces.save(tmp_path / "suprise" / "a.png", "surprise")
    with pytest.raises(UserError, match=r"unknown class 'suprise' \(did you mean 'surprise'\?\)"):
        sources.load("folders", tmp_path)


def test_unknown_source(tmp_path):
    with pytest.raises(UserError, match=r"unknown source 'fer203' \(did you mean 'fer2013'\?\)"):
        sources.load("fer203", tmp_path)

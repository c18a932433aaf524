import logging
import zipfile

import pytest

from keras_mer.data import sources
from keras_mer.errors import UserError

# CK+'s own codes 0 to 7 and words
CODES = ["neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"]
CK48 = {
    "anger": "angry", "contempt": "contempt", "disgust": "disgust", "fear": "fear",
    "happy": "happy", "sadness": "sad", "surprise": "surprise",
}  # fmt: skip
CKEXTENDED = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt"]


def save_ck48(root, faces):
    for number, (word, label) in enumerate(CK48.items(), 1):
        for frame in (15, 16, 17):
            faces.save(root / word / f"S{number:03}_002_{frame:08}.png", label)


@pytest.mark.parametrize("inner", ["", "CK+48"])
def test_ck48(tmp_path, faces, inner):
    save_ck48(tmp_path / inner, faces)
    manifest = sources.load("ckplus", tmp_path)
    faces.check(manifest, source="ckplus")
    assert len(manifest) == 21
    assert manifest.counts("subject") == {f"S{n:03}": 3 for n in range(1, 8)}
    assert set(manifest.counts("clip")) == {f"S{n:03}_002" for n in range(1, 8)}
    assert manifest.counts("split") == {"": 21}


def save_original(root, faces, sequences):
    """clip -> (label, frames): the first half of the frames are neutral to look at."""
    for clip, (label, count) in sequences.items():
        subject, number = clip.split("_")
        for frame in range(1, count + 1):
            shown = "neutral" if frame <= count // 2 or not label else label
            name = f"{clip}_{frame:08}.png"
            faces.save(root / "cohn-kanade-images" / subject / number / name, shown)
        folder = root / "Emotion" / subject / number
        folder.mkdir(parents=True)
        if label:
            code = f"   {CODES.index(label)}.0000000e+00\n"
            (folder / f"{clip}_{count:08}_emotion.txt").write_text(code)


SEQUENCES = {
    "S005_001": ("disgust", 11), "S010_001": ("", 9), "S010_002": ("surprise", 8),
    "S011_003": ("contempt", 10), "S052_004": ("happy", 12),
}  # fmt: skip


def test_original_tree(tmp_path, faces):
    save_original(tmp_path, faces, SEQUENCES)
    manifest = sources.load("ckplus", tmp_path)
    faces.check(manifest, source="ckplus")
    of = [s for s in manifest if s.clip == "S005_001"]
    assert [s.path.rpartition("_")[2] for s in of] == [
        "00000001.png", "00000009.png", "00000010.png", "00000011.png",
    ]  # fmt: skip
    assert [s.label for s in of] == ["neutral", "disgust", "disgust", "disgust"]
    assert {s.subject for s in of} == {"S005"}
    (dropped,) = (s for s in manifest if s.split == "dropped")
    assert dropped.note == "sequence S010_001 has no emotion label"
    assert dropped.label == ""


def test_original_tree_with_the_last_frame_only(tmp_path, faces):
    save_original(tmp_path, faces, SEQUENCES)
    manifest = sources.load("ckplus", tmp_path, frames=1, neutral=False)
    faces.check(manifest, source="ckplus")
    assert "neutral" not in manifest.classes
    assert manifest.counts("label") == {
        "disgust": 1, "surprise": 1, "contempt": 1, "happy": 1, "": 1,
    }  # fmt: skip


def test_original_tree_inside_an_archive(tmp_path, faces):
    save_original(tmp_path / "made", faces, SEQUENCES)
    with zipfile.ZipFile(tmp_path / "ck.zip", "w") as file:
        for path in sorted((tmp_path / "made").rglob("*.*")):
            file.write(path, path.relative_to(tmp_path / "made").as_posix())
    manifest = sources.load("ckplus", tmp_path / "ck.zip")
    faces.check(manifest, source="ckplus")
    assert len(manifest) == 4 * 4 + 1


def test_an_invalid_label_or_one_without_images_is_dropped(tmp_path, faces):
    save_original(tmp_path, faces, SEQUENCES)
    odd = tmp_path / "Emotion" / "S010" / "002" / "S010_002_00000008_emotion.txt"
    odd.write_text("9\n")
    lone = tmp_path / "Emotion" / "S999" / "001" / "S999_001_00000008_emotion.txt"
    lone.parent.mkdir(parents=True)
    lone.write_text("1\n")
    notes = {s.clip: s.note for s in sources.load("ckplus", tmp_path) if s.split == "dropped"}
    assert notes["S010_002"].endswith("_emotion.txt: expected a code from 0 to 7, got '9'")
    assert notes["S999_001"] == "label without a sequence: S999_001"


def test_ckextended_warns_about_missing_subjects(tmp_path, faces, caplog):
    rows = [
        f"{code},{faces.pixels(label)},{usage}"
        for usage in ("Training", "PublicTest", "PrivateTest")
        for code, label in enumerate(CKEXTENDED)
    ]
    (tmp_path / "ckextended.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    with caplog.at_level(logging.WARNING):
        manifest = sources.load("ckextended", tmp_path)
    faces.check(manifest, source="ckextended")
    assert "ckextended.csv names no subjects" in caplog.text
    assert manifest.counts("split") == {"train": 8, "validation": 8, "test": 8}


def test_another_dataset_is_refused(tmp_path, faces):
    faces.save(tmp_path / "happy" / "one.png", "happy")
    with pytest.raises(UserError, match=r"none of the layouts of CK\+ .*; download CK\+48 from"):
        sources.load("ckplus", tmp_path)
    with pytest.raises(UserError, match=r"no ck48 dataset at .*: download CK\+48"):
        sources.load("ck48", tmp_path / "none")


def test_an_unknown_class_folder_is_named(tmp_path, faces):
    save_ck48(tmp_path, faces)
    (tmp_path / "anger").rename(tmp_path / "angr")
    with pytest.raises(UserError, match=r"unknown class 'angr' \(did you mean 'ang"):
        sources.load("ckplus", tmp_path)

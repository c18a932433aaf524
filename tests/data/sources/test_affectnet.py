import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.data import loading, sources
from keras_mer.errors import UserError

CODES = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"]


def annotate(part, number, code):
    file = part / "annotations" / f"{number}_exp.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, np.array(code))


def save_annotated(root, faces):
    for part in ("train_set", "val_set"):
        for code, label in enumerate(CODES):
            faces.save(root / part / "images" / f"{code}.jpg", label)
            annotate(root / part, code, str(code))


def test_images_and_their_annotations(tmp_path, faces):
    save_annotated(tmp_path / "affectnet", faces)
    manifest = sources.load("affectnet", tmp_path)
    faces.check(manifest, source="affectnet")
    assert manifest.counts("split") == {"train": 8, "test": 8}  # val_set is the test part
    assert {s.split for s in manifest if "val_set/" in s.path} == {"test"}


def test_images_without_an_expression_are_dropped(tmp_path, faces):
    save_annotated(tmp_path, faces)
    part = tmp_path / "train_set"
    for number in (8, 20, 21, 22):
        faces.save(part / "images" / f"{number}.jpg", "happy")
    annotate(part, 8, "8")
    annotate(part, 20, "12")
    (part / "annotations" / "21_exp.npy").write_bytes(b"cut off")
    dropped = {s.path: s.note for s in sources.load("affectnet", tmp_path) if s.split == "dropped"}
    assert dropped == {
        "train_set/images/8.jpg": "train_set/annotations/8_exp.npy: 8 (none)",
        "train_set/images/20.jpg": "train_set/annotations/20_exp.npy: 12 "
        "(expected a code from 0 to 7)",
        "train_set/images/21.jpg": "train_set/annotations/21_exp.npy: unreadable "
        "(expected a code from 0 to 7)",
        "train_set/images/22.jpg": "train_set/images/22.jpg: no annotation 22_exp.npy",
    }


def test_folders_by_code_or_by_name(tmp_path, faces):
    for part in ("train", "val"):
        for code, label in enumerate(CODES):
            faces.save(tmp_path / "codes" / part / str(code) / "a.jpg", label)
            faces.save(tmp_path / "names" / part / label / "a.jpg", label)
            faces.save(tmp_path / "three" / part / label / "a.jpg", label)
    faces.save(tmp_path / "three" / "test" / "happy" / "a.jpg", "happy")
    for name in ("codes", "names"):
        manifest = sources.load("affectnet", tmp_path / name)
        faces.check(manifest, source="affectnet")
        assert manifest.counts("split") == {"train": 8, "test": 8}
    three = sources.load("affectnet", tmp_path / "three")
    assert three.counts("split") == {"train": 8, "validation": 8, "test": 1}


def test_another_layout_is_refused(tmp_path):
    (tmp_path / "readme.txt").write_text("none")
    with pytest.raises(UserError, match="no train_set/annotations and no class folders here; ask"):
        sources.load("affectnet", tmp_path)


def test_drawn(tmp_path):
    synthetic.write_affectnet(tmp_path / "drawn", 40, 5, size=48)
    manifest = sources.load("affectnet", tmp_path / "drawn")
    assert manifest.counts("split") == {"train": 32, "test": 8}
    assert manifest.counts("label") == dict.fromkeys(CODES, 5)
    assert loading.check(manifest) == {}

import zipfile

import pytest

from keras_mer import synthetic
from keras_mer.data import loading, sources
from keras_mer.errors import UserError

CODES = {
    "AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad",
    "SU": "surprise",
}  # fmt: skip


def save(root, faces):
    for number, (code, label) in enumerate(CODES.items(), 39):
        for woman in ("KA", "YM"):
            faces.save(root / "jaffe" / f"{woman}.{code}1.{number}.tiff", label)


def test_subject_and_expression_are_in_the_name(tmp_path, faces):
    save(tmp_path, faces)
    (tmp_path / "jaffe" / "README").write_text("about")
    manifest = sources.load("jaffe", tmp_path)
    faces.check(manifest, source="jaffe")
    assert manifest.counts("subject") == {"KA": 7, "YM": 7}
    assert manifest.counts("split") == {"": 14}


def test_other_images_are_dropped(tmp_path, faces):
    save(tmp_path, faces)
    faces.save(tmp_path / "jaffe" / "KA.XX1.99.tiff", "happy")
    faces.save(tmp_path / "jaffe" / "all.png", "happy")
    dropped = [s for s in sources.load("jaffe", tmp_path) if s.split == "dropped"]
    assert [s.note for s in dropped] == [
        "jaffe/KA.XX1.99.tiff: expected a name like KA.AN1.39.tiff",
        "jaffe/all.png: expected a name like KA.AN1.39.tiff",
    ]
    assert all(not s.subject for s in dropped)


@pytest.mark.parametrize("given", ["", "jaffe.zip"])
def test_an_archive_or_a_folder_that_holds_it(tmp_path, faces, given):
    save(tmp_path / "made", faces)
    (tmp_path / "data").mkdir()
    with zipfile.ZipFile(tmp_path / "data" / "jaffe.zip", "w") as file:
        for path in sorted((tmp_path / "made").rglob("*.tiff")):
            file.write(path, path.relative_to(tmp_path / "made").as_posix())
    manifest = sources.load("jaffe", tmp_path / "data" / given)
    faces.check(manifest, source="jaffe")
    assert len(manifest) == 14


def test_another_dataset_is_refused(tmp_path, faces):
    faces.save(tmp_path / "happy" / "a.png", "happy")
    with pytest.raises(UserError, match="no image named like KA.AN1.39.tiff here; download"):
        sources.load("jaffe", tmp_path)


def test_drawn(tmp_path):
    synthetic.write_jaffe(tmp_path / "drawn", 28, 4, size=64)
    manifest = sources.load("jaffe", tmp_path / "drawn")
    assert manifest.counts("label") == dict.fromkeys(CODES.values(), 4)
    assert len(manifest.counts("subject")) == 4
    assert loading.load_images(manifest, 48, 48, 1).std() > 10

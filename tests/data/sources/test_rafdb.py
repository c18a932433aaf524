import zipfile

import pytest

from keras_mer import synthetic
from keras_mer.data import loading, sources
from keras_mer.errors import UserError

# the codes of the publication: 1 surprise ... 7 neutral
CODES = ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]


def save_list(root, faces, extra=""):
    lines = []
    for code, label in enumerate(CODES, 1):
        for name in (f"train_{code:05}", f"test_{code:04}"):
            faces.save(root / "basic/Image/aligned" / f"{name}_aligned.jpg", label)
            lines.append(f"{name}.jpg {code}\n")
    file = root / "basic/EmoLabel/list_patition_label.txt"
    file.parent.mkdir(parents=True)
    file.write_text("".join(lines) + extra)


def test_the_list_and_its_aligned_images(tmp_path, faces):
    save_list(tmp_path, faces)
    faces.save(tmp_path / "basic/Image/original/train_00001.jpg", "sad")  # not aligned: not read
    manifest = sources.load("rafdb", tmp_path)
    faces.check(manifest, source="rafdb")
    assert manifest.counts("split") == {"train": 7, "test": 7}
    assert all(f"/{s.split}_" in s.path for s in manifest)


def test_a_line_without_image_or_with_another_code_is_dropped(tmp_path, faces):
    save_list(tmp_path, faces, "train_09999.jpg 1\ntest_0001.jpg 8\ntrain_00002.jpg\n")
    notes = [s.note for s in sources.load("rafdb", tmp_path) if s.split == "dropped"]
    assert notes == [
        "list_patition_label.txt line 15: no image train_09999_aligned.jpg",
        "list_patition_label.txt line 16: '8' is not a code from 1 to 7",
        "list_patition_label.txt line 17: '' is not a code from 1 to 7",
    ]


def test_numbered_folders(tmp_path, faces):
    for part in ("train", "test"):
        for code, label in enumerate(CODES, 1):
            name = f"{part}_{code:04}_aligned.jpg"
            faces.save(tmp_path / "DATASET" / part / str(code) / name, label)
        (tmp_path / f"{part}_labels.csv").write_text("image,label\n")
    manifest = sources.load("rafdb", tmp_path)
    faces.check(manifest, source="rafdb")
    assert manifest.counts("split") == {"train": 7, "test": 7}


def test_an_archive_in_the_folder(tmp_path, faces):
    save_list(tmp_path / "made", faces)
    (tmp_path / "rafdb").mkdir()
    with zipfile.ZipFile(tmp_path / "rafdb" / "basic.zip", "w") as file:
        for path in sorted((tmp_path / "made").rglob("*.*")):
            file.write(path, path.relative_to(tmp_path / "made").as_posix())
    faces.check(sources.load("rafdb", tmp_path / "rafdb"), source="rafdb")


def test_other_layouts_are_refused(tmp_path, faces):
    faces.save(tmp_path / "happy" / "a.png", "happy")
    with pytest.raises(UserError, match=r"no list_patition_label.txt and no folders train/1"):
        sources.load("rafdb", tmp_path)
    faces.save(tmp_path / "train" / "8" / "a.png", "happy")
    with pytest.raises(UserError, match="unknown class '8'"):
        sources.load("rafdb", tmp_path)
    (tmp_path / "list_patition_label.txt").write_text("train_00001.jpg 5\n")
    with pytest.raises(
        UserError, match="no usable line in .*; the first: .*: no image train_0"
    ) as e:
        sources.load("rafdb", tmp_path)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("numbered", [False, True])
def test_drawn(tmp_path, numbered):
    synthetic.write_rafdb(tmp_path / "raf", 35, 5, size=48, numbered=numbered)
    manifest = sources.load("rafdb", tmp_path / "raf")
    assert manifest.counts("split") == {"train": 28, "test": 7}
    assert manifest.counts("label") == dict.fromkeys(CODES, 5)
    assert loading.load_images(manifest, 48, 48, 3).std() > 10

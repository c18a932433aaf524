import numpy as np
import pytest

from keras_mer import images
from keras_mer.errors import UserError
from keras_mer.runtime.ui.gallery import Gallery

CLASSES = ("sad", "neutral", "happy")
CROP = np.full((20, 20, 3), 200, np.uint8)


def test_pictures_are_saved_in_class_folders(tmp_path):
    gallery = Gallery(tmp_path / "faces", CLASSES)
    assert gallery.pictures() == []
    first, second = gallery.save(CROP, "sad"), gallery.save(CROP, "happy")
    assert first.path.parent == tmp_path / "faces/sad"
    assert gallery.pictures() == [second, first]
    moved = gallery.relabel(first, "neutral")
    assert moved.path == tmp_path / "faces/neutral" / first.path.name
    assert not first.path.exists() and np.array_equal(images.read(moved.path), CROP)
    gallery.delete(second)
    gallery.delete(second)
    assert gallery.pictures() == [moved]


def test_relabeling_overwrites_nothing(tmp_path):
    gallery = Gallery(tmp_path, CLASSES)
    one = gallery.save(CROP, "sad")
    images.write(tmp_path / "happy" / one.path.name, CROP // 2)
    moved = gallery.relabel(one, "happy")
    assert moved.path.name.endswith("-2.png") and len(gallery.pictures()) == 2
    assert gallery.relabel(moved, "happy") is moved


def test_unknown_classes_and_files_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"unknown class 'hapy' \(did you mean 'happy'\?\)"):
        Gallery(tmp_path, CLASSES).save(CROP, "hapy")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="expected a folder for the gallery"):
        Gallery(tmp_path / "file", CLASSES)


def test_other_files_are_ignored(tmp_path):
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad/notes.txt").write_text("x")
    (tmp_path / "bored").mkdir()
    images.write(tmp_path / "bored/a.png", CROP)
    assert Gallery(tmp_path, CLASSES).pictures() == []

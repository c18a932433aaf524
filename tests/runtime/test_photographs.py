import cv2
import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.runtime import photographs


@pytest.fixture
def folder(tmp_path):
    """Two photographs of each of two classes, of different brightness, and another folder."""
    for name, levels in (("Happiness", (10, 60)), ("sad", (110, 160)), ("holiday", (5, 5))):
        (tmp_path / name).mkdir()
        for level in levels:
            cv2.imwrite(str(tmp_path / name / f"{level}.png"), np.full((9, 9), level, np.uint8))
    return tmp_path


def test_class_folders_are_read_in_any_spelling(folder):
    found = photographs.labeled(folder)
    assert [(path.stem, label) for path, label in found] == [
        ("10", "happy"), ("60", "happy"), ("110", "sad"), ("160", "sad"),
    ]  # fmt: skip


def test_found_and_rightly_named_are_counted(folder):
    def label(image):
        assert image.shape == (9, 9, 3)
        level = image[0, 0, 0]
        return {10: "happiness", 60: "sad", 110: "sadness"}.get(int(level))

    outcome = photographs.measure(label, photographs.labeled(folder))
    assert (outcome.photographs, outcome.found, outcome.right) == (4, 3, 2)
    assert outcome.recall == {"happy": 0.5, "sad": 0.5}
    assert outcome.milliseconds >= 0
    assert "face found in 75.0 %, rightly named 50.0 %" in outcome.row()


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(UserError, match="no photographs in class folders; expected happy/a.jpg"):
        photographs.labeled(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        photographs.labeled(tmp_path / "missing")

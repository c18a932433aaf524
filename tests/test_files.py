import errno
import json

import pytest

from keras_mer.files import replacing, write_json, write_text


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_written_atomically(tmp_path):
    with replacing(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
        assert temporary.suffix == ".txt"
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert names(tmp_path / "new") == ["a.txt"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_failure_keeps_the_old_file(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(type(error)), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    old = tmp_path / "model"
    old.mkdir()
    (old / "stale").write_text("x")
    with replacing(old) as temporary:
        temporary.mkdir()
        (temporary / "fresh").write_text("y")
    assert names(tmp_path) == ["model"]
    assert names(old) == ["fresh"]


def test_text_and_json_are_utf8(tmp_path):
    write_text(tmp_path / "a.txt", "überrascht")
    assert (tmp_path / "a.txt").read_bytes() == "überrascht".encode()
    write_json(tmp_path / "a.json", {"a": [1, "ü"]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [1, "ü"]}
    assert "ü" in text and text.endswith("}\n")

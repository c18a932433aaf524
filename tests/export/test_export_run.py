"""What an export takes besides the run: notes for the card."""

import pytest

from keras_mer.errors import UserError
from keras_mer.export import export_run


def test_notes_are_texts_and_lists_of_texts(tmp_path):
    file = tmp_path / "notes.yaml"
    file.write_text("intended_use: research\nknown_failures: [profiles, 'masks: all']\n")
    assert export_run.read_notes(file) == {
        "intended_use": "research",
        "known_failures": ["profiles", "masks: all"],
    }


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "use: 3\n", "failures: [1]\n", "3: three\n"])
def test_other_notes_are_refused_in_one_line(tmp_path, text):
    file = tmp_path / "notes.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"notes.yaml: expected names with a text"):
        export_run.read_notes(file)


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [\n")
    for name in ("bad.yaml", "none.yaml"):
        with pytest.raises(UserError, match=rf"{name}: cannot be read as YAML"):
            export_run.read_notes(tmp_path / name)

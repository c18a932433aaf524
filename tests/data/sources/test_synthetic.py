import sys
import types

import pytest

from keras_mer.data import sources
from keras_mer.errors import UserError


@pytest.fixture
def drawn(monkeypatch, faces):
    """Replace the generator: count its calls and write images that encode their class."""
    calls = []

    def write_samples(folder, count=6, seed=0, progress=None):
        calls.append((count, seed))
        progress(count, count)
        labels = [("happy", "sad", "neutral")[i % 3] for i in range(count)]
        lines = ["file,label,subject,intensity"]
        for i, label in enumerate(labels):
            faces.save(folder / "images" / f"{i}.png", label)
            lines.append(f"images/{i}.png,{label},p{i // 2},0.8")
        (folder / "samples.csv").write_text("\n".join(lines) + "\n")

    module = types.ModuleType("keras_mer.synthetic")
    module.write_samples = write_samples
    monkeypatch.setitem(sys.modules, "keras_mer.synthetic", module)
    return calls


def test_it_is_generated_once_and_read_again(tmp_path, faces, drawn):
    first = sources.load("synthetic", tmp_path / "faces", count=9, seed=3)
    faces.check(first, source="synthetic")
    assert first.counts("subject")["p0"] == 2
    assert first.samples[0].note == "intensity 0.8"
    assert sources.load("synthetic", tmp_path / "faces", count=9, seed=3) == first
    assert sources.load("synthetic", tmp_path / "faces") == first
    assert drawn == [(9, 3)]


def test_options_other_than_those_of_the_generation_are_refused(tmp_path, drawn):
    sources.load("synthetic", tmp_path / "faces", count=9)
    with pytest.raises(
        UserError, match=r"generated with the options .*9.*, not .*12.*: delete it or"
    ):
        sources.load("synthetic", tmp_path / "faces", count=12)


def test_an_unknown_option_generates_nothing(tmp_path, drawn):
    with pytest.raises(UserError, match=r"unknown option 'cuont' \(did you mean 'count'\?\)"):
        sources.load("synthetic", tmp_path / "faces", cuont=9)
    assert not (tmp_path / "faces").exists()


def test_a_folder_of_another_kind_is_not_changed(tmp_path, drawn):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="expected a synthetic dataset or no folder"):
        sources.load("synthetic", tmp_path)
    assert drawn == []

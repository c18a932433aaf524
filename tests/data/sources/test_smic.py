import shutil

import pytest

from keras_mer import synthetic
from keras_mer.data import sources
from keras_mer.errors import UserError
from tests.data.sources.clip_checks import TINY, check_truth, copied, edit, notes


@pytest.fixture(scope="module", params=["cropped", "raw", "long"])
def drawn(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("smic") / "smic"
    return folder, synthetic.write_smic(folder, edition=request.param, **TINY)


def test_the_loaded_samples_equal_the_truth_for_every_edition(drawn):
    folder, truth = drawn
    manifest = sources.load("smic", folder)
    check_truth(manifest, truth, source="smic", apex=False)
    assert {s.subject for s in manifest} == {"s01", "s02"}
    assert manifest.samples[0].clip.startswith("s01_")


def test_only_clips_of_the_chosen_camera_are_loaded(tmp_path):
    for camera in ("HS", "NIR"):
        part = tmp_path / f"{camera} part"
        truth = synthetic.write_smic(part, camera=camera, edition="raw", **TINY | {"count": 3})
        for inner in part.iterdir():
            inner.rename(tmp_path / "smic" / inner.name if (tmp_path / "smic").is_dir() else
                         (tmp_path / "smic").mkdir() or tmp_path / "smic" / inner.name)  # fmt: skip
    manifest = sources.load("smic", tmp_path / "smic", camera="NIR")
    check_truth(manifest, truth, source="smic", apex=False)
    assert {s.fps for s in manifest} == {25.0}
    with pytest.raises(UserError, match=r"unknown camera 'NR' \(did you mean 'NIR'\?\)"):
        sources.load("smic", tmp_path / "smic", camera="NR")
    with pytest.raises(UserError, match="no clips of camera VIS here"):
        sources.load("smic", tmp_path / "smic", camera="VIS")


def test_contradicting_names_and_folders_are_dropped(tmp_path):
    truth = synthetic.write_smic(tmp_path / "smic", edition="raw", **TINY)
    base = tmp_path / "smic" / "HS" / "s1" / "micro"
    first = next(t for t in truth if t.subject == "s01")
    clip = tmp_path / "smic" / first.path
    wrong = next(c for c in ("negative", "positive", "surprise") if c != first.label)
    shutil.copytree(clip, base / wrong / clip.name)
    shutil.copytree(clip, base / wrong / "strange")
    shutil.copytree(clip, tmp_path / "smic" / "HS" / "s1" / "non_micro" / "s1_non_01")
    lone = base / wrong / f"{clip.name[:-2]}99"
    lone.mkdir()
    shutil.copy(clip / f"image{first.onset}.jpg", lone)
    manifest = sources.load("smic", tmp_path / "smic")
    found = " | ".join(notes(manifest))
    assert f"its folder says {wrong}, its name {first.label}" in found
    assert "'strange' is not a name like s1_ne_01" in found
    assert "a clip of one frame" in found and "non_micro" not in found
    assert len(manifest) == len(truth) + 3


def test_a_recording_with_two_micro_expressions(tmp_path):
    truth = synthetic.write_smic(tmp_path / "smic", edition="long", **TINY)
    folder = copied(tmp_path / "smic", tmp_path / "copy")
    t = truth[0]

    def change(sheet):
        sheet["J1"].value, sheet["K1"].value = "Onset2F", "Offset2F"
        sheet["J2"].value, sheet["K2"].value = t.offset, t.offset + 2

    edit(folder / "HS_long" / "SMIC-HS-E_annotation.xlsx", change)
    manifest = sources.load("smic", folder)
    assert [s.clip for s in manifest][:2] == [t.clip, f"{t.clip}.2"]
    assert (manifest.samples[1].onset, manifest.samples[1].offset) == (t.offset, t.offset + 2)

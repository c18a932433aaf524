import pytest

from keras_mer import synthetic
from keras_mer.data import build, sources
from keras_mer.errors import UserError
from tests.data.sources.clip_checks import TINY, edit


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("megc")
    synthetic.write_casme2(
        root / "casme2", classes=("happy", "fear", "repression", "others", "sad"), **TINY
    )
    synthetic.write_smic(root / "smic", **TINY)
    synthetic.write_samm(root / "samm", **TINY | {"count": 7, "subjects": 1})
    return root


def test_classes_are_merged_as_in_the_challenge(drawn):
    manifest = sources.load("megc2019", drawn)
    assert manifest.classes == ("negative", "positive", "surprise")
    kept = {s.path: s for s in manifest if s.split != "dropped"}
    own = {
        name: {f"{name}/{s.path}": s.label for s in sources.load(name, drawn / name)}
        for name in ("casme2", "smic", "samm")
    }
    expected = {"happy": "positive", "repression": "negative", "surprise": "surprise"}
    for path, label in own["casme2"].items():  # fear, sadness and others are left out
        assert (kept[path].label if path in kept else None) == expected.get(label)
    expected |= dict.fromkeys(("angry", "contempt", "disgust", "fear", "sad"), "negative")
    for path, label in own["samm"].items():  # others are left out
        assert (kept[path].label if path in kept else None) == expected.get(label)
    for path, label in own["smic"].items():
        assert kept[path].label == label
    assert {s.subject.partition(":")[0] for s in kept.values()} == {"casme2", "smic", "samm"}
    assert {s.source for s in kept.values()} == {"casme2", "smic", "samm"}


def test_a_missing_dataset_is_omitted_with_a_warning(drawn, tmp_path, caplog):
    alone = sources.load("megc2019", tmp_path, smic=str(drawn / "smic"))
    assert {s.subject for s in alone} == {"smic:s01", "smic:s02"}
    assert "megc2019: without casme2 and samm" in caplog.text
    assert "smic has 6 clips of 2 people here, 164 of 16 in the published list" in caplog.text
    with pytest.raises(UserError, match=r"no casme2/, smic/ or samm/ here; put CASME II, SMIC"):
        sources.load("megc2019", tmp_path)


def test_clips_outside_the_published_list_are_dropped(tmp_path):
    synthetic.write_casme2(tmp_path / "casme2", classes=("happy",), **TINY)
    (first, second) = sorted((tmp_path / "casme2" / "Cropped" / "sub01").iterdir())[:2]
    target = tmp_path / "casme2" / "Cropped" / "sub04"
    target.mkdir()
    first.rename(target / "EP12_01f")

    def change(sheet):
        for row in sheet.iter_rows(min_row=2):
            if int(row[0].value) == 1 and row[1].value == first.name:
                row[0].value, row[1].value, row[4].value = "04", "EP12_01f", "/"

    edit(tmp_path / "casme2" / "CASME2-coding-20140508.xlsx", change)
    manifest = sources.load("megc2019", tmp_path)
    left = [s for s in manifest if s.split == "dropped"]
    assert [s.note for s in left] == ["not in MEGC 2019's list (its apex is not coded)"]
    assert second.name in {s.clip.split(":")[1] for s in manifest}


def test_in_a_recipe_the_rows_keep_their_dataset(drawn):
    manifest = build.load_sources({"all": {"source": "megc2019", "path": drawn}}, "megc3")
    assert {s.source for s in manifest} == {"casme2", "smic", "samm"}
    one = {"mine": {"source": "casme2", "path": drawn / "casme2"}}
    kept = [s for s in build.load_sources(one, "megc3") if s.split != "dropped"]
    assert kept and {s.label for s in kept} <= {"positive", "negative"}
    assert {s.source for s in kept} == {"mine"}

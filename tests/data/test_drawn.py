"""Drawn clips where a recipe's dataset is missing."""

import pytest

from keras_mer.config import recipe as recipes
from keras_mer.data import build, drawn, sources
from keras_mer.errors import UserError
from tests.data.sources.clip_checks import TINY


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty working folder, in which tiny datasets are drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drawn, "DEFAULTS", {name: TINY for name in drawn.DEFAULTS})
    monkeypatch.setattr(drawn, "LOOK", {"jobs": 1})
    return tmp_path


def test_a_missing_dataset_is_drawn_once_beside_where_it_belongs(home, capsys):
    recipe = drawn.resolve(recipes.load("samm-cnn-bilstm"))
    assert "data/samm is missing: using drawn clips" in capsys.readouterr().out
    assert recipe.name == "samm-cnn-bilstm-drawn" and not (home / "data/samm").exists()
    manifest = build.load_sources(recipe.data.sources, recipe.data.vocabulary)
    assert len(manifest) == TINY["count"] and {s.source for s in manifest} == {"samm"}
    table = home / "data/drawn/samm/SAMM_Micro_FACS_Codes_v2.xlsx"
    made = table.stat().st_mtime_ns
    again = drawn.resolve(recipes.load("samm-cnn-bilstm"))
    assert again == recipe and table.stat().st_mtime_ns == made
    assert drawn.resolve(recipe) == recipe  # as a run's folder keeps it


def test_the_composite_is_drawn_as_its_three_datasets(home):
    recipe = drawn.resolve(recipes.load("megc2019-cnn-bilstm"))
    assert {p.name for p in (home / "data/drawn").iterdir()} == {"casme2", "smic", "samm"}
    manifest = build.load_sources(recipe.data.sources, recipe.data.vocabulary)
    assert {s.source for s in manifest} == {"casme2", "smic", "samm"}
    assert {s.label for s in manifest if s.label} == {"negative", "positive", "surprise"}


def test_flow_recipes_read_the_flow_of_drawn_clips(home):
    recipe = drawn.resolve(recipes.load("casme2-flow"))
    assert recipe.name == "casme2-flow-drawn"
    manifest = build.load_sources(recipe.data.sources, recipe.data.vocabulary)
    assert {s.source for s in manifest if s.split != "dropped"} == {"casme2"}
    assert drawn.resolve(recipe) == recipe
    three = drawn.resolve(recipes.load("megc2019-flow"))
    assert {p.name for p in (home / "data/drawn").iterdir()} == {"casme2", "smic", "samm"}
    assert three.data.sources == {"flow-images": {"path": "data/drawn"}}
    (home / "data/megc2019-flow").mkdir(parents=True)
    (home / "data/megc2019-flow/samples.csv").write_text("file,dataset,subject,clip,label\n")
    assert drawn.resolve(recipes.load("megc2019-flow")).name == "megc2019-flow"


def test_real_data_is_read_as_it_is_and_never_mixed_with_drawn(home):
    own = recipes.load("samm-cnn-bilstm", data=["elsewhere"])
    assert drawn.resolve(own, real=True) == own
    with pytest.raises(UserError, match="no samm dataset at elsewhere"):
        build.load_sources(own.data.sources, own.data.vocabulary)
    (home / "data/samm").mkdir(parents=True)
    assert drawn.resolve(recipes.load("samm-cnn-bilstm")).name == "samm-cnn-bilstm"
    with pytest.raises(UserError, match=r"data/casme2 is missing and data/samm is there: a run"):
        drawn.resolve(recipes.load("megc2019-cnn-bilstm"))
    both = {"samm": "data/samm", "smic": "data/drawn/smic"}
    (home / "data/drawn/smic").mkdir(parents=True)
    with pytest.raises(UserError, match=r"data/samm beside clips in data/drawn: a run does not"):
        drawn.resolve(recipes.load("samm-cnn-bilstm").changed({"data.sources": both}))
    other = recipes.load("fer2013-cnn")
    assert drawn.resolve(other) == other  # photographs are not drawn in another's place


def test_the_run_of_a_recipe_is_found_by_its_name_without_drawn(home, capsys):
    for name in ("one-drawn", "two-drawn-loso", "three", "three-drawn"):
        (home / "runs" / name).mkdir(parents=True)
        (home / "runs" / name / "recipe.yaml").write_text("")
    runs = home / "runs"
    assert drawn.run_folder(runs / "one") == runs / "one-drawn"
    assert "of drawn clips" in capsys.readouterr().out
    assert drawn.run_folder(runs / "two-loso") == runs / "two-drawn-loso"
    for name in ("three", "four"):
        assert drawn.run_folder(runs / name) == runs / name


def test_frame_rates_are_those_of_the_dataset():
    assert drawn.camera("smic", 25) == {"camera": "VIS"} and drawn.camera("samm", 200) == {}
    with pytest.raises(UserError, match="smic has clips of 100 or 25 frames per second, not 60"):
        drawn.camera("smic", 60)


@pytest.mark.parametrize(
    "layout, words", [("casme2", "casme5"), ("smic", "smic3"), ("samm", "samm5")]
)
def test_every_subject_shows_every_class_of_the_layout(layout, words, tmp_path):
    from keras_mer import labels

    for vocabulary in {words, "megc3"}:
        classes = labels.VOCABULARIES[vocabulary]
        folder = tmp_path / vocabulary
        count = 2 * len(labels.VOCABULARIES[words])
        drawn.WRITERS[layout](folder, **TINY | {"count": count})
        found = sources.relabel(sources.load(layout, folder), classes)
        pairs = {(s.subject, s.label) for s in found if s.split != "dropped"}
        assert len(pairs) == 2 * len(classes)


@pytest.mark.slow
def test_the_number_of_processes_does_not_change_a_byte(tmp_path):
    for jobs in (1, 2):
        drawn.WRITERS["samm"](tmp_path / str(jobs), jobs=jobs, **TINY)
    files = [p.relative_to(tmp_path / "1") for p in (tmp_path / "1").rglob("*.*")]
    assert len(files) > 40
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes(), file

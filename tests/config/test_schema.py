"""Bounds and old spellings of recipe keys."""

import json

import pytest
import yaml

from keras_mer.config import old_names
from keras_mer.config import recipe as recipes
from keras_mer.errors import UserError
from tests.conftest import REPOSITORY

#: Key -> values, in YAML, that are refused.
REFUSED = {
    "split.fractions": ["[0.8,0.1]", "[0.8,0.1,0.2]", "[0,0.5,0.5]", "[1.1,-0.1,0]"],
    "split.folds": ["2"],
    "split.fold": ["5", "-1"],
    "split.seed": ["-1"],
    "split.hold_out": ["1", "-0.1"],
    "data.vocabulary": ["[]"],
    "data.sources": ["3"],
    "data.preprocessing": ["dis"],
    "augment.flip": ["1"],
    "augment.shift": ["-0.1"],
    "augment.rotate": ["200"],
    "augment.zoom": ["1"],
    "augment.brightness": ["2"],
    "augment.contrast": ["-1"],
    "augment.erase": ["1.5"],
    "augment.camera": ["2"],
    "augment.mixup": ["-2"],
    "augment.cutmix": ["1.1"],
    "training.epochs": ["-1", "1.5"],
    "training.batch": ["0"],
    "training.rate": ["0", "-0.1", ".nan", ".inf", "nan", "true"],
    "training.momentum": ["1"],
    "training.weight_decay": ["-1"],
    "training.warmup": ["-1"],
    "training.plateau_factor": ["1"],
    "training.plateau_patience": ["-1"],
    "training.patience": ["-1"],
    "training.focal_gamma": ["-1"],
    "training.label_smoothing": ["1"],
    "training.average": ["1"],
    "training.calibrate": ["1"],
    "training.seed": ["-1", "4294967296"],
    "training.ensemble_size": ["0"],
    "training.search_space": [
        "{training.rate: []}",
        "{training.rat: [1]}",
        "{training.rate: [0.1,-1]}",
    ],
    "protocol.seeds": ["[]", "[0,0]", "[0.5]", "[-1]"],
    "protocol.folds": ["2"],
    "protocol.search_folds": ["2"],
    "protocol.test_set_selection": ["-1"],
    "transfer.epochs": ["-1"],
    "transfer.rate": ["0"],
    "transfer.unfreeze": ["-1", "some"],
    "transfer.weights": [""],
    "dino.epochs": ["0"],
    "dino.batch": ["0"],
    "dino.rate": ["-1"],
    "dino.momentum": ["1"],
    "dino.clip": ["-1"],
    "dino.teacher_momentum": ["1.1"],
    "dino.student_temperature": ["0"],
    "dino.teacher_temperature": ["0"],
    "dino.temperature_end": ["0"],
    "dino.local_crops": ["-1"],
    "dino.global_scale": ["[0.5]", "[0.5,0.2]"],
    "dino.local_scale": ["[0,0.2]", "[0.1,1.5]"],
    "dino.outputs": ["0"],
    "dino.blur": ["2"],
    "dino.nearest": ["0"],
    "dino.model": ["{dropout: 2}"],
    "student.hard": ["1.1"],
    "student.temperature": ["0"],
    "student.epochs": ["-1"],
    "student.matching": ["-1"],
    "student.teachers": ["run"],
    "student.changes": ["{training.epochs: -1}", "{training.epoch: 3}"],
    "student.model": ["{filters: []}"],
    "ssl_distillation.labels": ["0", "2"],
    "ssl_distillation.hold_out": ["1"],
    "ssl_distillation.seeds": ["[]"],
    "ssl_distillation.variants": ["[]", "[int4]"],
    "model.dropout": ["1.5", ".nan"],
    "model.size": ["0"],
    "model.filters": ["[]", "[8,0]", "8"],
    "model.channels": ["2"],
    "model.frames": ["0"],
    "model.C": ["0"],
    "model.ridge": ["-1"],
    "model.reach": ["0"],
    "model.smooth": ["-1"],
    "model.encoder": ["{name: lenet,dropout: -1}"],
    "model.head": ["[0]"],
    "model.stem": ["1.5"],
    "name": ["3"],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in REFUSED.items() for value in values]
)
def test_values_out_of_bounds_are_refused_in_one_line_that_names_the_key(key, value):
    with pytest.raises(UserError) as error:
        recipes.load("demo", [f"{key}={value}"])
    message = str(error.value)
    assert "demo.yaml: " in message and "\n" not in message
    assert "expected" in message or "unknown key" in message
    assert "pydantic" not in message and "<class" not in message
    assert (key in message) or key == "split.fold"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.label_smoothing=1.5", "expected a number from 0 to below 1, got 1.5"),
        ("split.fold=7", "split: expected 0 <= fold < folds, got fold 7 of 5 folds"),
        (
            "split.fractions=[0.5, 0.1, 0.1]",
            "split.fractions: expected three shares (train above 0, validation, test) that add up "
            "to 1, got [0.5, 0.1, 0.1]",
        ),
        ("model.encoder={dropout: 2}", "model.encoder.dropout: expected a number from 0 to below"),
        ("dino.balance=sinkhorm", "center, sinkhorn, got 'sinkhorm' (did you mean 'sinkhorn'?)"),
        ("training={epoch: 3}", "training: unknown key 'epoch' (did you mean 'epochs'?)"),
        ("training=3", "training: expected a mapping, got 3"),
        (
            "training.search_space={training.rat: [1]}",
            "training.search_space: training: unknown key 'rat' (did you mean 'rate'?)",
        ),
        (
            "student.changes={training.epochs: -1}",
            "student.changes: training.epochs: expected an integer of at least 0, got -1",
        ),
    ],
)
def test_messages_say_what_was_expected_and_what_came(override, message):
    with pytest.raises(UserError) as error:
        recipes.load("demo", [override])
    assert message in str(error.value)


def test_numeric_text_is_a_number_in_every_place_of_one():
    recipe = recipes.load(
        "demo",
        ["model.C=1e-3", "training.weight_decay=1e-4", "split.fractions=[8e-1, 1e-1, 1e-1]"],
    )
    assert recipe.model["C"] == 1e-3 and recipe.training.weight_decay == 1e-4
    assert recipe.split.fractions == [0.8, 0.1, 0.1]
    space = recipes.load("demo", ["training.search_space={training.rate: [1e-2, 1e-3]}"])
    assert space.changed({"training.rate": "1e-2"}).training.rate == 1e-2


@pytest.mark.parametrize("name", recipes.names())
def test_every_built_in_recipe_comes_back_from_its_file(name, tmp_path):
    recipe = recipes.load(name)
    recipe.write(tmp_path / "recipe.yaml")
    assert recipes.load(tmp_path / "recipe.yaml") == recipe


OLD = {
    "data.split": ("subject", "split.method", "subject"),
    "data.fractions": ([0.5, 0.25, 0.25], "split.fractions", [0.5, 0.25, 0.25]),
    "data.folds": (4, "split.folds", 4),
    "data.fold": (1, "split.fold", 1),
    "data.seed": (3, "split.seed", 3),
    "data.hold_out": (0.1, "split.hold_out", 0.1),
    "training.class_weights": (True, "training.imbalance", "class_weights"),
    "protocol.members": (5, "training.ensemble_size", 5),
    "protocol.ensemble_size": (5, "training.ensemble_size", 5),
    "protocol.choose": ({"model.size": [48]}, "training.search_space", {"model.size": [48]}),
    "protocol.search_space": ({"model.size": [48]}, "training.search_space", {"model.size": [48]}),
    "protocol.inner": (4, "protocol.search_folds", 4),
    "protocol.peek": (True, "protocol.test_set_selection", 1),
    "dino.balance": ("centre", "dino.balance", "center"),
    "dino.centre_momentum": (0.5, "dino.center_momentum", 0.5),
    "chain.labels": (0.5, "ssl_distillation.labels", 0.5),
}


def read(recipe, key):
    section, name = key.split(".")
    return getattr(getattr(recipe, section), name)


@pytest.mark.parametrize("old", OLD)
def test_old_spellings_are_read_in_files_overrides_and_changes(old, tmp_path):
    given, new, wanted = OLD[old]
    section, name = old.split(".")
    values = {"data": {"sources": {"folders": "faces"}}, "model": {"name": "lenet"}}
    values.setdefault(section, {})[name] = given
    path = tmp_path / "old.yaml"
    path.write_text(yaml.safe_dump(values))
    assert read(recipes.load(path), new) == wanted
    override = f"{old}={json.dumps(given)}"
    assert read(recipes.load("fer2013-lenet", [override]), new) == wanted
    assert read(recipes.load("fer2013-lenet").changed({old: given}), new) == wanted
    # an override by the old name replaces what the file says by the new one
    plain = recipes.load("demo", [override])
    assert read(plain, new) == wanted


def test_the_table_of_old_names_is_tested_whole():
    assert {k for k in old_names.KEYS if "." in k} <= OLD.keys()
    for new in old_names.KEYS.values():
        section, _, name = new.partition(".")
        kind = recipes.Recipe.model_fields[section].annotation
        assert not name or name in kind.model_fields


def test_two_numbers_of_an_old_recipe_become_one():
    def read(*overrides):
        return recipes.load("demo", overrides).protocol.test_set_selection

    assert read("protocol.peek=true", "protocol.peek_every=5") == 5
    assert read("protocol.peek_every=5", "protocol.peek=true") == 5
    assert (
        read("protocol.peek=false", "protocol.peek_every=5") == read("protocol.peek_every=5") == 0
    )
    on = recipes.load("demo", ["protocol.test_set_selection=5"])
    assert on.changed({"protocol.peek": False}).protocol.test_set_selection == 0
    assert on.changed({"protocol.peek": True}).protocol.test_set_selection == 5
    with pytest.raises(UserError, match=r"protocol.peek: expected true or false, got 3"):
        read("protocol.peek=3")


def test_keys_inside_a_search_space_and_changes_may_be_old():
    recipe = recipes.load("demo", ["protocol.choose={protocol.members: [1, 2]}"])
    assert recipe.training.search_space == {"training.ensemble_size": [1, 2]}
    recipe = recipe.changed({"student.changes": {"training.class_weights": True}})
    assert recipe.changed(recipe.student.changes).training.imbalance == "class_weights"


def test_one_key_in_two_spellings_is_refused(tmp_path):
    path = tmp_path / "both.yaml"
    data = "data: {sources: {folders: faces}, split: subject}\nmodel: {name: lenet}\n"
    path.write_text(data + "split: {method: kfold}\n")
    with pytest.raises(UserError, match="'data.split' is the old name of 'split.method': give one"):
        recipes.load(path)
    path.write_text(data + "chain: {labels: 0.5}\nssl_distillation: {labels: 0.2}\n")
    with pytest.raises(UserError, match="'chain' is the old name of 'ssl_distillation'"):
        recipes.load(path)


#: As version 0.1 wrote it into the card of a distilled model.
OLD_RECIPE = {
    "name": "fer2013-cnn-third",
    "data": {
        "sources": {"fer2013": "data/fer2013"},
        "vocabulary": "fer7",
        "split": "official",
        "fractions": [0.8, 0.1, 0.1],
        "folds": 5,
        "fold": 0,
        "seed": 0,
        "drop_duplicates": True,
    },
    "model": {"name": "cnn", "size": 48},
    "augment": {
        "flip": True,
        "shift": 0.12,
        "rotate": 12.0,
        "zoom": 0.15,
        "brightness": 0.0,
        "contrast": 0.0,
        "erase": 0.3,
        "mixup": 0.0,
        "cutmix": 0.0,
    },
    "training": {
        "epochs": 24,
        "batch": 64,
        "optimizer": "sgd",
        "rate": 0.03,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "schedule": "cosine",
        "warmup": 1.0,
        "plateau_factor": 0.5,
        "plateau_patience": 4,
        "patience": 0,
        "monitor": "accuracy",
        "imbalance": "none",
        "focal_gamma": 2.0,
        "label_smoothing": 0.1,
        "precision": "mixed_bfloat16",
        "seed": 0,
        "deterministic": False,
        "tensorboard": False,
    },
    "transfer": {
        "weights": "runs/fer2013-cnn-born-again",
        "head": True,
        "epochs": 0,
        "rate": 0.01,
        "unfreeze": "all",
        "batch_norm": True,
    },
    "student": {
        "teachers": ["runs/fer2013-cnn-born-again"],
        "model": {},
        "changes": {},
        "hard": 0.3,
        "temperature": 2.0,
        "epochs": 0,
        "matching": 0.0,
    },
}


def test_the_recipe_of_a_saved_model_of_an_earlier_version_is_read():
    recipe = recipes.parse(OLD_RECIPE, "card.json")
    assert recipe.split.method == "official" and recipe.student.temperature == 2.0
    assert recipes.parse(recipe.to_dict(), "again") == recipe


@pytest.mark.parametrize("name", ["expressions", "fer2013-cnn"])
def test_the_recipe_of_a_shipped_model_is_read(name):
    card = json.loads((REPOSITORY / f"saved_models/{name}/card.json").read_text())
    recipe = recipes.parse(card["training"]["recipe"], "card.json")
    assert recipes.parse(recipe.to_dict(), "again") == recipe

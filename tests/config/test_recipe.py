import pytest
import yaml

from keras_mer import labels, models
from keras_mer.config import recipe as recipes
from keras_mer.errors import UserError


def write(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


MINIMAL = "data: {sources: {folders: faces}}\nmodel: {name: lenet}\n"


@pytest.mark.parametrize("name", recipes.names())
def test_every_built_in_recipe_loads_builds_its_model_and_says_its_command(name):
    recipe = recipes.load(name)
    assert recipe.name == name
    config = dict(recipe.model)
    classes = labels.vocabulary(recipe.data.vocabulary)
    if config["name"] != "svm":  # scikit-learn's, which the protocol fits itself
        model = models.build(config.pop("name"), classes=len(classes), **config)
        assert model.output_shape == (None, len(classes))
    head = (recipes.FOLDER / f"{name}.yaml").read_text().split("data:")[0]
    assert "make " in head and all(line.startswith("#") for line in head.strip().splitlines())


def test_a_written_recipe_reads_back_the_same(tmp_path):
    recipe = recipes.load("demo", ["training.epochs=3", "augment.mixup=0.2"])
    recipe.write(tmp_path / "recipe.yaml")
    assert recipes.load(tmp_path / "recipe.yaml") == recipe
    saved = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    # every default is spelt out, so that a later change of a default does not change an old run
    assert set(saved["training"]) == set(recipes.Training.model_fields)


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path):
    path = write(tmp_path, MINIMAL + "training: {weight_decay: 1e-4}\n")
    assert recipes.load(path).training.weight_decay == 1e-4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "trainng: {epochs: 3}\n", "unknown key 'trainng' (did you mean 'training'?)"),
        (MINIMAL + "training: {epoch: 3}\n", "unknown key 'epoch' (did you mean 'epochs'?)"),
        (
            MINIMAL + "training: {epochs: many}\n",
            "training.epochs: expected an integer of at least 0, got 'many'",
        ),
        (
            MINIMAL + "training: {rate: fast}\n",
            "training.rate: expected a number above 0, got 'fast'",
        ),
        (
            MINIMAL + "training: {epochs: true}\n",
            "epochs: expected an integer of at least 0, got True",
        ),
        (MINIMAL + "training: {optimizer: sgdd}\n", "expected one of sgd, adam, adamw, got 'sgdd'"),
        ("model: {name: lenet}\n", "the key 'data' is missing"),
        ("data: {vocabulary: fer7}\nmodel: {}\n", "data: the key 'sources' is missing"),
        ("[1, 2]", "expected a mapping with the keys data and model"),
        ("data: {", "not valid YAML"),
    ],
)
def test_a_bad_recipe_is_named_in_one_line(tmp_path, text, message):
    with pytest.raises(UserError) as error:
        recipes.load(write(tmp_path, text))
    assert message in str(error.value)
    assert "mine.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(UserError, match=r"unknown recipe 'dem' \(did you mean 'demo'\?\)"):
        recipes.load("dem")


def test_overrides_reach_new_and_nested_keys():
    recipe = recipes.load("demo", ["model.dropout=0.5", "data.vocabulary=[happy, sad]"])
    assert recipe.model["dropout"] == 0.5
    assert recipe.data.vocabulary == ["happy", "sad"]
    with pytest.raises(UserError, match="expected key=value"):
        recipes.load("demo", ["training.epochs"])
    with pytest.raises(UserError, match="'name' has no keys of its own"):
        recipes.load("demo", ["model.name.x=1"])


def test_data_places_a_source(tmp_path):
    assert recipes.load("demo", data=["/mnt/x"]).data.sources == {"synthetic": "/mnt/x"}
    assert recipes.load("demo", data=["synthetic=y"]).data.sources == {"synthetic": "y"}
    with pytest.raises(UserError, match="no source 'synthetc'.*did you mean 'synthetic'"):
        recipes.load("demo", data=["synthetc=y"])
    for none in ("data: [faces]", "data: {sources: 3}"):
        with pytest.raises(UserError, match="mapping"):
            recipes.load(write(tmp_path, none + "\nmodel: {}"), data=["/mnt/x"])
    two = write(tmp_path, "data: {sources: {fer2013: a, ckplus: {path: b, frames: 1}}}\nmodel: {}")
    with pytest.raises(UserError, match="say which one with SOURCE=PATH"):
        recipes.load(two, data=["/mnt/x"])
    assert recipes.load(two, data=["ckplus=c"]).data.sources == {
        "fer2013": "a",
        "ckplus": {"path": "c", "frames": 1},
    }


def test_an_earlier_versions_class_weights_are_read_on(tmp_path):
    for value, wanted in (("true", "class_weights"), ("false", "none")):
        path = write(tmp_path, MINIMAL + f"training: {{epochs: 3, class_weights: {value}}}\n")
        assert recipes.load(path).training.imbalance == wanted
    with pytest.raises(UserError, match="expected one of none, class_weights, balanced_sampling"):
        recipes.load(write(tmp_path, MINIMAL + "training: {imbalance: weights}\n"))


def test_the_transfer_section_is_strict_and_written_only_where_it_is_used(tmp_path):
    plain = recipes.load(write(tmp_path, MINIMAL))
    assert "transfer" not in plain.to_dict()
    used = plain.changed({"transfer.weights": "runs/x", "transfer.unfreeze": 3})
    assert used.to_dict()["transfer"]["unfreeze"] == 3
    assert recipes.parse(used.to_dict(), "x") == used
    with pytest.raises(UserError, match=r"unknown key 'weigths' \(did you mean 'weights'\?\)"):
        plain.changed({"transfer.weigths": "imagenet"})
    with pytest.raises(
        UserError,
        match="transfer.unfreeze: expected 'all', or a number of blocks of at least 0, got 1.5",
    ):
        plain.changed({"transfer.unfreeze": 1.5})

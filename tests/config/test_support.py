"""Values that a command would ignore are refused, by a line that names the key."""

import subprocess
import sys

import pytest

from keras_mer.cli import check_recipe
from keras_mer.config import recipe as recipes
from keras_mer.config import support
from keras_mer.config.support import check
from keras_mer.errors import UserError
from keras_mer.kinds import CLIP, FLOW, IMAGE

KINDS = {"cnn_bilstm": CLIP} | dict.fromkeys(
    ("flow", "flow_kernel", "flow_linear", "ststnet", "svm"), FLOW
)


def kind(recipe):
    return KINDS.get(recipe.model["name"], IMAGE)


@pytest.mark.parametrize("name", recipes.names())
def test_built_in_recipes_pass_for_the_commands_they_are_meant_for(name):
    recipe = recipes.load(name)
    commands = {"split", "audit"}
    if name.startswith(("megc2019", "micro-flow")) or name.endswith(("-cnn-bilstm", "2-flow")):
        commands |= {"loso", "train"}
    else:
        commands.add("ssl-kd" if name.startswith("ssl-kd") else "train")
    for command in commands:
        check(recipe, command, kind(recipe))


def test_the_commands_that_recipe_heads_and_docs_name_pass():
    for name, *overrides in (
        ("fer2013-student", "student={}"),
        (
            "transfer-finetune", "transfer.weights=runs/x", "transfer.head=true",
            "transfer.epochs=0", "transfer.rate=0.01",
        ),
    ):  # fmt: skip
        check(recipes.load(name, overrides), "train", IMAGE)
    check(recipes.load("megc2019-ststnet", ["protocol.test_set_selection=5"]), "loso", FLOW)


#: command, recipe, the key that is refused with its value, and what else is set.
REFUSED = [
    ("audit", "fer2013-cnn", "data.drop_duplicates=false"),
    ("split", "fer2013-cnn", "split.fractions=[0.6,0.2,0.2]", "split.method=kfold"),
    ("split", "fer2013-cnn", "split.folds=4"),
    ("train", "fer2013-cnn", "split.fold=1"),
    ("split", "fer2013-cnn", "split.hold_out=0.1", "split.method=stratified"),
    ("train", "fer2013-cnn", "training.momentum=0.8", "training.optimizer=adam"),
    ("train", "fer2013-cnn", "training.warmup=2", "training.schedule=plateau"),
    ("train", "fer2013-cnn", "training.plateau_factor=0.1"),
    ("train", "fer2013-cnn", "training.plateau_patience=2"),
    ("train", "fer2013-cnn", "training.focal_gamma=1", "training.imbalance=class_weights"),
    ("train", "fer2013-cnn", "training.patience=3", "training.epochs=0", "transfer.epochs=2",
     "training.rate=0.05", "training.warmup=1"),
    ("train", "fer2013-cnn", "training.rate=0.03", "training.epochs=0", "transfer.epochs=2"),
    ("train", "fer2013-cnn", "transfer.rate=0.1"),
    ("train", "fer2013-cnn", "transfer.head=true"),
    ("train", "fer2013-cnn", "transfer.batch_norm=true"),
    ("train", "fer2013-cnn", "transfer.batch_norm=true", "transfer.weights=x",
     "transfer.unfreeze=0"),
    ("train", "demo", "transfer.unfreeze=2", "training.epochs=0", "transfer.epochs=2",
     "training.rate=0.05"),
    ("train", "fer2013-cnn", "data.preprocessing={flow: dis}"),
    ("train", "fer2013-cnn", "training.label_smoothing=0.1", "student.teachers=[x]",
     "student.hard=0"),
    ("train", "fer2013-cnn", "student.hard=0.5"),
    ("train", "fer2013-cnn", "student.temperature=2"),
    ("train", "fer2013-cnn", "student.matching=1"),
    ("train", "fer2013-cnn", "student.temperature=2", "student.teachers=[x]", "student.hard=1",
     "student.matching=1"),
    ("train", "fer2013-cnn", "student.teachers=[x]", "student.hard=1"),
    ("train", "fer2013-cnn", "student.model={name: lenet}"),
    ("train", "fer2013-cnn", "student.changes={training.epochs: 3}"),
    ("train", "fer2013-cnn", "student.epochs=3"),
    ("loso", "megc2019-cnn", "training.patience=3"),
    ("loso", "megc2019-cnn", "training.monitor=uar"),
    ("loso", "megc2019-cnn", "training.tensorboard=true"),
    ("loso", "megc2019-cnn", "training.schedule=plateau", "training.warmup=0"),
    ("loso", "megc2019-cnn", "training.seed=3"),
    ("loso", "megc2019-cnn", "student.teachers=[x]"),
    ("loso", "megc2019-cnn", "student.model={name: lenet}"),
    ("loso", "megc2019-cnn", "protocol.folds=4"),
    ("loso", "megc2019-cnn", "protocol.search_folds=4"),
    ("loso", "megc2019-flow", "protocol.test_set_selection=1"),
    ("ssl-kd", "ssl-kd-demo", "transfer.weights=x"),
    ("ssl-kd", "ssl-kd-demo", "transfer.batch_norm=true"),
    ("ssl-kd", "ssl-kd-demo", "student.teachers=[x]"),
    ("ssl-kd", "ssl-kd-demo", "training.ensemble_size=2"),
    ("ssl-kd", "ssl-kd-demo", "training.search_space={training.rate: [1]}"),
    ("ssl-kd", "ssl-kd-demo", "dino.momentum=0.5"),
    ("ssl-kd", "ssl-kd-demo", "dino.center_momentum=0.5", "dino.balance=sinkhorn"),
    ("ssl-kd", "ssl-kd-demo", "dino.local_size=16", "dino.local_crops=0"),
    ("train", "megc2019-cnn", "augment.brightness=0.1"),
    ("loso", "megc2019-cnn", "augment.contrast=0.1"),
    ("loso", "megc2019-cnn", "augment.erase=0.1"),
    ("loso", "megc2019-cnn", "augment.mixup=0.1"),
    ("loso", "fer2013-cnn", "augment.camera=0.1"),
    ("loso", "megc2019-cnn", "training.average=0.9"),
    ("loso", "megc2019-cnn", "training.calibrate=true"),
    ("ssl-kd", "ssl-kd-demo", "training.calibrate=true"),
    ("train", "fer2013-cnn", "training.calibrate=true", "training.ensemble_size=2"),
    ("loso", "megc2019-cnn", "augment.cutmix=0.1"),
    ("train", "demo", "augment.mixup=0.1", "model={name: cnn_bilstm}"),
    *(
        (command, recipe, key)
        for command in ("train", "loso")
        for recipe in ("megc2019-flow", "megc2019-svm")
        for key in (
            "augment.flip=false", "augment.shift=0.2", "training.epochs=3", "training.batch=3",
            "training.optimizer=adam", "training.rate=0.5", "training.weight_decay=0",
            "training.label_smoothing=0.1", "training.precision=mixed_bfloat16",
            "training.ensemble_size=2", "transfer.weights=x", "transfer.epochs=2",
            "student.teachers=[x]", "training.imbalance=balanced_sampling",
        )
    ),
    ("loso", "megc2019-svm", "training.imbalance=class_weights"),
    ("loso", "megc2019-flow", "protocol.seeds=[1]"),
    ("train", "megc2019-flow", "training.seed=1"),
    ("train", "megc2019-cnn", "augment.flip=false"),
    ("train", "demo", "student.teachers=[x]", "model={name: cnn_bilstm}"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "name", "refused", "others"), [(*r[:3], r[3:]) for r in REFUSED]
)
def test_a_value_without_effect_is_refused(command, name, refused, others):
    recipe = recipes.load(name, [refused, *others])
    with pytest.raises(UserError) as error:
        check(recipe, command, kind(recipe))
    message, key = str(error.value), refused.split("=")[0]
    assert message.startswith(f"{name}: {key}=") and "\n" not in message and "{" not in key
    assert f" has no effect in make {command}: " in message and "; leave it at " in message


#: What a rule of the same key must leave alone.
HONORED = [
    ("split", "fer2013-cnn", "split.fractions=[0.6,0.2,0.2]"),
    ("split", "fer2013-cnn", "split.method=kfold", "split.folds=4", "split.fold=1"),
    ("split", "fer2013-cnn", "split.hold_out=0.1"),
    ("train", "fer2013-cnn", "training.schedule=constant", "training.warmup=0"),
    ("train", "fer2013-cnn", "training.schedule=plateau", "training.warmup=0",
     "training.plateau_factor=0.1"),
    ("train", "fer2013-cnn", "training.imbalance=focal", "training.focal_gamma=1"),
    ("train", "fer2013-cnn", "training.patience=3", "training.monitor=uar", "training.seed=3"),
    ("train", "fer2013-cnn", "transfer.weights=x", "transfer.head=true",
     "transfer.batch_norm=true"),
    ("train", "fer2013-cnn", "student.teachers=[x]", "student.matching=1", "student.hard=1"),
    ("loso", "megc2019-cnn", "protocol.kind=kfold", "protocol.folds=4"),
    ("loso", "megc2019-cnn", "training.search_space={training.rate: [0.1]}",
     "protocol.search_folds=4"),
    ("loso", "megc2019-flow", "protocol.search_folds=4", "training.deterministic=true"),
    # sections that the command does not read
    ("split", "fer2013-cnn", "training.momentum=0.8", "training.optimizer=adam",
     "student.hard=0.5"),
    ("train", "fer2013-cnn", "protocol.folds=4", "dino.momentum=0.5", "dino.optimizer=adamw"),
    ("loso", "megc2019-cnn", "split.folds=4"),
]  # fmt: skip


@pytest.mark.parametrize("case", HONORED)
def test_what_has_an_effect_passes(case):
    command, name, *overrides = case
    recipe = recipes.load(name, overrides)
    check(recipe, command, kind(recipe))


def test_every_rule_refuses_in_some_test():
    used = set()
    for command, name, refused, *others in REFUSED:
        recipe = recipes.load(name, [refused, *others])
        case = support.Case(recipe, command, kind(recipe))
        key = refused.split("=")[0]
        used |= {r for r in support.RULES if r.covers(key) and r.applies(case)}
    assert not [rule for rule in support.RULES if rule not in used]


def test_rules_name_keys_of_the_schema():
    for rule in support.RULES:
        for key in f"{rule.keys} {rule.but}".split():
            section, name = key.split(".")
            known = recipes.Recipe.model_fields[section].annotation.model_fields
            assert name == "*" or name in known, key


def test_checking_imports_no_keras():
    code = "import sys, keras_mer.config.support; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"keras", "tensorflow"} & set(done.stdout.split())


def test_a_closed_form_model_is_not_pretrained():
    with pytest.raises(UserError, match="model.name=svm: ssl-kd pretrains a network by gradient"):
        check(recipes.load("megc2019-svm"), "ssl-kd", FLOW)
    with pytest.raises(UserError, match="choose a model of photographs"):
        check(recipes.load("megc2019-cnn"), "ssl-kd", FLOW)


@pytest.mark.parametrize(
    ("command", "name", "override", "message"),
    [
        ("train", "fer2013-cnn", "model.dropot=0.1", "has no argument 'dropot'"),
        ("train", "fer2013-cnn", "model={name: cnn_bilstm, encoder: {name: cnn, x: 1}}", "'x'"),
        ("train", "fer2013-cnn", "training.search_space={training.momentum: [0.5], "
         "training.optimizer: [sgd, adam]}", "search_space: training.momentum=0.5 has no effect"),
        ("loso", "megc2019-cnn", "training.search_space={model.x: [1]}", "'x'"),
        ("ssl-kd", "ssl-kd-demo", "dino.model={x: 1}", "dino.model: model 'cnn' has no arg"),
        ("ssl-kd", "ssl-kd-demo", "student.model={name: lenet, x: 1}", "student: model 'lenet'"),
        ("ssl-kd", "ssl-kd-demo", "student.changes={split.seed: 1}",
         "student.changes: split.seed is no setting of the training"),
        ("ssl-kd", "ssl-kd-demo", "student.changes={training.focal_gamma: 1}",
         "student: training.focal_gamma=1.0 has no effect"),
    ],
)  # fmt: skip
def test_what_is_derived_from_a_recipe_is_checked_too(command, name, override, message):
    with pytest.raises(UserError) as error:
        check_recipe(recipes.load(name, [override]), command)
    assert message in str(error.value) and str(error.value).startswith(f"{name}: ")


@pytest.mark.parametrize("name", recipes.names())
def test_built_in_recipes_and_what_is_derived_from_them_pass(name):
    for command in ("train", "loso") if name.startswith("megc2019") else ("train",):
        check_recipe(recipes.load(name), "ssl-kd" if name.startswith("ssl-kd") else command)


def test_a_search_is_over_settings_of_the_training():
    recipe = recipes.load("megc2019-flow", ["training.search_space={protocol.folds: [3, 4]}"])
    with pytest.raises(UserError, match="search_space: protocol.folds is no setting of the train"):
        check(recipe, "loso", FLOW)

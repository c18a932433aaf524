"""Refusal of recipe values that a command would silently ignore."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from keras_mer.config.recipe import Recipe
from keras_mer.config.schema import Section
from keras_mer.errors import UserError
from keras_mer.kinds import CLIP, IMAGE, Kind

#: Sections that a command reads; the others may hold anything.
SECTIONS = {
    "split": ("data", "split"),
    "audit": ("data", "split"),
    "train": ("data", "split", "model", "augment", "training", "transfer", "student"),
    "loso": ("data", "model", "augment", "training", "transfer", "protocol", "student"),
    "ssl-kd": (
        "data", "split", "model", "augment", "training", "transfer", "dino", "student",
        "ssl_distillation",
    ),
}  # fmt: skip
#: Models that are fitted without a gradient.
CLOSED_FORM = ("svm", "flow_kernel", "flow_linear")


@dataclass(frozen=True)
class Case:
    """A recipe, the command that reads it, and the kind of its model's input."""

    recipe: Recipe
    command: str
    kind: Kind | None

    @property
    def model(self) -> str:
        """The model's name."""
        return self.recipe.model.get("name", "cnn")

    @property
    def closed_form(self) -> bool:
        """Whether the model is fitted without a gradient."""
        return self.model in CLOSED_FORM


@dataclass(frozen=True)
class Rule:
    """Keys that have no effect under a condition.

    Attributes:
        keys: dotted keys, separated by spaces; ``section.*`` is every key of a section.
        applies: whether they have no effect.
        reason: why, as a clause.
        but: keys of the section that the rule leaves alone.
    """

    keys: str
    applies: Callable[[Case], bool]
    reason: str
    but: str = ""

    def covers(self, key: str) -> bool:
        """Whether the rule speaks of `key`."""
        section = key.split(".")[0]
        named = {key, f"{section}.*"} & set(self.keys.split())
        return bool(named) and key not in self.but.split()


def _rule(keys: str, reason: str, applies: Callable[[Recipe], bool], but: str = "") -> Rule:
    """A rule on the recipe alone."""
    return Rule(keys, lambda case: applies(case.recipe), reason, but)


def _in(command: str, keys: str, reason: str, applies: Callable[[Recipe], bool] | None = None):
    """A rule for one command."""
    return Rule(
        keys,
        lambda case: case.command == command and (applies is None or applies(case.recipe)),
        reason,
    )


_NO_HEAD_PHASE = "transfer.epochs is 0: there is no phase that trains the head alone"
_HEAD_ONLY = "training.epochs is 0: only the head is trained, by transfer.epochs and transfer.rate"
_FIXED_LENGTH = "a fold has no validation part, so the number of epochs is fixed"
_CLOSED_FORM = "the model '{model}' is fitted in closed form, from the samples as they are"
_NO_TEACHER = "student.teachers is empty"
_CHAIN_ONLY = "only ssl-kd reads it"
_CHAIN_SETS = "ssl-kd takes the weights of its own pretraining run"

RULES = (
    # data and split
    _in("audit", "data.drop_duplicates", "the audit looks at the data before any row is dropped"),
    _rule(
        "split.fractions",
        "split.method is kfold, whose shares follow from split.folds",
        lambda r: r.split.method == "kfold",
    ),
    Rule(
        "data.preprocessing",
        lambda c: c.kind is IMAGE,
        "the model '{model}' reads photographs, which have no preprocessing record",
    ),
    _rule(
        "split.folds split.fold", "split.method is not kfold", lambda r: r.split.method != "kfold"
    ),
    _rule(
        "split.hold_out",
        "split.method is not official: set split.fractions",
        lambda r: r.split.method != "official",
    ),
    # training
    _rule(
        "training.momentum",
        "only training.optimizer=sgd has a momentum",
        lambda r: r.training.optimizer != "sgd",
    ),
    _rule(
        "training.warmup",
        "only training.schedule=cosine has a warmup",
        lambda r: r.training.schedule != "cosine" and r.training.warmup > 0,
    ),
    _rule(
        "training.plateau_factor training.plateau_patience",
        "training.schedule is not plateau",
        lambda r: r.training.schedule != "plateau",
    ),
    _rule(
        "training.focal_gamma",
        "training.imbalance is not focal",
        lambda r: r.training.imbalance != "focal",
    ),
    _rule(
        "training.calibrate",
        "the output of an ensemble is a mean of probabilities, which has no logits to scale",
        lambda r: r.training.ensemble_size > 1,
    ),
    _rule(
        "training.rate training.warmup training.patience",
        _HEAD_ONLY,
        lambda r: not r.training.epochs and r.transfer.epochs > 0,
    ),
    # transfer
    Rule(
        "augment.flip",
        lambda c: c.model == "flow" and c.recipe.model.get("mirror", True),
        "the model 'flow' sees every image mirrored, too (model.mirror)",
    ),
    _rule("transfer.rate", _NO_HEAD_PHASE, lambda r: not r.transfer.epochs),
    Rule(
        "transfer.head transfer.batch_norm",
        lambda c: c.recipe.transfer.weights == "none" and c.command != "ssl-kd",
        "transfer.weights is none: nothing is taken from elsewhere",
    ),
    _rule(
        "transfer.batch_norm",
        "transfer.unfreeze is 0: no BatchNorm of the body is trained",
        lambda r: r.transfer.unfreeze == 0,
    ),
    _rule(
        "transfer.unfreeze transfer.batch_norm",
        _HEAD_ONLY,
        lambda r: not r.training.epochs and r.transfer.epochs > 0,
    ),
    # distillation
    Rule(
        "student.hard student.temperature student.matching",
        lambda c: not c.recipe.student.teachers and c.command != "ssl-kd",
        _NO_TEACHER,
    ),
    _rule(
        "student.temperature",
        "student.hard is 1: the teachers' output has no weight",
        lambda r: r.student.hard == 1,
    ),
    _in(
        "train",
        "training.label_smoothing training.imbalance training.focal_gamma",
        "student.hard is 0: the labels have no weight",
        lambda r: (
            bool(r.student.teachers)
            and not r.student.hard
            and r.training.imbalance in ("none", "focal")
        ),
    ),
    Rule(
        "student.teachers",
        lambda c: c.kind is CLIP,
        "clips are not distilled: only photographs and flow images are",
    ),
    _rule(
        "student.teachers",
        "student.hard is 1 and student.matching 0: the teachers' output has no weight",
        lambda r: r.student.hard == 1 and not r.student.matching,
    ),
    # make train
    _in("train", "student.model student.changes student.epochs", _CHAIN_ONLY),
    # make loso
    _in(
        "loso",
        "training.patience training.monitor training.tensorboard training.calibrate",
        _FIXED_LENGTH,
    ),
    _in(
        "loso",
        "training.schedule",
        f"{_FIXED_LENGTH} and no plateau can be seen",
        lambda r: r.training.schedule == "plateau",
    ),
    _in("loso", "augment.mixup augment.cutmix", "folds are trained without mixed samples"),
    _in("loso", "training.average", "the compiled step of a fold keeps no average of the weights"),
    _in("loso", "augment.camera", "the disturbances are not part of the compiled step of a fold"),
    _in("loso", "training.seed", "the seeds are protocol.seeds"),
    _in("loso", "student.teachers", "the teachers were trained on the subjects left out"),
    _in("loso", "student.model student.changes student.epochs", _CHAIN_ONLY),
    _in(
        "loso",
        "protocol.folds",
        "protocol.kind is not kfold",
        lambda r: r.protocol.kind != "kfold",
    ),
    _in(
        "loso",
        "protocol.search_folds",
        "training.search_space is empty: there is nothing to choose",
        lambda r: not r.training.search_space,
    ),
    Rule(
        "protocol.test_set_selection",
        lambda c: c.closed_form,
        "the model '{model}' is fitted in closed form: it has no epochs to select",
    ),
    # make ssl-kd
    _in("ssl-kd", "transfer.weights transfer.batch_norm", _CHAIN_SETS),
    _in("ssl-kd", "student.teachers", "ssl-kd distills from the teachers that it trains"),
    _in(
        "ssl-kd",
        "training.ensemble_size training.search_space training.calibrate",
        "every stage of ssl-kd trains one network with the recipe's own values",
    ),
    _rule("dino.momentum", "dino.optimizer is not sgd", lambda r: r.dino.optimizer != "sgd"),
    _rule(
        "dino.center_momentum", "dino.balance is not center", lambda r: r.dino.balance != "center"
    ),
    _rule(
        "dino.local_size dino.local_scale",
        "dino.local_crops is 0: there are no local crops",
        lambda r: not r.dino.local_crops,
    ),
    # models in closed form
    Rule("augment.* transfer.*", lambda c: c.closed_form, _CLOSED_FORM),
    Rule("student.teachers", lambda c: c.closed_form, _CLOSED_FORM),
    Rule(
        "training.*",
        lambda c: c.closed_form,
        _CLOSED_FORM,
        but="training.imbalance training.search_space training.deterministic training.precision",
    ),
    Rule(
        "protocol.seeds",
        lambda c: c.closed_form,
        "the model '{model}' is fitted in closed form: nothing is random",
    ),
    Rule(
        "training.precision",
        lambda c: c.closed_form and c.recipe.training.precision.startswith("mixed"),
        "the model '{model}' is fitted in full precision",
    ),
    Rule(
        "training.imbalance",
        lambda c: c.model == "svm",
        "the model 'svm' always weights classes equally",
    ),
    Rule(
        "training.imbalance",
        lambda c: (
            c.model in ("flow_kernel", "flow_linear")
            and c.recipe.training.imbalance != "class_weights"
        ),
        "the model '{model}' has class_weights only",
    ),
)


def check(recipe: Recipe, command: str, kind: Kind | None = None) -> None:
    """Refuse values that differ from their defaults and that `command` would ignore.

    Sections that the command does not read are left alone; so are keys at their default, which
    saved recipes spell out.

    Args:
        recipe: the experiment.
        command: a key of `SECTIONS`.
        kind: of the model's input; None for a command that reads no `augment`.

    Raises:
        UserError: naming the first such key, why it has no effect, and its default.
    """
    case = Case(recipe, command, kind)
    if command == "ssl-kd" and (case.closed_form or kind not in (None, IMAGE)):
        raise UserError(
            f"{recipe.name}: model.name={case.model}: ssl-kd pretrains a network by gradient, on "
            "crops of photographs; choose a model of photographs"
        )
    for key, value, default in _changed(recipe, SECTIONS[command]):
        reason = _reason(case, key)
        if reason:
            raise UserError(
                f"{recipe.name}: {key}={value} has no effect in make {command}: "
                f"{reason.format(model=case.model)}; leave it at {default}"
            )
    for at, keys in (
        ("training.search_space", recipe.training.search_space),
        ("student.changes", recipe.student.changes),
    ):
        for key in keys if at.split(".")[0] in SECTIONS[command] else ():
            if key.split(".")[0] not in ("model", "augment", "training", "transfer"):
                raise UserError(
                    f"{recipe.name}: {at}: {key} is no setting of the training; "
                    "expected keys of model, augment, training or transfer"
                )


def _changed(recipe: Recipe, sections: tuple[str, ...]) -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, value and default of what differs from its default."""
    for name in sections:
        section = getattr(recipe, name)
        if not isinstance(section, Section):
            continue  # a model's arguments are refused where it is built
        for key, field in type(section).model_fields.items():
            value = getattr(section, key)
            if not field.is_required() and value != field.default:
                yield f"{name}.{key}", value, field.default


def _reason(case: Case, key: str) -> str | None:
    section, _, name = key.partition(".")
    if section == "augment" and case.kind is not None and name in case.kind.refused:
        return case.kind.refused[name]
    return next((r.reason for r in RULES if r.covers(key) and r.applies(case)), None)

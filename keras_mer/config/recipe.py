"""One experiment as data: a strict schema, read from `recipes/*.yaml`, saved with every run."""

import dataclasses
import os
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from keras_mer.errors import UserError, nearest
from keras_mer.files import write_text

FOLDER = Path(__file__).parent / "recipes"


def _choice(default: str, *others: str):
    return field(default=default, metadata={"choices": (default, *others)})


@dataclass(frozen=True)
class Data:
    """What is learnt from, and how it is split.

    `sources` maps a source's name to its folder, or to a mapping with `path` and the source's own
    options. `fractions` are the shares of train, validation and test.
    """

    sources: dict
    vocabulary: str | list = "fer7"
    split: str = _choice("official", "stratified", "subject", "kfold")
    fractions: list = field(default_factory=lambda: [0.8, 0.1, 0.1])
    folds: int = 5
    fold: int = 0
    seed: int = 0
    drop_duplicates: bool = True
    preprocessing: dict | None = None


@dataclass(frozen=True)
class Augment:
    """Random changes to training images; 0 turns one off.

    `shift` is a fraction of the side, `rotate` in degrees, `zoom` and `contrast` relative,
    `brightness` a fraction of the range, `erase` a probability, `mixup` and `cutmix` the alpha of
    the Beta distribution, at most 1 (both given: one of the two per batch, at random).
    """

    flip: bool = True
    shift: float = 0.1
    rotate: float = 10.0
    zoom: float = 0.1
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0


@dataclass(frozen=True)
class Training:
    """How it is learnt. `warmup` in epochs; `patience` 0 means no early stopping.

    `imbalance` is what is done for rare classes: their samples weigh more (`class_weights`), are
    drawn as often as the others' (`balanced_sampling`), or the loss looks away from what is
    already sure (`focal`, Lin et al. 2017, with `focal_gamma`). All buy recall of the rare
    classes and may cost accuracy.
    """

    epochs: int = 30
    batch: int = 64
    optimizer: str = _choice("sgd", "adam", "adamw")
    rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = _choice("cosine", "plateau", "constant")
    warmup: float = 1.0
    plateau_factor: float = 0.5
    plateau_patience: int = 4
    patience: int = 0
    monitor: str = _choice("accuracy", "loss", "uar")
    imbalance: str = _choice("none", "class_weights", "balanced_sampling", "focal")
    focal_gamma: float = 2.0
    label_smoothing: float = 0.0
    precision: str = _choice("auto", "float32", "mixed_float16", "mixed_bfloat16")
    seed: int = 0
    deterministic: bool = False
    tensorboard: bool = False


@dataclass(frozen=True)
class Protocol:
    """How `make loso` makes a score of clips, with nothing chosen on the clips that are scored.

    `kind` says who is left out: one subject at a time (loso), one of `folds` groups of subjects
    (kfold), one dataset (dataset), or what the manifest calls test (split). Every fold is learnt
    once for each of `seeds`, by `members` networks, each from its own start, whose mean
    probability is the answer. `choose` maps keys of the recipe to values to choose among, on
    `inner` folds by subject of the learnt part alone; empty, nothing is chosen. `peek` also keeps
    the field's leaky number: of every `peek_every` epochs, the best on the test fold.
    """

    kind: str = _choice("loso", "kfold", "dataset", "split")
    folds: int = 5
    seeds: list = field(default_factory=lambda: [0])
    members: int = 1
    choose: dict = field(default_factory=dict)
    inner: int = 5
    peek: bool = False
    peek_every: int = 1


@dataclass(frozen=True)
class Transfer:
    """What is taken from elsewhere, and how it is adapted: first the head alone, then more.

    `weights`: none, imagenet, an .h5 or .keras file, or the folder of a run; with `head` that
    run's last layers, too. In the first phase, of `epochs` at `rate`, only the head learns. The
    second is what `training` says: the top `unfreeze` blocks learn ("all", or a number; 0 keeps
    to the head). Where weights were loaded, BatchNorm keeps their statistics unless `batch_norm`.
    """

    weights: str = "none"
    head: bool = False
    epochs: int = 0
    rate: float = 0.01
    unfreeze: int | str = "all"
    batch_norm: bool = False


@dataclass(frozen=True)
class Dino:
    """How a network learns without labels (`keras_mer.training.dino`); the paper's way for ResNets.

    `rate` is for 256 images a batch and scales with `batch`; rate and weight decay go to their ends
    by half a cosine, the rate after `warmup` epochs. `clip` is the largest norm of a variable's
    gradient (0: none). With `batch_norm` the head normalises. `teacher_momentum` goes to 1 by half
    a cosine, the teacher's temperature in a straight line to `temperature_end` over
    `temperature_warmup` epochs. For `freeze` epochs the head's last layer does not learn. `balance`
    keeps outputs in use: the paper's "centre", or "sinkhorn" where with it few win all images.

    `local_size` 0 gives local crops the model's own size; a smaller one is cheaper and needs a
    model that takes any size. Scales are areas of the windows; the other changes are
    `keras_mer.data.transforms.multicrop.Changes`. `model` overrides the recipe's model arguments.

    Every `nearest_every` epochs, `nearest` neighbours among at most `nearest_samples` training
    images guess the validation part; nothing is chosen by that.
    """

    epochs: int = 100
    batch: int = 64
    optimizer: str = field(default="sgd", metadata={"choices": ("sgd", "adamw")})
    rate: float = 0.03
    rate_end: float = 1e-5
    warmup: float = 10.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    weight_decay_end: float = 1e-4
    clip: float = 3.0
    teacher_momentum: float = 0.996
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04
    temperature_end: float = 0.07
    temperature_warmup: float = 30.0
    balance: str = field(default="centre", metadata={"choices": ("centre", "sinkhorn")})
    centre_momentum: float = 0.9
    freeze: float = 1.0
    outputs: int = 1024
    hidden: int = 512
    bottleneck: int = 128
    batch_norm: bool = True
    local_crops: int = 6
    local_size: int = 0
    global_scale: list = field(default_factory=lambda: [0.14, 1.0])
    local_scale: list = field(default_factory=lambda: [0.05, 0.14])
    flip: bool = True
    brightness: float = 0.2
    contrast: float = 0.3
    blur: float = 0.5
    solarize: float = 0.2
    model: dict = field(default_factory=dict)
    nearest: int = 20
    nearest_every: int = 5
    nearest_samples: int = 5000
    seed: int = 0


@dataclass(frozen=True)
class Student:
    """Who learns from the recipe's model, and how (`keras_mer.training.distillation`).

    `model` is the student's, `changes` are other values of the recipe for it, by dotted key
    (``{training.epochs: 60}``), whether it learns alone or from a teacher. `hard` is the weight
    of the labels beside the teacher's word; at 0 no label is needed, and images without one are
    learnt from as well. An epoch is longer then: `epochs`, if not 0, are those of the distilled
    student alone. `matching` is the weight of the features' distance. `teachers` are run folders;
    the chain fills them in.
    """

    teachers: list = field(default_factory=list)
    model: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)
    hard: float = 0.1
    temperature: float = 4.0
    epochs: int = 0
    matching: float = 0.0


@dataclass(frozen=True)
class Chain:
    """What `make ssl-kd` makes of a recipe: which labels it may use, and how sure it wants to be.

    `labels` is the share of the training labels that are known; with `hold_out` that share of the
    training images, and not the validation part, chooses epochs, and the scores are of the
    validation part where the manifest has no test part. Each of `seeds` is a whole repetition
    of what is trained with labels. `variants` are the TFLite files.
    """

    labels: float = 1.0
    hold_out: float = 0.0
    seeds: list = field(default_factory=lambda: [0])
    variants: list = field(default_factory=lambda: ["float32", "float16", "int8"])


@dataclass(frozen=True)
class Recipe:
    """A whole experiment. `model` names a registered model; its other keys are its arguments."""

    name: str
    data: Data
    model: dict
    augment: Augment = field(default_factory=Augment)
    training: Training = field(default_factory=Training)
    protocol: Protocol = field(default_factory=Protocol)
    transfer: Transfer = field(default_factory=Transfer)
    dino: Dino = field(default_factory=Dino)
    student: Student = field(default_factory=Student)
    chain: Chain = field(default_factory=Chain)

    def to_dict(self) -> dict:
        """Plain dicts, lists and scalars, `load` takes them back from YAML.

        A section that a recipe does not speak of, beyond those that every run has, is left out.
        """
        values = dataclasses.asdict(self)
        for default in (Protocol(), Transfer(), Dino(), Student(), Chain()):
            key = type(default).__name__.lower()
            if getattr(self, key) == default:
                del values[key]
        return values

    def changed(self, values: dict) -> "Recipe":
        """The recipe with other values: ``{"model.dropout": 0.3, "training.epochs": 20}``.

        Raises:
            UserError: as `load`.
        """
        new = self.to_dict()
        for key, value in values.items():
            _set(new, key, value, f"{self.name}: {key}")
        return parse(new, self.name)

    def write(self, path: str | os.PathLike) -> None:
        """Write the resolved recipe as YAML, every default spelt out."""
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False))


def names() -> list[str]:
    """The built-in recipes."""
    return sorted(p.stem for p in FOLDER.glob("*.yaml"))


def load(
    name: str | os.PathLike, overrides: typing.Iterable[str] = (), data: typing.Iterable[str] = ()
) -> Recipe:
    """Read a recipe by built-in name or by path, and change some of it.

    Args:
        name: one of `names()`, or the path of a .yaml file.
        overrides: ``"training.epochs=3"`` and the like.
        data: where sources lie: ``"fer2013=/mnt/fer2013"``, or the path alone for a recipe with a
            single source.

    Raises:
        UserError: for an unknown recipe or key (with the nearest known one), a value of the wrong
            type, or a file that is not YAML.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name}.yaml"
        if not path.is_file():
            raise UserError(
                f"unknown recipe '{name}'{nearest(str(name), names())}; "
                f"known: {', '.join(names())}, or a path to a .yaml file"
            )
    elif not path.is_file():
        raise UserError(f"no recipe file at {path}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a mapping with the keys data and model")
    values.setdefault("name", path.stem)
    for override in overrides:
        _override(values, override)
    for place in data:
        _place(values, place)
    return parse(values, str(path))


def parse(values: dict, where: str) -> Recipe:
    """Check plain dicts, as `Recipe.to_dict` gives them, against the schema.

    Raises:
        UserError: as `load`; `where` says whose recipe it is.
    """
    return _build(Recipe, _renamed(values), where)


def _renamed(values: dict) -> dict:
    """A run or card of an earlier version in today's words."""
    training = values.get("training")
    if not isinstance(training, dict) or not isinstance(training.get("class_weights"), bool):
        return values
    training = dict(training)
    asked = "class_weights" if training.pop("class_weights") else "none"
    return values | {"training": {"imbalance": asked} | training}


def _override(values: dict, text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: expected key=value, e.g. training.epochs=3")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--set {text}: '{value}' is not a YAML value") from None
    _set(values, key.strip(), parsed, f"--set {text}")


def _set(values: dict, key: str, value: Any, where: str) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise UserError(f"{where}: '{parent}' has no keys of its own")
    values[last] = value


def _place(values: dict, text: str) -> None:
    sources = (values.get("data") or {}).get("sources") or {}
    name, equals, path = text.partition("=")
    if not equals:
        if len(sources) != 1:
            raise UserError(
                f"--data {text}: the recipe has the sources {', '.join(sources)}; say which one "
                "with SOURCE=PATH"
            )
        (name,), path = sources, text
    if name not in sources:
        raise UserError(
            f"--data {text}: the recipe has no source '{name}'{nearest(name, sources)}; "
            f"it has {', '.join(sources)}"
        )
    given = sources[name]
    sources[name] = given | {"path": path} if isinstance(given, dict) else path


def _build(cls: type, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected a mapping, got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    types_ = typing.get_type_hints(cls)
    for key in values:
        if key not in fields:
            raise UserError(
                f"{where}: unknown key '{key}'{nearest(str(key), fields)}; "
                f"known: {', '.join(fields)}"
            )
    for key, f in fields.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and key not in values:
            raise UserError(f"{where}: the key '{key}' is missing")
    made = {
        key: _check(value, types_[key], fields[key].metadata.get("choices"), f"{where}: {key}")
        for key, value in values.items()
    }
    return cls(**made)


def _check(value: Any, kind: Any, choices: tuple | None, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, where)
    if choices and value not in choices:
        raise UserError(
            f"{where}: expected one of {', '.join(choices)}, got {value!r}"
            f"{nearest(str(value), choices)}"
        )
    if kind is float and not isinstance(value, bool):
        try:  # YAML 1.1 reads 1e-4 as text
            return float(value)
        except (TypeError, ValueError):
            raise UserError(f"{where}: expected a number, got {value!r}") from None
    allowed = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        wanted = " or ".join(t.__name__ for t in allowed)
        raise UserError(f"{where}: expected {wanted}, got {value!r}")
    return value

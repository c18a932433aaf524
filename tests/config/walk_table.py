"""An unusual valid value for every key of the schema, and the context in which it has a meaning."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Key:
    """One key of the schema.

    Attributes:
        value: an unusual valid value; a tuple holds several, of which the first that differs from
            the base recipe's is taken. ``{home}`` and ``{start}`` are replaced in texts.
        context: overrides of the base recipe under which the key has a meaning, where it has none
            in the base recipe or cannot be seen there.
        refused: commands (or bases of a command) that refuse every value but the default, with or
            without the context.
        exempt: base or command (``""``: every one) -> why the walk cannot show this key.
    """

    value: Any
    context: dict = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    exempt: dict[str, str] = field(default_factory=dict)


PREPROCESSING = {
    "flow": "farneback", "side": 100, "margin": 0.3, "register": False, "head_motion": "kept",
    "basis": "a test",
}  # fmt: skip
_NO_RECORD = "the record describes the data for the commands that fit a model; no row depends on it"
_KFOLD = {"split.method": "kfold", "split.fractions": [0.8, 0.1, 0.1]}
_PLATEAU = {
    "training.schedule": "plateau", "training.plateau_patience": 1, "training.epochs": 5,
    "training.rate": 0.01,
}  # fmt: skip
_SLOW = {"training.rate": 1e-3, "training.epochs": 5, "training.schedule": "constant"}
_FLAT = {"training.rate": 0.1, "training.epochs": 5, "training.schedule": "constant"}
_START = {"transfer.weights": "{start}"}
_HEAD_PHASE = {"transfer.epochs": 1}
_TAUGHT = {"student.teachers": ["{start}"]}
_SEARCH = {"training.search_space": {"training.rate": [0.2, 1e-6]}}

KEYS = {
    "data.sources": Key({"flow-images": "{home}/other"}),
    "data.vocabulary": Key(["surprise", "positive", "negative"]),
    "data.drop_duplicates": Key(False, refused=("audit",)),
    "data.preprocessing": Key(
        PREPROCESSING,
        exempt={"split": _NO_RECORD, "audit": _NO_RECORD},
        refused=("train", "ssl-kd"),
    ),
    "split.method": Key("stratified"),
    "split.fractions": Key([0.6, 0.2, 0.2]),
    "split.folds": Key(4, _KFOLD),
    "split.fold": Key(2, _KFOLD),
    "split.seed": Key(5),
    "split.hold_out": Key(
        0.3, exempt={"": "the sources of the walk state no split: see tests/data/test_split.py"}
    ),
    "augment.flip": Key((True, False)),
    "augment.shift": Key(0.3),
    "augment.rotate": Key(90.0),
    "augment.zoom": Key(0.6),
    "augment.brightness": Key(0.5),
    "augment.contrast": Key(0.9),
    "augment.erase": Key(1.0),
    "augment.camera": Key(1.0, refused=("loso",)),
    "augment.mixup": Key(1.0, refused=("loso",)),
    "augment.cutmix": Key(1.0, refused=("loso",)),
    "training.epochs": Key(3),
    "training.batch": Key(5),
    "training.optimizer": Key("adam"),
    "training.rate": Key(0.2),
    "training.momentum": Key(0.5),
    "training.weight_decay": Key(0.3),
    "training.schedule": Key("constant"),
    "training.warmup": Key(0.5),
    "training.plateau_factor": Key(0.1, _PLATEAU, refused=("loso",)),
    "training.plateau_patience": Key(2, _PLATEAU, refused=("loso",)),
    "training.patience": Key(1, _SLOW, refused=("loso",)),
    "training.monitor": Key("loss", _FLAT, refused=("loso",)),
    "training.imbalance": Key(("balanced_sampling", "class_weights")),
    "training.focal_gamma": Key(0.5, {"training.imbalance": "focal"}),
    "training.label_smoothing": Key(0.3),
    "training.average": Key(0.9, refused=("loso",)),
    "training.calibrate": Key(True, refused=("loso", "ssl-kd")),
    "training.precision": Key("mixed_bfloat16"),
    "training.seed": Key(7, refused=("loso",)),
    "training.deterministic": Key(
        False,
        exempt={
            "": "it removes differences between runs, which no single run shows; "
            "tests/data/test_pipeline.py: test_a_seed_repeats_the_order covers it"
        },
    ),
    "training.tensorboard": Key(True, refused=("loso",)),
    "training.ensemble_size": Key(2, refused=("ssl-kd",)),
    "training.search_space": Key(
        ({"training.rate": [0.2, 0.1]}, {"model.ridge": [5.0]}, {"model.C": [5.0]}),
        refused=("ssl-kd",),
    ),
    "protocol.kind": Key("dataset"),
    "protocol.folds": Key(4),
    "protocol.seeds": Key([7]),
    "protocol.search_folds": Key(4, _SEARCH),
    "protocol.test_set_selection": Key(1),
    "transfer.weights": Key("{start}", refused=("ssl-kd",)),
    "transfer.head": Key(True, _START),
    "transfer.epochs": Key(1),
    "transfer.rate": Key(0.2, _HEAD_PHASE),
    "transfer.unfreeze": Key(1),
    "transfer.batch_norm": Key(True, _START, refused=("ssl-kd",)),
    "dino.epochs": Key(3),
    "dino.batch": Key(5),
    "dino.optimizer": Key("adamw"),
    "dino.rate": Key(5.0),
    "dino.rate_end": Key(2.0),
    "dino.warmup": Key(1.0),
    "dino.momentum": Key(0.1),
    "dino.weight_decay": Key(0.5),
    "dino.weight_decay_end": Key(0.5),
    "dino.clip": Key(0.01),
    "dino.teacher_momentum": Key(0.1),
    "dino.student_temperature": Key(0.5),
    "dino.teacher_temperature": Key(0.02),
    "dino.temperature_end": Key(0.2),
    "dino.temperature_warmup": Key(2.0),
    "dino.balance": Key("sinkhorn"),
    "dino.center_momentum": Key(0.1),
    "dino.freeze": Key(1.0),
    "dino.outputs": Key(9),
    "dino.hidden": Key(9),
    "dino.bottleneck": Key(5),
    "dino.batch_norm": Key(False),
    "dino.local_crops": Key(2),
    "dino.local_size": Key(12),
    "dino.global_scale": Key([0.7, 0.8]),
    "dino.local_scale": Key([0.3, 0.4]),
    "dino.flip": Key(False),
    "dino.brightness": Key(0.9),
    "dino.contrast": Key(0.9),
    "dino.blur": Key(0.0),
    "dino.solarize": Key(1.0),
    "dino.model": Key({"stem": 3}),
    "dino.nearest": Key(1),
    "dino.nearest_every": Key(1),
    "dino.nearest_samples": Key(3),
    "dino.seed": Key(7),
    "student.teachers": Key(["{start}"], refused=("loso", "ssl-kd")),
    "student.model": Key(
        {"name": "lenet", "size": 16, "channels": 3, "filters": [2], "units": 3},
        refused=("train", "loso"),
    ),
    "student.changes": Key({"training.rate": 0.2}, refused=("train", "loso")),
    "student.hard": Key(0.9, _TAUGHT, refused=("loso",)),
    "student.temperature": Key(1.0, _TAUGHT, refused=("loso",)),
    "student.epochs": Key(3, refused=("train", "loso")),
    "student.matching": Key(2.0, _TAUGHT, refused=("loso",)),
    "ssl_distillation.labels": Key(0.5),
    "ssl_distillation.hold_out": Key(0.4, {"split.fractions": [0.6, 0.4, 0.0]}),
    "ssl_distillation.seeds": Key([3]),
    "ssl_distillation.variants": Key(["float16"]),
}

_TRAINING = {
    "epochs": 2, "batch": 8, "rate": 0.05, "warmup": 0, "deterministic": True,
}  # fmt: skip
_PLAIN = {"flip": False, "shift": 0, "rotate": 0, "zoom": 0}
_CNN = {
    "name": "cnn", "size": 16, "channels": 3, "stem": 2, "filters": [3], "dropout": 0.0,
    "pool": "average",
}  # fmt: skip
_FLOW = {
    "name": "flow",
    "size": 16,
    "filters": [2, 4],
    "kernel": 3,
    "dropout": 0.0,
    "mirror": False,
}
_CLIP = {
    "name": "cnn_bilstm", "frames": 3, "size": 16, "channels": 3, "units": 3, "dropout": 0.0,
    "encoder": {"name": "lenet", "filters": [2], "units": 4, "dropout": 0.0},
}  # fmt: skip
_GRADIENT = {"training": _TRAINING, "augment": _PLAIN}
_DINO = {
    "epochs": 2, "batch": 8, "rate": 3.0, "warmup": 0, "teacher_momentum": 0.5,
    "temperature_warmup": 1, "freeze": 0, "outputs": 8, "hidden": 8, "bottleneck": 4,
    "local_crops": 1, "nearest": 3,
}  # fmt: skip
#: Base recipes by name, which begins with the command: their sections besides `data` and `split`.
BASES: dict[str, dict] = {
    "split": {"model": _CNN},
    "audit": {"model": _CNN},
    "train": {"model": _CNN, **_GRADIENT},
    "train flow": {"model": _FLOW, **_GRADIENT},
    "train clip": {"model": _CLIP, **_GRADIENT},
    "train flow_kernel": {"model": {"name": "flow_kernel", "size": 16}},
    "train flow_linear": {"model": {"name": "flow_linear", "size": 16}},
    "train svm": {"model": {"name": "svm", "size": 16}},
    "loso": {"model": _FLOW, **_GRADIENT},
    "loso image": {"model": _CNN, **_GRADIENT},
    "loso clip": {"model": _CLIP, **_GRADIENT},
    "loso flow_kernel": {"model": {"name": "flow_kernel", "size": 16}},
    "loso flow_linear": {"model": {"name": "flow_linear", "size": 16}},
    "loso svm": {"model": {"name": "svm", "size": 16}},
    "ssl-kd": {"model": _CNN, "dino": _DINO, "student": {"model": _CNN | {"stem": 1}}, **_GRADIENT},
}

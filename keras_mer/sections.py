"""Sections of a recipe that few recipes have: learning without labels, and teaching a student."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dino:
    """How a network learns without labels (`keras_mer.pretraining`); the paper's way for ResNets.

    `rate` is for 256 images a batch and scales with `batch`; rate and weight decay go to their ends
    by half a cosine, the rate after `warmup` epochs. `clip` is the largest norm of a variable's
    gradient (0: none). With `batch_norm` the head normalises. `teacher_momentum` goes to 1 by half
    a cosine, the teacher's temperature in a straight line to `temperature_end` over
    `temperature_warmup` epochs. For `freeze` epochs the head's last layer does not learn. `balance`
    keeps outputs in use: the paper's "centre", or "sinkhorn" where with it few win all images.

    `local_size` 0 gives local crops the model's own size; a smaller one is cheaper and needs a
    model that takes any size. Scales are areas of the windows; the other changes are
    `keras_mer.data.multicrop.Changes`. `model` overrides the recipe's model arguments.

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
    """Who learns from the recipe's model, and how (`keras_mer.teaching`).

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

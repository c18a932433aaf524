"""The sections of a recipe: their keys, types, bounds and defaults."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from keras_mer.config import fields


class Section(BaseModel):
    """A frozen part of a recipe; unknown keys, values of another type and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ModelArguments(TypedDict, total=False):
    """A model's name and its arguments, with the bounds that hold for every model.

    Other keys are let through: which arguments a model has is known where it is built.
    """

    __pydantic_config__ = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    name: fields.Text
    size: fields.Count
    channels: fields.Channels
    frames: fields.Count
    stem: fields.Count
    filters: fields.Widths
    streams: fields.Widths
    head: fields.WidthsOrNone
    depth: fields.Count
    kernel: fields.Count
    units: fields.Count
    dropout: fields.ShareBelow1
    resolution: fields.Count
    anchors: fields.Count
    smooth: fields.CountOr0
    reach: fields.Positive
    ridge: fields.Positive
    C: fields.Positive
    magnify: fields.NotNegative
    pool: fields.Text
    pooling: fields.Text
    backbone: fields.Text
    options: Annotated[dict[str, Any] | None, Field(description="a mapping or null")]
    weights: Annotated[str | None, Field(description="a path or null")]
    encoder: Annotated[
        "str | ModelArguments",
        Field(description="a model's name, or a mapping with name and arguments"),
    ]
    mirror: bool
    attention: bool
    freeze: bool
    unroll: bool


class Data(Section):
    """The datasets to learn from.

    `sources` maps a source's name to its folder, or to a mapping with `path` and the source's own
    options. `preprocessing` states how clips were turned into this data, where the data itself has
    no record of it.
    """

    sources: fields.Mapping
    vocabulary: fields.Vocabulary = "fer7"
    drop_duplicates: bool = True
    preprocessing: Annotated[dict[str, Any] | None, Field(description="a mapping or null")] = None


class Split(Section):
    """Division of the data into train, validation and test (see `keras_mer.data.split.split`).

    `fractions` are the shares of train, validation and test; with the method kfold, fold number
    `fold` of `folds` is test instead. With `hold_out`, that share of the official train part is
    validation and the official validation part is test, so that nothing is selected on it.
    """

    method: Literal["official", "stratified", "subject", "kfold"] = "official"
    fractions: fields.Fractions = [0.8, 0.1, 0.1]
    folds: fields.Folds = 5
    fold: fields.CountOr0 = 0
    seed: fields.Seed = 0
    hold_out: fields.ShareBelow1 = 0.0

    @model_validator(mode="after")
    def _fold_exists(self):
        if self.fold >= self.folds:
            raise ValueError(
                f"expected 0 <= fold < folds, got fold {self.fold} of {self.folds} folds"
            )
        return self


class Augment(Section):
    """Random changes to training images; 0 turns one off.

    `shift` is a fraction of the side, `rotate` in degrees, `zoom` and `contrast` relative,
    `brightness` a fraction of the range, `erase` a probability, `camera` the probability of one or
    two disturbances that cameras cause (noise, blur, low resolution, JPEG, contrast, gamma, uneven
    light, equalization: `keras_mer.data.transforms.camera`), `mixup` and `cutmix` the alpha of the
    Beta distribution, at most 1 (both given: one of the two per batch, at random).
    """

    flip: bool = True
    shift: fields.Share = 0.1
    rotate: fields.Degrees = 10.0
    zoom: fields.ShareBelow1 = 0.1
    brightness: fields.Share = 0.0
    contrast: fields.Share = 0.0
    erase: fields.Share = 0.0
    camera: fields.Share = 0.0
    mixup: fields.Share = 0.0
    cutmix: fields.Share = 0.0


class Training(Section):
    """Supervised training.

    `warmup` is in epochs; `patience` 0 means no early stopping. `ensemble_size` networks are
    trained, each from its own initialization, and their mean probability is the prediction.
    `search_space` maps keys of the recipe to the values to choose among; empty, nothing is chosen.

    `imbalance` is how rare classes are handled: larger sample weights (`class_weights`), every
    class drawn equally often (`balanced_sampling`), or the focal loss, which down-weights easy
    examples (`focal`, Lin et al. 2017, with `focal_gamma`). All raise the recall of rare classes
    and may lower accuracy.

    `average` is the decay of a moving average of the weights, which is validated and published
    (0: none; 0.998 is about two epochs of 28,000 images). With `calibrate`, the finished model's
    logits are divided by the temperature that suits the validation part best
    (`keras_mer.training.calibration`); the predicted classes stay the same.
    """

    epochs: fields.CountOr0 = 30
    batch: fields.Count = 64
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    rate: fields.Positive = 0.05
    momentum: fields.ShareBelow1 = 0.9
    weight_decay: fields.NotNegative = 5e-4
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup: fields.NotNegative = 1.0
    plateau_factor: fields.Factor = 0.5
    plateau_patience: fields.CountOr0 = 4
    patience: fields.CountOr0 = 0
    monitor: Literal["accuracy", "loss", "uar"] = "accuracy"
    imbalance: Literal["none", "class_weights", "balanced_sampling", "focal"] = "none"
    focal_gamma: fields.NotNegative = 2.0
    label_smoothing: fields.ShareBelow1 = 0.0
    average: fields.ShareBelow1 = 0.0
    calibrate: bool = False
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"
    seed: fields.Seed = 0
    deterministic: bool = False
    tensorboard: bool = False
    ensemble_size: fields.Count = 1
    search_space: fields.SearchSpace = {}


class Protocol(Section):
    """Cross-validation over clips (`make loso`), with nothing chosen on the clips that are scored.

    `kind` says what is left out: one subject at a time (loso), one of `folds` groups of subjects
    (kfold), one dataset (dataset), or what the manifest calls test (split). Every fold is trained
    once for each of `seeds`. The values of `training.search_space` are compared on `search_folds`
    folds by subject of a fold's training part alone.

    `test_set_selection` also computes the score with selection on the test fold that much
    published code reports: of every so many epochs, the best one on the test fold; 0: not.
    """

    kind: Literal["loso", "kfold", "dataset", "split"] = "loso"
    folds: fields.Folds = 5
    seeds: fields.Seeds = [0]
    search_folds: fields.Folds = 5
    test_set_selection: fields.CountOr0 = 0


class Transfer(Section):
    """Pretrained weights, and their adaptation in two phases: the head alone, then more layers.

    `weights`: none, imagenet, an .h5 or .keras file, or the folder of a run; with `head` that
    run's last layers, too. In the first phase, of `epochs` at `rate`, only the head is trained.
    The second is what `training` says: the top `unfreeze` blocks are trained ("all", or a number;
    0: the head alone). Where weights were loaded, BatchNorm keeps their statistics unless
    `batch_norm`.
    """

    weights: fields.Text = "none"
    head: bool = False
    epochs: fields.CountOr0 = 0
    rate: fields.Positive = 0.01
    unfreeze: fields.Blocks = "all"
    batch_norm: bool = False


class Dino(Section):
    """Self-supervised pretraining by DINO (`keras_mer.training.dino`); defaults as for ResNets.

    `rate` is for 256 images a batch and scales with `batch`; rate and weight decay go to their ends
    by half a cosine, the rate after `warmup` epochs. `clip` is the largest norm of a variable's
    gradient (0: none). With `batch_norm` the head has BatchNorm. `teacher_momentum` goes to 1 by
    half a cosine, the teacher's temperature in a straight line to `temperature_end` over
    `temperature_warmup` epochs. For `freeze` epochs the head's last layer is not trained. `balance`
    prevents collapse: the paper's "center" (with `center_momentum`), or "sinkhorn" where with the
    center a few outputs take all images.

    `local_size` 0 gives local crops the model's own size; a smaller one is cheaper and needs a
    model that takes any size. Scales are areas of the windows; the other changes are
    `keras_mer.data.transforms.multicrop.ViewAugmentation`. `model` overrides the recipe's model
    arguments.

    Every `nearest_every` epochs, the `nearest` neighbors among at most `nearest_samples` training
    images classify the validation part; nothing is chosen by that.
    """

    epochs: fields.Count = 100
    batch: fields.Count = 64
    optimizer: Literal["sgd", "adamw"] = "sgd"
    rate: fields.Positive = 0.03
    rate_end: fields.NotNegative = 1e-5
    warmup: fields.NotNegative = 10.0
    momentum: fields.ShareBelow1 = 0.9
    weight_decay: fields.NotNegative = 1e-4
    weight_decay_end: fields.NotNegative = 1e-4
    clip: fields.NotNegative = 3.0
    teacher_momentum: fields.Share = 0.996
    student_temperature: fields.Positive = 0.1
    teacher_temperature: fields.Positive = 0.04
    temperature_end: fields.Positive = 0.07
    temperature_warmup: fields.NotNegative = 30.0
    balance: Literal["center", "sinkhorn"] = "center"
    center_momentum: fields.ShareBelow1 = 0.9
    freeze: fields.NotNegative = 1.0
    outputs: fields.Count = 1024
    hidden: fields.Count = 512
    bottleneck: fields.Count = 128
    batch_norm: bool = True
    local_crops: fields.CountOr0 = 6
    local_size: fields.CountOr0 = 0
    global_scale: fields.Scale = [0.14, 1.0]
    local_scale: fields.Scale = [0.05, 0.14]
    flip: bool = True
    brightness: fields.Share = 0.2
    contrast: fields.Share = 0.3
    blur: fields.Share = 0.5
    solarize: fields.Share = 0.2
    model: ModelArguments = {}
    nearest: fields.Count = 20
    nearest_every: fields.Count = 5
    nearest_samples: fields.Count = 5000
    seed: fields.Seed = 0


class Student(Section):
    """Distillation into a student (`keras_mer.training.distillation`).

    `model` is the student's, `changes` are other values of the recipe for it, by dotted key
    (``{training.epochs: 60}``), with or without a teacher. `hard` is the weight of the labels
    beside the teacher's output; at 0 no label is needed, and unlabeled images are used as well.
    An epoch is longer then: `epochs`, if not 0, are those of the distilled student alone.
    `matching` is the weight of the distance of features. `teachers` are run folders; `make ssl-kd`
    sets them itself.
    """

    teachers: fields.Texts = []
    model: ModelArguments = {}
    changes: fields.Mapping = {}
    hard: fields.Share = 0.1
    temperature: fields.Positive = 4.0
    epochs: fields.CountOr0 = 0
    matching: fields.NotNegative = 0.0


class SslDistillation(Section):
    """What `make ssl-kd` does beside pretraining and distillation.

    `labels` is the share of the training labels that are known; with `hold_out` that share of the
    training images, and not the validation part, chooses epochs, and the scores are of the
    validation part where the manifest has no test part. Each of `seeds` is a whole repetition
    of what is trained with labels. `variants` are the TFLite files.
    """

    labels: fields.ShareAbove0 = 1.0
    hold_out: fields.ShareBelow1 = 0.0
    seeds: fields.Seeds = [0]
    variants: fields.Variants = ["float32", "float16", "int8"]

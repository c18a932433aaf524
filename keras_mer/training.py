"""Train one recipe into one run folder, from where an earlier attempt left off."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_mer import device, models, pretrained, report
from keras_mer import recipe as recipes
from keras_mer.callbacks import Epochs, counting_callbacks
from keras_mer.checkpoint import Checkpoint
from keras_mer.data import loading, pipeline
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.phases import Phase, phases
from keras_mer.progress import console, track
from keras_mer.recipe import Recipe, Training


@keras.saving.register_keras_serializable("keras_mer")
class UnweightedRecall(keras.metrics.Metric):
    """Unweighted average recall (UAR): the mean over classes of the share found of each.

    Targets and predictions are (batch, classes); the highest of each counts. A class without a
    sample counts as 0.
    """

    def __init__(self, classes: int, name: str = "uar", **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.hits = self.add_variable((classes,), "zeros", name="hits")
        self.total = self.add_variable((classes,), "zeros", name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        ops = keras.ops
        truth = ops.one_hot(ops.argmax(y_true, -1), self.classes, dtype="float32")
        guess = ops.one_hot(ops.argmax(y_pred, -1), self.classes, dtype="float32")
        self.hits.assign_add(ops.sum(truth * guess, axis=0))
        self.total.assign_add(ops.sum(truth, axis=0))

    def result(self):
        return keras.ops.mean(self.hits / keras.ops.maximum(self.total, 1.0))

    def get_config(self):
        return super().get_config() | {"classes": self.classes}


@dataclass(frozen=True, eq=False)
class Teaching:
    """What stands around a model while it learns.

    Attributes:
        around: the model with logits -> the one that is fitted, which trains it; itself by default.
        shape: of the images that one takes, where it is not the model's own input.
        beside: an array with a row a training sample, which goes with its image; see
            `pipeline.training_batches`.
    """

    around: Callable[[keras.Model], keras.Model] = lambda model: model
    shape: tuple[int, int, int] | None = None
    beside: np.ndarray | None = None


def train(
    recipe: Recipe,
    manifest: Manifest,
    folder: str | Path,
    *,
    cache=None,
    teaching: Teaching | None = None,
) -> Path:
    """Train `recipe` on a split manifest's train part, selecting on its validation part.

    The folder then holds `model.keras` (best epoch, float32, probabilities), `recipe.yaml`,
    `manifest.csv`, `history.csv`, `curves.png`, `summary.json`. The test part is not read.

    Args:
        recipe: the experiment.
        manifest: with rows in the splits train and validation.
        folder: of the run; one that holds a checkpoint of the same recipe is taken up from there.
        cache: folder for decoded images (see `loading.load_images`).
        teaching: what stands around the model while it learns, e.g. its teachers.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: when the folder belongs to another recipe.
    """
    teaching = teaching or Teaching()
    folder = Path(folder)
    claim(folder, recipe)
    manifest.write(folder / "manifest.csv")
    settings = recipe.training
    device.set_up(settings.precision, settings.seed, settings.deterministic)
    model = build_model(recipe, manifest.classes)
    height, width, channels = teaching.shape or model.input_shape[1:]
    parts = {name: manifest.part(name) for name in ("train", "validation")}
    arrays = {
        name: loading.load_images(part, height, width, channels, cache=cache, progress=track)
        for name, part in parts.items()
    }
    targets = {name: part.targets() for name, part in parts.items()}
    monitor = f"val_{settings.monitor}"
    mode = "min" if settings.monitor == "loss" else "max"
    checkpoint = Checkpoint(folder, monitor, mode, exporter(recipe, manifest.classes, model))
    done = checkpoint.read()
    order = phases(recipe)
    total = order[-1].end
    console.print(
        f"{recipe.name}: {model.name}, {model.count_params():,} parameters, "
        f"{keras.config.dtype_policy().name}; {len(arrays['train']):,} training and "
        f"{len(arrays['validation']):,} validation samples; epoch {done + 1} of {total}"
    )
    if not done and recipe.transfer.weights != "none":
        console.print(
            pretrained.load(model, recipe.transfer.weights, recipe.model, head=recipe.transfer.head)
        )
    balanced = settings.imbalance == "balanced_sampling"
    weights = None
    if settings.imbalance == "class_weights":
        weights = pipeline.balanced_class_weights(targets["train"])
    steps = max(1, len(arrays["train"]) // settings.batch)
    learner = teaching.around(model)
    restored = not done
    for number, phase in enumerate(order, 1):
        if done >= phase.end and phase is not order[-1]:
            continue
        phase.freeze(model)
        if not restored and done == phase.start:
            # The checkpoint's optimiser is the last phase's: take the weights alone.
            checkpoint.restore(learner)
            restored = True
        learner.compile(
            optimizer(phase.settings, steps),
            loss(phase.settings),
            metrics=["accuracy", UnweightedRecall(len(manifest.classes))],
            jit_compile=False,  # on a CPU, XLA makes these networks several times slower
        )
        checkpoint.others = counting_callbacks(phase.settings, monitor, mode)
        if not restored:
            checkpoint.restore(learner)
            restored = True
        waited = phase.waited(checkpoint.history, monitor, checkpoint.sign)
        if done >= phase.end or 0 < phase.settings.patience <= waited:
            continue
        watch = Epochs(total, steps, number if len(order) > 1 else None)
        callbacks = [*checkpoint.others, watch, checkpoint]
        if settings.tensorboard:
            callbacks.insert(0, keras.callbacks.TensorBoard(folder / "tensorboard"))
        learner.fit(
            pipeline.training_batches(
                arrays["train"],
                targets["train"],
                settings.batch,
                augment=recipe.augment,
                class_weights=weights,
                balanced=balanced,
                beside=teaching.beside,
                # A restart draws other numbers than the epochs already done.
                seed=settings.seed + 1000 * done,
                deterministic=settings.deterministic,
            ),
            steps_per_epoch=steps,
            validation_data=pipeline.batches(
                arrays["validation"], targets["validation"], settings.batch
            ),
            initial_epoch=done,
            epochs=phase.end,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        )
        done = checkpoint.epoch
    return _finish(folder, checkpoint, recipe, order)


def _finish(folder: Path, checkpoint: Checkpoint, recipe: Recipe, order: list[Phase]) -> Path:
    if not checkpoint.epoch:
        raise UserError(f"{recipe.name}: training.epochs is 0, there is nothing to train")
    file = checkpoint.publish()
    report.draw_curves(checkpoint.history, folder / "curves.png", best=checkpoint.best["epoch"])
    more = {"phases": _best_of(order, checkpoint)} if len(order) > 1 else {}
    checkpoint.summarise(recipe.name, **more)
    return file


def _best_of(order: list[Phase], checkpoint: Checkpoint) -> dict:
    return {p.name: checkpoint.best_of(checkpoint.history[p.start : p.end]) for p in order}


def claim(folder: Path, recipe: Recipe) -> None:
    """Make `folder` the run of `recipe`, or check that it is.

    Raises:
        UserError: naming a key that differs, when it is the run of another recipe.
    """
    file = folder / "recipe.yaml"
    if not file.is_file():
        recipe.write(file)
        return
    # Through the schema, so that a key added since then counts as its default.
    saved = _flatten(recipes.load(file).to_dict())
    wanted = _flatten(recipe.to_dict())
    for key in sorted(saved.keys() | wanted.keys()):
        if saved.get(key) != wanted.get(key):
            raise UserError(
                f"{folder} holds a run with {key} = {saved.get(key)}, not {wanted.get(key)}; "
                "train into another folder (RUN=...), or remove this one"
            )


def _flatten(values: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in values.items():
        flat |= (
            _flatten(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {prefix + key: list(value) if isinstance(value, tuple) else value}
        )
    return flat


def build_model(recipe: Recipe, classes: tuple[str, ...]) -> keras.Model:
    """The recipe's model with logits, under the current dtype policy."""
    config = dict(recipe.model)
    return models.build(config.pop("name", "cnn"), classes=len(classes), **config)


def exporter(recipe: Recipe, classes: tuple[str, ...], model: keras.Model):
    """A function that returns `model`'s weights in a float32 model with probabilities.

    A float32 twin, because files of a mixed policy do not convert to TFLite's builtin operators.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    twin = build_model(recipe, classes)
    full = models.with_probabilities(twin)
    keras.config.set_dtype_policy(policy)

    def export() -> keras.Model:
        twin.set_weights(model.get_weights())
        return full

    return export


def loss(settings: Training) -> keras.losses.Loss:
    """Cross-entropy of logits, or the focal loss (Lin et al. 2017) where the recipe asks for it."""
    common = {"from_logits": True, "label_smoothing": settings.label_smoothing}
    if settings.imbalance == "focal":
        # alpha 1: a smaller one would only be a lower learning rate.
        return keras.losses.CategoricalFocalCrossentropy(1.0, settings.focal_gamma, **common)
    return keras.losses.CategoricalCrossentropy(**common)


def optimizer(settings: Training, steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimiser; weight decay spares biases and normalisation layers.

    Args:
        settings: rates, decay and schedule.
        steps: batches an epoch.
    """
    rate = settings.rate
    warmup = round(settings.warmup * steps)
    if settings.schedule == "cosine":
        total = max(1, settings.epochs * steps - warmup)
        rate = keras.optimizers.schedules.CosineDecay(
            settings.rate / 25 if warmup else settings.rate,
            total,
            warmup_target=settings.rate if warmup else None,
            warmup_steps=warmup,
        )
    common = {"learning_rate": rate, "weight_decay": settings.weight_decay or None}
    if settings.optimizer == "sgd":
        made = keras.optimizers.SGD(momentum=settings.momentum, nesterov=True, **common)
    else:
        kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
        made = kind[settings.optimizer](**common)
    if settings.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def load_run(folder: str | Path) -> tuple[Recipe, Manifest]:
    """The recipe and the manifest of a run folder.

    Raises:
        UserError: when it is no run.
    """
    folder = Path(folder)
    if not (folder / "recipe.yaml").is_file():
        raise UserError(f"no run at {folder} (no recipe.yaml); make one with: make train")
    return recipes.load(folder / "recipe.yaml"), Manifest.read(folder / "manifest.csv")

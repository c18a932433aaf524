"""Train one recipe into one run folder, from where an earlier attempt left off."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_mer import losses, models
from keras_mer.config.recipe import Recipe
from keras_mer.data import loading, pipeline
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.evaluation import report
from keras_mer.progress import console, track
from keras_mer.training import device, optimizers, pretrained, run_folder, schedules
from keras_mer.training.callbacks import EpochLog, monitor_callbacks
from keras_mer.training.checkpoint import Checkpoint
from keras_mer.training.keras_metrics import UnweightedRecall
from keras_mer.training.phases import Phase, phases


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """Optional wrapper model and precomputed teacher logits.

    Attributes:
        wrap_model: returns the model to fit, which trains the given model with logits.
        shape: (height, width, channels) of the images, if not the model's own input shape.
        teacher_logits: float32 (training samples, teachers, classes), or None; see
            `pipeline.training_batches`.
    """

    wrap_model: Callable[[keras.Model], keras.Model] = lambda model: model
    shape: tuple[int, int, int] | None = None
    teacher_logits: np.ndarray | None = None


def train(
    recipe: Recipe,
    manifest: Manifest,
    folder: str | Path,
    *,
    cache=None,
    setup: TrainingSetup | None = None,
) -> Path:
    """Train `recipe` on a split manifest's train part, selecting on its validation part.

    The folder then holds `model.keras` (best epoch, float32, probabilities), `recipe.yaml`,
    `manifest.csv`, `history.csv`, `curves.png`, `summary.json`. The test part is not read.

    Args:
        recipe: the experiment.
        manifest: with rows in the splits train and validation.
        folder: of the run; one that holds a checkpoint of the same recipe is taken up from there.
        cache: folder for decoded images (see `loading.load_images`).
        setup: wrapper model and precomputed teacher logits, for distillation.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: when the folder belongs to another recipe.
    """
    setup = setup or TrainingSetup()
    folder = Path(folder)
    run_folder.check_run_config(folder, recipe)
    manifest.write(folder / "manifest.csv")
    settings = recipe.training
    device.set_up(settings.precision, settings.seed, settings.deterministic)
    model = build_model(recipe, manifest.classes)
    height, width, channels = setup.shape or model.input_shape[1:]
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
    learner = setup.wrap_model(model)
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
            optimizers.make_optimizer(
                phase.settings.optimizer,
                schedules.learning_rate(phase.settings, steps),
                weight_decay=phase.settings.weight_decay,
                momentum=phase.settings.momentum,
                nesterov=True,
            ),
            losses.supervised_loss(phase.settings),
            metrics=["accuracy", UnweightedRecall(len(manifest.classes))],
            jit_compile=False,  # on a CPU, XLA makes these networks several times slower
        )
        checkpoint.others = monitor_callbacks(phase.settings, monitor, mode)
        if not restored:
            checkpoint.restore(learner)
            restored = True
        waited = phase.epochs_since_best(checkpoint.history, monitor, checkpoint.sign)
        if done >= phase.end or 0 < phase.settings.patience <= waited:
            continue
        watch = EpochLog(total, steps, number if len(order) > 1 else None)
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
                teacher_logits=setup.teacher_logits,
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
    checkpoint.write_summary(recipe.name, **more)
    return file


def _best_of(order: list[Phase], checkpoint: Checkpoint) -> dict:
    return {p.name: checkpoint.best_of(checkpoint.history[p.start : p.end]) for p in order}


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

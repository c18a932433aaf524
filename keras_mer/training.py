"""Train one recipe into one run folder, from where an earlier attempt left off."""

import shutil
import time
from pathlib import Path

import keras
import numpy as np

from keras_mer import device, models, report
from keras_mer import recipe as recipes
from keras_mer.checkpoint import Checkpoint
from keras_mer.data import loading, pipeline
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.files import replacing, write_json
from keras_mer.progress import bar, console, track
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


def train(recipe: Recipe, manifest: Manifest, folder: str | Path, *, cache=None) -> Path:
    """Train `recipe` on a split manifest's train part, selecting on its validation part.

    The folder then holds `model.keras` (best epoch, float32, probabilities), `recipe.yaml`,
    `manifest.csv`, `history.csv`, `curves.png`, `summary.json`. The test part is not read.

    Args:
        recipe: the experiment.
        manifest: with rows in the splits train and validation.
        folder: of the run; one that holds a checkpoint of the same recipe is taken up from there.
        cache: folder for decoded images (see `loading.load_images`).

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: when the folder belongs to another recipe.
    """
    folder = Path(folder)
    claim(folder, recipe)
    manifest.write(folder / "manifest.csv")
    settings = recipe.training
    device.set_up(settings.precision, settings.seed, settings.deterministic)
    model = build_model(recipe, manifest.classes)
    height, width, channels = model.input_shape[1:]
    parts = {name: manifest.part(name) for name in ("train", "validation")}
    arrays = {
        name: loading.load_images(part, height, width, channels, cache=cache, progress=track)
        for name, part in parts.items()
    }
    targets = {name: part.targets() for name, part in parts.items()}
    weights = pipeline.balanced_class_weights(targets["train"]) if settings.class_weights else None

    steps = max(1, len(arrays["train"]) // settings.batch)
    model.compile(
        optimizer(settings, steps),
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings.label_smoothing
        ),
        metrics=["accuracy", UnweightedRecall(len(manifest.classes))],
        jit_compile=False,  # on a CPU, XLA makes these networks several times slower
    )
    monitor = f"val_{settings.monitor}"
    mode = "min" if settings.monitor == "loss" else "max"
    counting = _counting_callbacks(settings, monitor, mode)
    checkpoint = Checkpoint(
        folder, monitor, mode, exporter(recipe, manifest.classes, model), counting
    )
    done = checkpoint.restore(model)
    console.print(
        f"{recipe.name}: {model.name}, {model.count_params():,} parameters, "
        f"{keras.config.dtype_policy().name}; {len(arrays['train']):,} training and "
        f"{len(arrays['validation']):,} validation samples; epoch {done + 1} of {settings.epochs}"
    )
    waited = done - checkpoint.best["epoch"] if done else 0
    stopped = 0 < settings.patience <= waited
    if done < settings.epochs and not stopped:
        callbacks = [*counting, Epochs(settings.epochs, steps), checkpoint]
        if settings.tensorboard:
            callbacks.insert(0, keras.callbacks.TensorBoard(folder / "tensorboard"))
        model.fit(
            pipeline.training_batches(
                arrays["train"],
                targets["train"],
                settings.batch,
                augment=recipe.augment,
                # A restart draws other numbers than the epochs already done.
                class_weights=weights,
                seed=settings.seed + 1000 * done,
                deterministic=settings.deterministic,
            ),
            steps_per_epoch=steps,
            validation_data=pipeline.batches(
                arrays["validation"], targets["validation"], settings.batch
            ),
            initial_epoch=done,
            epochs=settings.epochs,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        )
    return _finish(folder, checkpoint, recipe)


def _finish(folder: Path, checkpoint: Checkpoint, recipe: Recipe) -> Path:
    with replacing(folder / "model.keras") as temporary:
        shutil.copyfile(checkpoint.latest() / "best.keras", temporary)
    report.draw_curves(checkpoint.history, folder / "curves.png", best=checkpoint.best["epoch"])
    write_json(
        folder / "summary.json",
        {
            "recipe": recipe.name,
            "epochs": checkpoint.epoch,
            "seconds": round(sum(row["seconds"] for row in checkpoint.history)),
            "best": checkpoint.best,
        },
    )
    return folder / "model.keras"


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


def _counting_callbacks(settings: Training, monitor: str, mode: str) -> list:
    made = []
    if settings.schedule == "plateau":
        made.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor, settings.plateau_factor, settings.plateau_patience, mode=mode
            )
        )
    if settings.patience:
        made.append(keras.callbacks.EarlyStopping(monitor, patience=settings.patience, mode=mode))
    return made


class Epochs(keras.callbacks.Callback):
    """A bar over each epoch's batches, then a line: metrics, rate, and the time left in all."""

    def __init__(self, epochs: int, steps: int):
        super().__init__()
        self.epochs, self.steps, self.times = epochs, steps, []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()
        self.bar = bar()
        self.bar.start()
        self.task = self.bar.add_task(f"Epoch {epoch + 1}/{self.epochs}", total=self.steps)
        self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_train_batch_end(self, batch, logs=None):
        self.bar.advance(self.task)

    def on_epoch_end(self, epoch, logs):
        self.bar.stop()
        seconds = time.time() - self.start
        self.times.append(seconds)
        logs |= {"rate": self.rate, "seconds": seconds}
        if not all(np.isfinite(logs[name]) for name in ("loss", "val_loss")):
            raise UserError(
                f"the loss of epoch {epoch + 1} is not finite (loss {logs['loss']}, validation "
                f"{logs['val_loss']}); lower training.rate, or use precision float32"
            )
        left = float(np.median(self.times)) * (self.epochs - epoch - 1) / 60
        console.print(
            f"epoch {epoch + 1:3d}/{self.epochs}  loss {logs['loss']:.3f}  "
            f"accuracy {logs['accuracy']:.3f}  validation: loss {logs['val_loss']:.3f}  "
            f"accuracy {logs['val_accuracy']:.3f}  uar {logs['val_uar']:.3f}  "
            f"rate {self.rate:.2g}  {seconds:.0f} s, {left:.1f} min left"
        )


def load_run(folder: str | Path) -> tuple[Recipe, Manifest]:
    """The recipe and the manifest of a run folder.

    Raises:
        UserError: when it is no run.
    """
    folder = Path(folder)
    if not (folder / "recipe.yaml").is_file():
        raise UserError(f"no run at {folder} (no recipe.yaml); make one with: make train")
    return recipes.load(folder / "recipe.yaml"), Manifest.read(folder / "manifest.csv")

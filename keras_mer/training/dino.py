"""DINO pretraining of a recipe's network in a resumable run folder."""

from functools import partial
from pathlib import Path

import keras
import numpy as np

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.data import loading, subsets
from keras_mer.data.manifest import Manifest
from keras_mer.data.transforms import multicrop
from keras_mer.errors import UserError
from keras_mer.evaluation import knn, plots
from keras_mer.models import dino, layer_freezing
from keras_mer.models.features import features
from keras_mer.progress import console, track
from keras_mer.training import device, optimizers, run_folder, schedules, setup
from keras_mer.training.callbacks import ProgressBar
from keras_mer.training.checkpoint import Checkpoint


def pretrain(recipe: Recipe, manifest: Manifest, folder: str | Path, *, cache=None) -> Path:
    """Pretrain the recipe's network with DINO on the images of the train split, without labels.

    The folder then holds `model.keras` (the teacher's body with a random head, for
    `transfer.weights`), `recipe.yaml`, `manifest.csv`, `history.csv`, `curves.png`,
    `neighbors.png`, `embedding.png`, `summary.json`. Labels are used only for the logged metric
    `nearest`, the accuracy of a k-nearest-neighbor classifier, which selects nothing: the model of
    the last epoch is kept.

    Args:
        recipe: the experiment; its `dino` section is read.
        manifest: with rows in the splits train and validation; train rows need no label.
        folder: of the run; with a checkpoint of the same recipe, training resumes from it.
        cache: folder for decoded images.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: if the outputs collapse, and as `trainer.train`.
    """
    folder, settings = Path(folder), recipe.dino
    run_folder.check_run_config(folder, recipe)
    manifest.write(folder / "manifest.csv")
    device.set_up(recipe.training.precision, settings.seed, recipe.training.deterministic)
    body = features(network(recipe, manifest.classes))
    height, width, channels = body.input_shape[1:]
    load = partial(
        loading.load_images, height=height, width=width, channels=channels, cache=cache,
        progress=track,
    )  # fmt: skip
    part = manifest.where(lambda s: s.split == "train")
    images = load(part)
    steps = max(1, len(images) // settings.batch)
    model = build(recipe, body, steps)
    checkpoint = Checkpoint(folder, "step", "max", exporter(recipe, manifest.classes, model))
    done = checkpoint.restore(model)
    console.print(
        f"{recipe.name}: DINO, {body.name} with {body.count_params():,} parameters, "
        f"{keras.config.dtype_policy().name}; {len(images):,} images without labels; "
        f"epoch {done + 1} of {settings.epochs}"
    )
    if done < settings.epochs:
        # After a restart, other random numbers than in the completed epochs.
        keras.utils.set_random_seed(settings.seed + 1000 * done)
        batches = multicrop.view_batches(
            images, settings.batch, crops(recipe, height), seed=settings.seed + 1000 * done,
            deterministic=recipe.training.deterministic,
        )  # fmt: skip
        if not done:
            model.recalibrate_batch_norm(next(iter(batches)))
        model.fit(
            batches,
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=settings.epochs,
            callbacks=[
                KnnMonitor(recipe, manifest, load),
                DinoProgress(settings.epochs, steps),
                CollapseStop(settings, checkpoint),
                checkpoint,
            ],
            verbose=0,
            shuffle=False,
        )
    return _finish(recipe, manifest, folder, checkpoint, model, load)


def network(recipe: Recipe, classes: tuple[str, ...]) -> keras.Model:
    """The recipe's model, its arguments overridden by those in `dino.model`."""
    model = setup.build_model(with_dino_model(recipe), classes)
    for layer in layer_freezing.leaves(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            # The teacher's statistics are averaged twice, over batches and from the student. With
            # Keras's 0.99 they would lag hundreds of steps behind the weights.
            layer.momentum = 0.9
    return model


def with_dino_model(recipe: Recipe) -> Recipe:
    """The recipe with the arguments of `dino.model` in its `model`."""
    return recipe.model_copy(update={"model": recipe.model | recipe.dino.model})


def build(recipe: Recipe, body: keras.Model, steps: int) -> dino.DINO:
    """The compiled DINO model of a recipe.

    Args:
        recipe: its `dino` section is read.
        body: the backbone, pixels -> features.
        steps: batches per epoch.
    """
    s = recipe.dino
    total, rate = s.epochs * steps, s.rate * s.batch / 256
    warmup = round(s.warmup * steps)
    plan = dino.Schedules(
        rate=partial(schedules.cosine, steps=total, start=rate, end=s.rate_end, warmup=warmup),
        weight_decay=partial(
            schedules.cosine, steps=total, start=s.weight_decay, end=s.weight_decay_end
        ),
        momentum=partial(schedules.cosine, steps=total, start=s.teacher_momentum, end=1.0),
        temperature=partial(
            schedules.linear,
            steps=round(s.temperature_warmup * steps),
            start=s.teacher_temperature,
            end=s.temperature_end,
        ),
    )
    head = dino.projection_head(
        body.output_shape[-1], s.outputs, s.hidden, s.bottleneck, batch_norm=s.batch_norm
    )
    model = dino.DINO(
        body, head, plan,
        local_size=s.local_size or None,
        student_temperature=s.student_temperature,
        balance=s.balance,
        center_momentum=s.center_momentum,
        frozen_steps=round(s.freeze * steps),
    )  # fmt: skip
    # On a CPU, XLA makes these networks several times slower.
    optimizer = optimizers.make_optimizer(s.optimizer, momentum=s.momentum, clip=s.clip)
    model.compile(optimizer, jit_compile=False)
    return model


def crops(recipe: Recipe, size: int) -> multicrop.MultiCrop:
    """The recipe's multi-crop augmentation with global crops of `size` pixels."""
    s = recipe.dino
    augmentation = multicrop.ViewAugmentation(s.flip, s.brightness, s.contrast, s.blur, s.solarize)
    return multicrop.MultiCrop(
        size, s.local_size or size, s.local_crops, s.global_scale, s.local_scale, augmentation
    )


def exporter(recipe: Recipe, classes: tuple[str, ...], model: dino.DINO):
    """A function that returns the teacher's body with a random head, in float32."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    full = models.with_probabilities(network(recipe, classes))
    body = features(full)
    keras.config.set_dtype_policy(policy)

    def export() -> keras.Model:
        body.set_weights(model.teacher_backbone.get_weights())
        return full

    return export


class KnnMonitor(keras.callbacks.Callback):
    """Logs `nearest`, the k-nearest-neighbor validation accuracy, and `rank` of teacher features.

    Both are measured before training and every `dino.nearest_every` epochs; between measurements
    the last values are logged again.
    """

    def __init__(self, recipe: Recipe, manifest: Manifest, load):
        super().__init__()
        self.settings, self.score, self.rank = recipe.dino, float("nan"), float("nan")
        known = manifest.where(lambda s: s.split == "train" and s.label)
        if len(known) > self.settings.nearest_samples:
            chosen = subsets.order(known, seed=0)[: self.settings.nearest_samples]
            known = known.replace(known.samples[i] for i in chosen)
        self.parts = [known, manifest.part("validation")]
        self.images = [load(p) for p in self.parts]

    def on_train_begin(self, logs=None):
        self.measure()

    def measure(self) -> None:
        """Update `score` (accuracy) and `rank` (effective rank of the features, `knn.rank`)."""
        found = [knn.embed(self.model.teacher_backbone, images) for images in self.images]
        labels = [p.labels() for p in self.parts]
        votes = knn.classify(found[0], labels[0], found[1], len(self.parts[0].classes),
                               self.settings.nearest)  # fmt: skip
        self.score = float((votes.argmax(1) == labels[1]).mean())
        self.rank = knn.rank(found[1])

    def on_epoch_end(self, epoch, logs):
        if (epoch + 1) % self.settings.nearest_every == 0 or epoch + 1 == self.settings.epochs:
            self.measure()
        logs |= {"nearest": self.score, "rank": self.rank}


class CollapseStop(keras.callbacks.Callback):
    """Raises an error when the teacher's outputs collapsed in two consecutive epochs after warmup.

    Collapsed outputs do not depend on the image, whether one output dominates or all are equal:
    `information` (nats) or `deviation` is near 0.

    Args:
        settings: the recipe's `dino` section.
        checkpoint: provides the previous epoch's metrics, also after a restart.
    """

    LEAST_INFORMATION, LEAST_DEVIATION = 0.02, 0.01

    def __init__(self, settings, checkpoint: Checkpoint):
        super().__init__()
        # Not before the last layer has started to train and the center has converged.
        frozen = settings.freeze if settings.freeze < settings.epochs else 0
        self.grace = int(np.ceil(max(frozen, settings.warmup))) + 1
        self.checkpoint = checkpoint

    def collapsed(self, row: dict) -> bool:
        """Whether an epoch's metrics indicate collapse."""
        return (
            row["information"] < self.LEAST_INFORMATION or row["deviation"] < self.LEAST_DEVIATION
        )

    def on_epoch_end(self, epoch, logs):
        before = self.checkpoint.history[-1:]
        if epoch + 1 <= self.grace or not before or not self.collapsed(logs):
            return
        if self.collapsed(before[0]):
            raise UserError(
                f"DINO collapsed: in epochs {epoch} and {epoch + 1} the teacher's output is "
                f"the same for every image (information {logs['information']:.3f} nats, deviation "
                f"{logs['deviation']:.3f}, entropy {logs['entropy']:.2f} of the maximum); lower "
                "dino.rate, or dino.temperature_end (entropy near 1), or set dino.balance=sinkhorn "
                "(entropy near 0), and train into another folder"
            )


class DinoProgress(ProgressBar):
    """A progress bar, and a line per epoch with loss, collapse metrics and k-NN accuracy."""

    def on_epoch_end(self, epoch, logs):
        seconds, left = self.finish(epoch)
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        logs |= {"rate": rate, "seconds": seconds, "step": float(self.model.step)}
        if not np.isfinite(logs["loss"]):
            raise UserError(f"the loss of epoch {epoch + 1} is not finite; lower dino.rate")
        console.print(
            f"epoch {epoch + 1:3d}/{self.epochs}  loss {logs['loss']:.3f}  "
            f"entropy {logs['entropy']:.2f}, of the mean output {logs['mean_output_entropy']:.2f}  "
            f"information {logs['information']:.2f} nats  deviation {logs['deviation']:.2f}  "
            f"rank {logs['rank']:.1f}  k-NN accuracy {logs['nearest']:.3f}  "
            f"{seconds:.0f} s, {left:.1f} min left"
        )


def _finish(recipe, manifest, folder: Path, checkpoint: Checkpoint, model, load) -> Path:
    file = checkpoint.publish()
    plots.draw_history(checkpoint.history, folder / "curves.png")
    part = manifest.part("validation")
    images = load(part)
    found = knn.embed(model.teacher_backbone, images)
    labels = part.labels()
    plots.draw_neighbors(
        images, [manifest.classes[i] for i in labels], knn.neighbors(found, found, 7)[:, 1:],
        folder / "neighbors.png",
    )  # fmt: skip
    plots.draw_embedding(
        knn.principal_components(found, 2), labels, manifest.classes, folder / "embedding.png"
    )
    checkpoint.write_summary(recipe.name)
    return file

"""Learn a recipe's network without labels (DINO) into one run folder, resumable like training."""

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
from keras_mer.training.callbacks import Bar
from keras_mer.training.checkpoint import Checkpoint


def pretrain(recipe: Recipe, manifest: Manifest, folder: str | Path, *, cache=None) -> Path:
    """Train the recipe's network by its `dino` section on the train part's images, labels unseen.

    The folder then holds `model.keras` (the teacher's body under a random head: what
    `transfer.weights` takes), `recipe.yaml`, `manifest.csv`, `history.csv`, `curves.png`,
    `neighbours.png`, `embedding.png`, `summary.json`. Labels are read for `nearest` alone, the
    score of nearest neighbours, by which nothing is chosen: the last epoch is the one kept.

    Args:
        recipe: the experiment.
        manifest: with rows in the splits train and validation; train rows may lack a label.
        folder: of the run; one that holds a checkpoint of the same recipe is taken up from there.
        cache: folder for decoded images.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: when the outputs collapse, and as `training.train`.
    """
    folder, settings = Path(folder), recipe.dino
    run_folder.claim(folder, recipe)
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
        # Another order and other windows than in the epochs already done.
        keras.utils.set_random_seed(settings.seed + 1000 * done)
        batches = multicrop.view_batches(
            images, settings.batch, crops(recipe, height), seed=settings.seed + 1000 * done,
            deterministic=recipe.training.deterministic,
        )  # fmt: skip
        if not done:
            model.settle(next(iter(batches)))
        model.fit(
            batches,
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=settings.epochs,
            callbacks=[
                Nearest(recipe, manifest, load),
                Lines(settings.epochs, steps),
                CollapseStop(settings, checkpoint),
                checkpoint,
            ],
            verbose=0,
            shuffle=False,
        )
    return _finish(recipe, manifest, folder, checkpoint, model, load)


def network(recipe: Recipe, classes: tuple[str, ...]) -> keras.Model:
    """The recipe's model with the arguments of its `dino.model` instead of its own."""
    model = setup.build_model(without_labels(recipe), classes)
    for layer in layer_freezing.leaves(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            # The teacher's statistics follow twice, the batches' and the student's: with Keras's
            # 0.99 they would be those of a network of hundreds of steps ago.
            layer.momentum = 0.9
    return model


def without_labels(recipe: Recipe) -> Recipe:
    """The recipe with `dino.model` in its `model`."""
    return recipe.model_copy(update={"model": recipe.model | recipe.dino.model})


def build(recipe: Recipe, body: keras.Model, steps: int) -> dino.DINO:
    """The compiled DINO of a recipe.

    Args:
        body: pixels -> features.
        steps: batches an epoch.
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
        centre_momentum=s.center_momentum,
        frozen_steps=round(s.freeze * steps),
    )  # fmt: skip
    # On a CPU, XLA makes these networks several times slower.
    made = optimizers.scheduled(s.optimizer, momentum=s.momentum, clip=s.clip)
    model.compile(made, jit_compile=False)
    return model


def crops(recipe: Recipe, size: int) -> multicrop.MultiCrop:
    """The recipe's multi-crop for global views of `size` pixels."""
    s = recipe.dino
    changes = multicrop.Changes(s.flip, s.brightness, s.contrast, s.blur, s.solarize)
    return multicrop.MultiCrop(
        size, s.local_size or size, s.local_crops, s.global_scale, s.local_scale, changes
    )


def exporter(recipe: Recipe, classes: tuple[str, ...], model: dino.DINO):
    """A function that returns the teacher's body under a random head, in float32."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    full = models.with_probabilities(network(recipe, classes))
    body = features(full)
    keras.config.set_dtype_policy(policy)

    def export() -> keras.Model:
        body.set_weights(model.teacher_backbone.get_weights())
        return full

    return export


class Nearest(keras.callbacks.Callback):
    """Logs `nearest`: the validation accuracy of k nearest neighbours, by the teacher's features.

    In epochs between two measurements the last one is repeated; before the first it is that of the
    network as it starts.
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
        """Set `score`, and `rank`: how many directions the features use (`knn.rank`)."""
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
    """Stops when the teacher says the same of every image, twice in a row, after the warm-up.

    Both ways of collapsing end there: one output that always wins, and all outputs alike. Of the
    image they tell nothing (`information`, nats), and directions do not deviate.

    Args:
        settings: the recipe's `dino`.
        checkpoint: which keeps the history, so that a resumed run remembers the epoch before.
    """

    LEAST_INFORMATION, LEAST_DEVIATION = 0.02, 0.01

    def __init__(self, settings, checkpoint: Checkpoint):
        super().__init__()
        # Before a verdict is fair, a last layer that is to learn waits; then the centre settles.
        waits = settings.freeze if settings.freeze < settings.epochs else 0
        self.grace = int(np.ceil(max(waits, settings.warmup))) + 1
        self.checkpoint = checkpoint

    def collapsed(self, row: dict) -> bool:
        """Whether an epoch's metrics are those of collapsed outputs."""
        return (
            row["information"] < self.LEAST_INFORMATION or row["deviation"] < self.LEAST_DEVIATION
        )

    def on_epoch_end(self, epoch, logs):
        before = self.checkpoint.history[-1:]
        if epoch + 1 <= self.grace or not before or not self.collapsed(logs):
            return
        if self.collapsed(before[0]):
            raise UserError(
                f"DINO collapsed: in epochs {epoch} and {epoch + 1} the teacher says the same of "
                f"every image (information {logs['information']:.3f} nats, deviation "
                f"{logs['deviation']:.3f}, entropy {logs['entropy']:.2f} of the largest); lower "
                "dino.rate, or dino.temperature_end (entropy near 1), or set dino.balance=sinkhorn "
                "(entropy near 0), and train into another folder"
            )


class Lines(Bar):
    """The bar, then a line: loss, health of the outputs, neighbours."""

    def on_epoch_end(self, epoch, logs):
        seconds, left = self.ended(epoch)
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        logs |= {"rate": rate, "seconds": seconds, "step": float(self.model.step)}
        if not np.isfinite(logs["loss"]):
            raise UserError(f"the loss of epoch {epoch + 1} is not finite; lower dino.rate")
        console.print(
            f"epoch {epoch + 1:3d}/{self.epochs}  loss {logs['loss']:.3f}  "
            f"entropy {logs['entropy']:.2f} of {logs['spread']:.2f}  "
            f"information {logs['information']:.2f} nats  deviation {logs['deviation']:.2f}  "
            f"rank {logs['rank']:.1f}  nearest neighbours {logs['nearest']:.3f}  "
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
        folder / "neighbours.png",
    )  # fmt: skip
    plots.draw_embedding(
        knn.principal_components(found, 2), labels, manifest.classes, folder / "embedding.png"
    )
    checkpoint.summarise(recipe.name)
    return file

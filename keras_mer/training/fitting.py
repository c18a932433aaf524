"""One fold learnt and predicted: a Keras model in one compiled loop, or a machine."""

import numpy as np

from keras_mer import losses
from keras_mer.config.recipe import Recipe, Training
from keras_mer.errors import UserError
from keras_mer.models import fused_batch_norm
from keras_mer.training import optimizers, schedules
from keras_mer.training.estimators import (
    KERNEL,
    SVM,
    Answer,
    KernelMachine,
    LinearSVM,
    class_weights,
    softmax,
)


class Learner:
    """Learns fold after fold of one recipe, one seed and one set of clips.

    The clips lie inside the compiled step, and a fold is a list of row numbers: nothing is traced
    or copied again from fold to fold, and `fit` runs many steps in one call. For networks this
    small, the time between steps is otherwise longer than the steps.

    Args:
        recipe: the experiment.
        inputs: uint8 (samples, ...), as the model takes them.
        labels: class indices, (samples,).
        classes: how many there are.
        seed: of the weights, the order and the augmentation.
    """

    def __init__(
        self, recipe: Recipe, inputs: np.ndarray, labels: np.ndarray, classes: int, seed: int
    ):
        import keras

        from keras_mer import models
        from keras_mer.data.transforms import clip
        from keras_mer.training import device

        self.recipe, self.labels, self.classes, self.seed = recipe, labels, classes, seed
        settings = recipe.training
        self._weights = []  # each member's start
        for member in range(recipe.protocol.members):
            device.set_up(settings.precision, 1000 * seed + member, settings.deterministic)
            self.model = self._build()
            self._weights.append(self.model.get_weights())
        row = keras.Input((), dtype="int32", name="row")
        clips = keras.ops.convert_to_tensor(np.ascontiguousarray(inputs))
        x = keras.layers.Lambda(
            lambda rows: keras.ops.cast(keras.ops.take(clips, rows, axis=0), "float32"),
            output_shape=inputs.shape[1:],
            dtype="float32",
        )(row)
        kind = models.kind(recipe.model.get("name", "cnn"))
        for layer in clip.clip_layers(recipe.augment, kind, seed):
            x = layer(x)
        self.model = fused_batch_norm.with_fused_batch_norm(self.model)
        self._trainee = keras.Model(row, self.model(x))
        # An epoch is as many steps for every fold, so that they share one compiled step: as many
        # as batches of at most the recipe's size take, and all batches alike.
        self.epoch = -(-len(inputs) // settings.batch)
        self.batch = -(-len(inputs) // self.epoch)
        self._compile(settings)

    def _build(self):
        from keras_mer import models

        config = dict(self.recipe.model)
        return models.build(config.pop("name", "cnn"), classes=self.classes, **config)

    def _compile(self, settings: Training) -> None:
        from keras import ops

        # Keras asks for whole executions: as many epochs each as divide their number.
        peek = self.recipe.protocol.peek
        every = self.recipe.protocol.peek_every if peek else 50
        if peek and settings.epochs % every:
            raise UserError(
                f"protocol.peek_every: {every} does not divide training.epochs, {settings.epochs}"
            )
        while settings.epochs % every:
            every -= 1
        self._trainee.compile(
            optimizers.make_optimizer(
                settings.optimizer,
                schedules.learning_rate(settings, self.epoch),
                weight_decay=settings.weight_decay,
                momentum=settings.momentum,
                nesterov=True,
            ),
            losses.supervised_loss(settings),
            jit_compile=False,  # on a CPU, XLA makes these networks several times slower
            steps_per_execution=every * self.epoch,
        )
        self._trainee.optimizer.build(self._trainee.trainable_variables)
        state = [*self._trainee.variables, *self._trainee.optimizer.variables]
        self._start = [(v, ops.convert_to_numpy(v).copy()) for v in state]

    def answer(self, train: np.ndarray, test: np.ndarray) -> tuple[Answer, Answer | None]:
        """Learn the rows `train` from the start and predict the rows `test`.

        Returns:
            The answer of the last epoch and, where the recipe peeks, that of the epoch with the
            most test clips right: a number that nobody can have on clips without labels.
        """
        import keras

        peek = self.recipe.protocol.peek
        answers: list[list[np.ndarray]] = []  # of each member, the probabilities by epoch
        for member in range(len(self._weights)):
            seen: list[np.ndarray] = []
            watch = keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs, seen=seen: seen.append(self._predict(test))
            )
            self._learn(member, train, [int(r) for r in test], [watch] if peek else [])
            answers.append(seen or [self._predict(test)])
        means = [np.mean(p, axis=0) for p in zip(*answers, strict=True)]
        found = [Answer(p.argmax(1), p) for p in means]
        if not peek:
            return found[-1], None
        right = [(a.prediction == self.labels[test]).sum() for a in found]
        return found[-1], found[int(np.argmax(right))]

    def committee(self, train: np.ndarray):
        """A Keras model that learnt the rows `train`: raw pixels -> probabilities, float32."""
        import keras

        from keras_mer import models

        keras.config.set_dtype_policy("float32")
        made = []
        for member in range(len(self._weights)):
            self._learn(member, train, [], [])
            twin = self._build()
            twin.set_weights(self.model.get_weights())
            made.append(models.with_probabilities(twin))
        return models.ensemble(made)

    def _learn(self, member: int, train: np.ndarray, key: list[int], callbacks: list) -> None:
        settings = self.recipe.training
        for variable, value in self._start:
            variable.assign(value)
        self.model.set_weights(self._weights[member])
        random = np.random.default_rng([self.seed, member, *key])
        balanced = settings.imbalance == "balanced_sampling"
        count = settings.epochs * self.epoch * self.batch
        rows = draw(train, self.labels, count, random, balanced=balanced)
        weights = None
        if settings.imbalance == "class_weights":
            weights = class_weights(self.labels[train], self.classes)[self.labels[rows]]
        history = self._trainee.fit(
            rows.astype(np.int32),
            np.eye(self.classes, dtype=np.float32)[self.labels[rows]],
            sample_weight=weights,
            batch_size=self.batch,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
        if not np.isfinite(history.history["loss"]).all():
            raise UserError("the loss is not finite; lower training.rate")

    def _predict(self, rows: np.ndarray) -> np.ndarray:
        out = []
        for start in range(0, len(rows), 256):
            out.append(self._trainee.predict_on_batch(rows[start : start + 256].astype(np.int32)))
        return softmax(np.concatenate(out))


def learner(recipe: Recipe, *args) -> Learner | KernelMachine | LinearSVM:
    """The learner of the recipe's model; arguments as `Learner`'s."""
    kinds = {SVM: LinearSVM, KERNEL: KernelMachine}
    return kinds.get(recipe.model.get("name"), Learner)(recipe, *args)


def draw(
    rows: np.ndarray,
    labels: np.ndarray,
    count: int,
    random: np.random.Generator,
    *,
    balanced: bool = False,
) -> np.ndarray:
    """`count` of `rows` to learn from, in order: each once, shuffled, then each once more.

    With `balanced`, every class comes up equally often, and its rows each once before any twice.
    """

    def endless(pool: np.ndarray, length: int) -> np.ndarray:
        rounds = -(-length // len(pool))
        return np.concatenate([random.permutation(pool) for _ in range(rounds)])[:length]

    if not balanced:
        return endless(rows, count)
    present = np.unique(labels[rows])
    share = -(-count // len(present))
    streams = [endless(rows[labels[rows] == c], share) for c in present]
    turns = np.stack(streams, 1)  # one of each class in turn
    return random.permuted(turns, axis=1).ravel()[:count]

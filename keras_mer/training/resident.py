"""Fit small networks many times: the dataset lies inside the compiled step, epochs are fixed."""

import keras
import numpy as np
from keras import ops

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.data import transforms
from keras_mer.data.inputs import Samples
from keras_mer.errors import UserError
from keras_mer.models import fused_batch_norm
from keras_mer.training import device, setup
from keras_mer.training.closed_form import softmax
from keras_mer.training.phases import Phase, phases

#: Most epochs that run in one call of the compiled step.
_EPOCHS_PER_CALL = 50


class ResidentLoop:
    """Fits the networks of one recipe on one list of rows after another.

    A fold is a list of row numbers, so that nothing is traced or copied again from fold to fold,
    and one call runs many steps: for small networks, the time between steps is otherwise longer
    than the steps. Training lasts `training.epochs` epochs; nothing is selected.

    Args:
        recipe: the experiment.
        samples: the dataset.
        seeds: of each network of the ensemble: weights, order and augmentation.
    """

    def __init__(self, recipe: Recipe, samples: Samples, seeds: list[int]):
        self.recipe, self.samples, self.seeds = recipe, samples, seeds
        settings = recipe.training
        self._start_weights = []
        for seed in seeds:
            device.set_up(settings.precision, seed, settings.deterministic)
            model = setup.build_model(recipe, samples.classes)
            setup.load_start_weights(model, recipe)
            self._start_weights.append(model.get_weights())
        self.model = fused_batch_norm.with_fused_batch_norm(model)
        row = keras.Input((), dtype="int32", name="row")
        inputs = ops.convert_to_tensor(np.ascontiguousarray(samples.inputs))
        x = keras.layers.Lambda(
            lambda rows: ops.cast(ops.take(inputs, rows, axis=0), "float32"),
            output_shape=samples.inputs.shape[1:],
            dtype="float32",
        )(row)
        kind = models.kind(recipe.model)
        for layer in transforms.random_layers(recipe.augment, kind, seeds[0]):
            x = layer(x)
        self._learner = keras.Model(row, self.model(x))
        # An epoch has as many steps in every fold, so that all share one compiled step: as many
        # as batches of at most the recipe's size take, all of one size.
        self.steps = -(-len(samples) // settings.batch)
        self.batch = -(-len(samples) // self.steps)
        self._phases = phases(recipe)
        self._compiled: Phase | None = None

    def _compile(self, phase: Phase) -> None:
        if phase is not self._compiled:
            phase.freeze(self.model)
            setup.compile_phase(
                self._learner, phase, self.steps,
                steps_per_execution=self._epochs_per_call(phase) * self.steps,
            )  # fmt: skip
            optimizer = self._learner.optimizer
            optimizer.build(self._learner.trainable_variables)
            weights = {id(v) for v in self.model.weights}
            state = [v for v in self._learner.variables if id(v) not in weights]
            state += optimizer.variables
            self._state = [(v, ops.convert_to_numpy(v).copy()) for v in state]
            self._compiled = phase
        for variable, value in self._state:
            variable.assign(value)

    def _epochs_per_call(self, phase: Phase) -> int:
        """Keras runs whole calls only: as many epochs each as divide the phase's."""
        epochs, every = phase.settings.epochs, self.recipe.protocol.test_set_selection
        if every and epochs % every:
            raise UserError(
                f"protocol.test_set_selection: {every} does not divide the {epochs} epochs"
            )
        every = every or min(_EPOCHS_PER_CALL, epochs)
        while epochs % every:
            every -= 1
        return every

    def fit(
        self, member: int, train: np.ndarray, *, watch: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Fit one network of the ensemble from its start; afterwards `model` holds it.

        Args:
            member: its number.
            train: row numbers.
            watch: rows that are predicted every `protocol.test_set_selection` epochs.

        Returns:
            The probabilities of the rows `watch`, float32 (rows, classes), one array a look.

        Raises:
            UserError: when the loss is not finite.
        """
        looks: list[np.ndarray] = []
        callbacks = []
        if watch is not None:
            look = keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: looks.append(self.predict(watch))
            )
            callbacks.append(look)
        self.model.set_weights(self._start_weights[member])
        random = np.random.default_rng([self.seeds[member], *train.tolist()])
        settings, labels = self.recipe.training, self.samples.labels
        weights = setup.class_weights(self.recipe, self.samples.targets[train])
        for phase in self._phases:
            self._compile(phase)
            rows = draw(
                train, labels, phase.settings.epochs * self.steps * self.batch, random,
                balanced=settings.imbalance == "balanced_sampling",
            )  # fmt: skip
            targets = self.samples.targets[rows]
            history = self._learner.fit(
                rows.astype(np.int32),
                targets,
                sample_weight=None if weights is None else targets @ weights,
                batch_size=self.batch,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )
            if not np.isfinite(history.history["loss"]).all():
                raise UserError("the loss is not finite; lower training.rate")
        return looks

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities of the current weights, float32 (rows, classes)."""
        parts = [rows[i : i + 256].astype(np.int32) for i in range(0, len(rows), 256)]
        return softmax(np.concatenate([self._learner.predict_on_batch(part) for part in parts]))


def draw(
    rows: np.ndarray,
    labels: np.ndarray,
    count: int,
    random: np.random.Generator,
    *,
    balanced: bool = False,
) -> np.ndarray:
    """`count` of `rows` in training order: all of them shuffled, then all shuffled again, ...

    Args:
        rows: row numbers to draw from.
        labels: class indices of the dataset, (samples,).
        count: how many to draw.
        random: the generator.
        balanced: every class equally often; within a class each row once before any twice.

    Returns:
        int64 (count,).
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

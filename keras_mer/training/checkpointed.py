"""Fit one network in a run folder: selected on validation rows, resumable after every epoch."""

from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.data import pipeline
from keras_mer.data.inputs import Samples
from keras_mer.errors import UserError
from keras_mer.evaluation import report
from keras_mer.progress import console
from keras_mer.training import device, setup
from keras_mer.training.averaging import WeightAverage
from keras_mer.training.callbacks import EpochLog, monitor_callbacks
from keras_mer.training.checkpoint import Checkpoint
from keras_mer.training.keras_metrics import UnweightedRecall
from keras_mer.training.phases import Phase, phases
from keras_mer.training.setup import TrainingSetup


def fit(
    recipe: Recipe,
    samples: Samples,
    train: np.ndarray,
    validation: np.ndarray,
    folder: Path,
    *,
    seed: int,
    setup: TrainingSetup,
) -> Path:
    """Train the recipe's model on the rows `train`, and keep the best epoch on `validation`.

    A folder that holds a checkpoint is taken up from there.

    Args:
        recipe: the experiment.
        samples: the dataset.
        train, validation: row numbers.
        folder: for the checkpoint, `model.keras` (best epoch, float32, probabilities),
            `history.csv`, `curves.png` and `summary.json`.
        seed: of weights, order and augmentation.
        setup: wraps the model during training.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: when the loss is not finite, TensorBoard is asked for and not installed, and as
            `phases`.
    """
    return _Fit(recipe, samples, train, validation, folder, seed, setup).run()


class _Fit:
    def __init__(self, recipe, samples, train, validation, folder, seed, wrapper):
        self.recipe, self.samples, self.settings = recipe, samples, recipe.training
        self.train, self.validation, self.folder, self.seed = train, validation, folder, seed
        self.wrapper = wrapper
        if self.settings.tensorboard and find_spec("tensorboard") is None:
            raise UserError(
                f"{recipe.name}: training.tensorboard=true needs the package tensorboard; "
                "install it (pip install tensorboard), or leave it at false"
            )
        device.set_up(self.settings.precision, seed, self.settings.deterministic)
        self.model = setup.build_model(recipe, samples.classes)
        self.steps = max(1, len(train) // self.settings.batch)
        self.monitor = f"val_{self.settings.monitor}"
        self.mode = "min" if self.settings.monitor == "loss" else "max"
        decay = self.settings.average
        self.average = WeightAverage(self.model, decay) if decay else None
        export = setup.exporter(recipe, samples.classes, self.model, self.average)
        self.checkpoint = Checkpoint(folder, self.monitor, self.mode, export, average=self.average)
        self.phases = phases(recipe)

    def run(self) -> Path:
        done = self.checkpoint.read()
        total = self.phases[-1].end
        console.print(
            f"{self.recipe.name}: {self.model.name}, {self.model.count_params():,} parameters, "
            f"{keras.config.dtype_policy().name}; {len(self.train):,} training and "
            f"{len(self.validation):,} validation samples; epoch {done + 1} of {total}"
        )
        if not done and (line := setup.load_start_weights(self.model, self.recipe)):
            console.print(line)
        learner = self.wrapper.wrap_model(self.model)
        restored = not done
        for number, phase in enumerate(self.phases, 1):
            if done >= phase.end and phase is not self.phases[-1]:
                continue
            phase.freeze(self.model)
            if not restored and done == phase.start:
                # The checkpoint's optimizer is the last phase's: take the weights alone.
                self.checkpoint.restore(learner)
                restored = True
            metrics = ["accuracy", UnweightedRecall(len(self.samples.classes))]
            setup.compile_phase(learner, phase, self.steps, metrics=metrics)
            self.checkpoint.others = monitor_callbacks(phase.settings, self.monitor, self.mode)
            if not restored:
                self.checkpoint.restore(learner)
                restored = True
            waited = phase.epochs_since_best(
                self.checkpoint.history, self.monitor, self.checkpoint.sign
            )
            if done < phase.end and not 0 < phase.settings.patience <= waited:
                self._fit_phase(learner, phase, number, done)
                done = self.checkpoint.epoch
        return self._finish()

    def _fit_phase(self, learner: keras.Model, phase: Phase, number: int, done: int) -> None:
        log = EpochLog(self.phases[-1].end, self.steps, number if len(self.phases) > 1 else None)
        callbacks = [*self.checkpoint.others, log, self.checkpoint]
        if self.average:
            callbacks.insert(0, self.average)
        if self.settings.tensorboard:
            callbacks.insert(0, keras.callbacks.TensorBoard(self.folder / "tensorboard"))
        learner.fit(
            pipeline.training_batches(
                self.samples,
                self.train,
                self.settings.batch,
                kind=models.kind(self.recipe.model),
                augment=self.recipe.augment,
                class_weights=setup.class_weights(self.recipe, self.samples.targets[self.train]),
                balanced=self.settings.imbalance == "balanced_sampling",
                teacher_logits=self.wrapper.teacher_logits,
                # A restart draws other numbers than the epochs already done.
                seed=self.seed + 1000 * done,
                deterministic=self.settings.deterministic,
            ),
            steps_per_epoch=self.steps,
            validation_data=pipeline.batches(self.samples, self.validation, self.settings.batch),
            initial_epoch=done,
            epochs=phase.end,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        )

    def _finish(self) -> Path:
        checkpoint, order = self.checkpoint, self.phases
        file = checkpoint.publish()
        best = checkpoint.best["epoch"]
        report.draw_curves(checkpoint.history, self.folder / "curves.png", best=best)
        more = {}
        if len(order) > 1:
            rows = checkpoint.history
            more["phases"] = {p.name: checkpoint.best_of(rows[p.start : p.end]) for p in order}
        checkpoint.write_summary(self.recipe.name, **more)
        return file

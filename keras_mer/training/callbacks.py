"""What watches a training run from epoch to epoch; `keras_mer.training.checkpoint` keeps it."""

import time

import keras
import numpy as np

from keras_mer.config.recipe import Training
from keras_mer.errors import UserError
from keras_mer.progress import bar, console


def counting_callbacks(settings: Training, monitor: str, mode: str) -> list:
    """Plateau schedule and early stopping, where the settings ask for them."""
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


class Bar(keras.callbacks.Callback):
    """A bar over each epoch's batches.

    Args:
        epochs: in all.
        steps: batches an epoch.
    """

    def __init__(self, epochs: int, steps: int):
        super().__init__()
        self.epochs, self.steps, self.times = epochs, steps, []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()
        self.bar = bar()
        self.bar.start()
        self.task = self.bar.add_task(f"Epoch {epoch + 1}/{self.epochs}", total=self.steps)

    def on_train_batch_end(self, batch, logs=None):
        self.bar.advance(self.task)

    def ended(self, epoch: int) -> tuple[float, float]:
        """Take the bar away; the seconds of this epoch, and the minutes left in all."""
        self.bar.stop()
        seconds = time.time() - self.start
        self.times.append(seconds)
        return seconds, float(np.median(self.times)) * (self.epochs - epoch - 1) / 60


class Epochs(Bar):
    """The bar, then a line: metrics, rate, and the time left in all.

    Args:
        epochs: in all phases together.
        steps: batches an epoch.
        phase: the number of the phase, logged with every epoch; None where there is only one.
    """

    def __init__(self, epochs: int, steps: int, phase: int | None = None):
        super().__init__(epochs, steps)
        self.phase = phase

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs):
        seconds, left = self.ended(epoch)
        logs |= {"rate": self.rate, "seconds": seconds}
        if self.phase is not None:
            logs["phase"] = self.phase
        if not all(np.isfinite(logs[name]) for name in ("loss", "val_loss")):
            raise UserError(
                f"the loss of epoch {epoch + 1} is not finite (loss {logs['loss']}, validation "
                f"{logs['val_loss']}); lower training.rate, or use precision float32"
            )
        console.print(
            f"epoch {epoch + 1:3d}/{self.epochs}  loss {logs['loss']:.3f}  "
            f"accuracy {logs['accuracy']:.3f}  validation: loss {logs['val_loss']:.3f}  "
            f"accuracy {logs['val_accuracy']:.3f}  uar {logs['val_uar']:.3f}  "
            f"rate {self.rate:.2g}  {seconds:.0f} s, {left:.1f} min left"
        )

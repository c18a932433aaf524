"""Progress and early-stopping callbacks; checkpoints are in `keras_mer.training.checkpoint`."""

import time

import keras
import numpy as np

from keras_mer.config.recipe import Training
from keras_mer.errors import UserError
from keras_mer.progress import bar, console


def monitor_callbacks(settings: Training, monitor: str, mode: str) -> list:
    """ReduceLROnPlateau and EarlyStopping, as the settings request them.

    Args:
        settings: of the phase.
        monitor: the logged metric, e.g. "val_accuracy".
        mode: "max" or "min".
    """
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


class ProgressBar(keras.callbacks.Callback):
    """A progress bar over the batches of each epoch.

    Args:
        epochs: total number of epochs.
        steps: batches per epoch.
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

    def finish(self, epoch: int) -> tuple[float, float]:
        """Remove the bar; returns the seconds of this epoch and the minutes left in total."""
        self.bar.stop()
        seconds = time.time() - self.start
        self.times.append(seconds)
        return seconds, float(np.median(self.times)) * (self.epochs - epoch - 1) / 60


class EpochLog(ProgressBar):
    """A progress bar, and a line per epoch with metrics, learning rate and remaining time.

    Args:
        epochs: total number of epochs of all phases.
        steps: batches per epoch.
        phase: number of the phase, logged with every epoch; None if there is only one.
    """

    def __init__(self, epochs: int, steps: int, phase: int | None = None):
        super().__init__(epochs, steps)
        self.phase = phase

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs):
        seconds, left = self.finish(epoch)
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

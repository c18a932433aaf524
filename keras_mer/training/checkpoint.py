"""Checkpoints: an interrupted run resumes after its last complete epoch."""

import csv
import json
import math
import os
import shutil
from pathlib import Path

import keras

from keras_mer.errors import UserError
from keras_mer.files import replacing, require_space, write_json

# State of Keras's ReduceLROnPlateau and EarlyStopping, which they reset when training starts.
_COUNTERS = ("wait", "best", "best_epoch", "cooldown_counter")
# Earlier names of columns in the history of runs that may be resumed.
_RENAMED = {"spread": "mean_output_entropy"}


class Checkpoint(keras.callbacks.Callback):
    """Saves the state of training after each epoch, in a folder that is written atomically.

    ``checkpoint-NNNN/`` holds the weights and the optimizer state (`state.weights.h5`), the model
    with the best score so far (`best.keras`, float32, with probabilities) and `state.json`: the
    history and the counters of `others` (plateau, early stopping). Only the newest is kept.

    Args:
        folder: the run's folder.
        monitor: the logged metric that selects the best epoch.
        mode: "max" or "min".
        export: function without arguments that returns the model to save as the best one.
        others: callbacks whose counters are saved and restored; they must run before this one.
        average: the moving average of the weights, saved and restored with them; or None.
    """

    def __init__(self, folder, monitor, mode, export, others=(), average=None):
        super().__init__()
        self.folder, self.monitor, self.export = Path(folder), monitor, export
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sign = 1 if mode == "max" else -1
        self.others, self.average = list(others), average
        self.history: list[dict] = []
        self._counters: list[dict] = []

    @property
    def epoch(self) -> int:
        """Number of completed epochs."""
        return len(self.history)

    @property
    def best(self) -> dict | None:
        """The history's row with the best monitored score; the first one of equals."""
        return self.best_of(self.history)

    def best_of(self, rows: list[dict]) -> dict | None:
        """The row with the best monitored score among `rows`, or None."""
        return max(rows, key=lambda row: self.sign * row[self.monitor], default=None)

    def latest(self) -> Path | None:
        """The newest checkpoint, or None."""
        return max(self.folder.glob("checkpoint-[0-9]*"), default=None)

    def read(self) -> int:
        """Read the history of the newest checkpoint; returns the number of completed epochs."""
        latest = self.latest()
        if latest is not None:
            self.history = _read_state(latest)["history"]
        return self.epoch

    def restore(self, model: keras.Model) -> int:
        """Load the newest checkpoint into `model`; returns the number of completed epochs.

        A compiled model also gets the optimizer state, and `others` their counters. For a model
        that is not compiled only the weights are loaded: the next phase has a new optimizer.

        Raises:
            UserError: if its weights do not fit the model.
        """
        latest = self.latest()
        if latest is None:
            return 0
        state = _read_state(latest)
        self.history = state["history"]
        if model.compiled:
            self._counters = state["counters"]
            model.optimizer.build(model.trainable_variables)
        try:
            model.load_weights(latest / "state.weights.h5")
        except (ValueError, OSError, KeyError) as error:
            raise UserError(
                f"{latest}: its weights do not fit this model ({str(error).splitlines()[0]}); "
                "train into another folder, or remove this one"
            ) from None
        if self.average:
            self.average.restore(latest)
        return self.epoch

    def on_train_begin(self, logs=None):
        for other, counters in zip(self.others, self._counters, strict=False):
            for name, value in counters.items():
                setattr(other, name, value)
        self._counters = []  # they belong to this phase only

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1} | {name: float(value) for name, value in (logs or {}).items()}
        previous, before = self.latest(), self.best
        self.history = [*self.history, row]
        # State and best model at 4 bytes per number, and a megabyte for the rest.
        copies = 3 if self.average else 2
        numbers = copies * self.model.count_params() + sum(
            math.prod(v.shape) for v in self.model.optimizer.variables
        )
        require_space(self.folder, 4 * numbers + 1_000_000)
        with replacing(self.folder / f"checkpoint-{epoch + 1:04d}") as temporary:
            temporary.mkdir()
            self.model.save_weights(temporary / "state.weights.h5")
            if self.average:
                self.average.save(temporary)
            if before is None or self.best is not before:
                self.export().save(temporary / "best.keras")
            else:
                os.link(previous / "best.keras", temporary / "best.keras")
            state = {"history": self.history, "counters": [_counters(o) for o in self.others]}
            (temporary / "state.json").write_text(json.dumps(state))
        if previous is not None and previous != self.latest():
            shutil.rmtree(previous)
        write_history(self.folder / "history.csv", self.history)

    def publish(self) -> Path:
        """Copy the best epoch's model to the run's `model.keras`; returns its path."""
        file = self.folder / "model.keras"
        with replacing(file) as temporary:
            shutil.copyfile(self.latest() / "best.keras", temporary)
        return file

    def write_summary(self, recipe: str, **more) -> None:
        """Write the run's `summary.json`: recipe, epochs, seconds, the best epoch, and `more`."""
        seconds = round(sum(row["seconds"] for row in self.history))
        found = {"recipe": recipe, "epochs": self.epoch, "seconds": seconds, "best": self.best}
        write_json(self.folder / "summary.json", found | more)


def _read_state(checkpoint: Path) -> dict:
    state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    rows = [{_RENAMED.get(k, k): v for k, v in row.items()} for row in state["history"]]
    return state | {"history": rows}


def _counters(callback: keras.callbacks.Callback) -> dict:
    values = {name: getattr(callback, name, None) for name in _COUNTERS}
    return {
        name: float(v) if name == "best" else int(v) for name, v in values.items() if v is not None
    }


def write_history(path: str | os.PathLike, history: list[dict]) -> None:
    """Write the history as CSV, a row per epoch: epoch, rate, seconds and all metrics."""
    with replacing(path) as temporary, temporary.open("w", newline="") as f:
        writer = csv.DictWriter(f, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in history)

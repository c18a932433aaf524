"""The phases of a run: the head alone on a frozen body, then what the recipe lets learn."""

from dataclasses import dataclass

import keras

from keras_mer.config.recipe import Recipe, Training
from keras_mer.errors import UserError
from keras_mer.models import layer_freezing


@dataclass(frozen=True)
class Phase:
    """Epochs that share an optimiser and the layers that learn.

    Attributes:
        name: ``"extract"`` (the head alone) or ``"tune"`` (what `transfer.unfreeze` says).
        start, end: epochs done before it, and after it, counted through the whole run.
        settings: rate, schedule and the rest; `epochs` are the phase's own.
        unfreeze, batch_norm: see `freezing.freeze`.
    """

    name: str
    start: int
    end: int
    settings: Training
    unfreeze: int | str
    batch_norm: bool

    def freeze(self, model: keras.Model) -> None:
        """Let the phase's layers learn; compile the model afterwards."""
        layer_freezing.freeze(model, self.unfreeze, self.batch_norm)

    def waited(self, history: list[dict], monitor: str, sign: int) -> int:
        """Epochs of the phase since its best one, the first among equals."""
        own = history[self.start :]
        best = max(own, key=lambda row: sign * row[monitor], default=None)
        return own[-1]["epoch"] - best["epoch"] if best else 0


def phases(recipe: Recipe) -> list[Phase]:
    """One phase, or two where `transfer.epochs` asks for feature extraction first.

    Raises:
        UserError: when neither has an epoch.
    """
    transfer, settings = recipe.transfer, recipe.training
    first = transfer.epochs
    if not first and not settings.epochs:
        raise UserError(f"{recipe.name}: training.epochs is 0, there is nothing to train")
    made = []
    if first:
        # Without early stopping: a short phase whose end has to be known beforehand.
        own = settings.model_copy(
            update={"epochs": first, "rate": transfer.rate, "warmup": 0.0, "patience": 0}
        )
        made.append(Phase("extract", 0, first, own, 0, False))
    if settings.epochs:
        # A network that starts from random weights needs its BatchNorm to learn.
        batch_norm = transfer.batch_norm or transfer.weights == "none"
        end = first + settings.epochs
        made.append(Phase("tune", first, end, settings, transfer.unfreeze, batch_norm))
    return made

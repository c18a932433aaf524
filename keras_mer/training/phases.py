"""Training phases of a run: feature extraction with a frozen body, then fine-tuning."""

from dataclasses import dataclass

import keras

from keras_mer.config.recipe import Recipe, Training
from keras_mer.errors import UserError
from keras_mer.models import layer_freezing


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs with one optimizer and one set of trainable layers.

    Attributes:
        name: ``"extract"`` (only the head is trained) or ``"tune"`` (as `transfer.unfreeze` says).
        start, end: number of epochs completed in the whole run before and after the phase.
        settings: training settings; `epochs` is the length of this phase.
        unfreeze, batch_norm: see `layer_freezing.freeze`.
    """

    name: str
    start: int
    end: int
    settings: Training
    unfreeze: int | str
    batch_norm: bool

    def freeze(self, model: keras.Model) -> None:
        """Make the phase's layers trainable; compile the model afterwards."""
        layer_freezing.freeze(model, self.unfreeze, self.batch_norm)

    def epochs_since_best(self, history: list[dict], monitor: str, sign: int) -> int:
        """Number of epochs of this phase after its best epoch (the first one of equals)."""
        own = history[self.start :]
        best = max(own, key=lambda row: sign * row[monitor], default=None)
        return own[-1]["epoch"] - best["epoch"] if best else 0


def phases(recipe: Recipe) -> list[Phase]:
    """The recipe's phases: one, or two if `transfer.epochs` requests feature extraction first.

    Raises:
        UserError: when neither has an epoch.
    """
    transfer, settings = recipe.transfer, recipe.training
    first = transfer.epochs
    if not first and not settings.epochs:
        raise UserError(f"{recipe.name}: training.epochs is 0, there is nothing to train")
    made = []
    if first:
        # Without early stopping: the start of the next phase must be known in advance.
        own = settings.model_copy(
            update={"epochs": first, "rate": transfer.rate, "warmup": 0.0, "patience": 0}
        )
        made.append(Phase("extract", 0, first, own, 0, False))
    if settings.epochs:
        # With random weights, BatchNorm must be trained.
        batch_norm = transfer.batch_norm or transfer.weights == "none"
        end = first + settings.epochs
        made.append(Phase("tune", first, end, settings, transfer.unfreeze, batch_norm))
    return made

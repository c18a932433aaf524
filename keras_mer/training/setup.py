"""What every gradient-descent training of a recipe shares: model, start weights, compilation."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from keras_mer import losses, models
from keras_mer.config.recipe import Recipe
from keras_mer.data.pipeline import balanced_class_weights
from keras_mer.training import optimizers, pretrained, schedules
from keras_mer.training.averaging import WeightAverage
from keras_mer.training.phases import Phase


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """Optional wrapper model and precomputed teacher logits.

    Attributes:
        wrap_model: from the model with logits to the model that is fitted and trains it.
        input_shape: of one training sample, where it is not the model's own.
        teacher_logits: float32 (training rows, teachers, classes), or None.
    """

    wrap_model: Callable[[keras.Model], keras.Model] = lambda model: model
    input_shape: tuple[int, ...] | None = None
    teacher_logits: np.ndarray | None = None


def build_model(recipe: Recipe, classes: tuple[str, ...]) -> keras.Model:
    """The recipe's model with logits, under the current dtype policy."""
    config = dict(recipe.model)
    return models.build(config.pop("name", models.DEFAULT), classes=len(classes), **config)


def load_start_weights(model: keras.Model, recipe: Recipe) -> str:
    """Load `transfer.weights` into a new model; returns a line about it, "" where there are none.

    Raises:
        UserError: when they cannot be read or do not fit.
    """
    transfer = recipe.transfer
    if transfer.weights == "none":
        return ""
    return pretrained.load(model, transfer.weights, recipe.model, head=transfer.head)


def compile_phase(learner: keras.Model, phase: Phase, steps: int, **options) -> None:
    """Compile a model with the optimizer and the loss of a phase.

    Args:
        learner: the model that is fitted.
        phase: whose rate, schedule and loss settings apply.
        steps: batches an epoch.
        options: further arguments of `keras.Model.compile`.
    """
    settings = phase.settings
    learner.compile(
        optimizer=optimizers.make_optimizer(
            settings.optimizer,
            schedules.learning_rate(settings, steps),
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
            nesterov=True,
        ),
        loss=losses.supervised_loss(settings),
        jit_compile=False,  # on a CPU, XLA makes these networks several times slower
        **options,
    )


def class_weights(recipe: Recipe, targets: np.ndarray) -> np.ndarray | None:
    """Float32 (classes,) where the recipe asks for class weights, else None.

    Args:
        recipe: the experiment.
        targets: of the training rows, float32 (rows, classes).
    """
    if recipe.training.imbalance != "class_weights":
        return None
    return balanced_class_weights(targets)


def exporter(
    recipe: Recipe,
    classes: tuple[str, ...],
    model: keras.Model,
    average: WeightAverage | None = None,
):
    """A function that returns `model`'s current weights in a float32 model with probabilities.

    A model of a mixed dtype policy does not convert to TFLite's builtin operators. With `average`
    it returns the averaged weights instead.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    float32 = build_model(recipe, classes)
    full = models.with_probabilities(float32)
    keras.config.set_dtype_policy(policy)

    def export() -> keras.Model:
        float32.set_weights(average.weights if average else model.get_weights())
        return full

    return export

"""Fitted without a gradient: a kernel machine in closed form, and a linear SVM."""

from dataclasses import dataclass

import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.errors import UserError

SVM, KERNEL = "svm", "flow_kernel"


@dataclass(frozen=True, eq=False)
class Answer:
    """What a fold's test clips were taken for.

    Attributes:
        prediction: class indices, int64 (samples,).
        probabilities: float32 (samples, classes); of the SVM, the softmax of its margins.
    """

    prediction: np.ndarray
    probabilities: np.ndarray


class KernelMachine:
    """Kernel ridge regression: the least squares of `flow_kernel`, whose anchors are the clips.

    The optimum has a closed form, so that nothing is random, nothing depends on epochs or rates,
    and a fold takes milliseconds: enough of them to choose `reach`, `smooth` and `ridge` inside
    every fold. `recipe.model` is `flow_kernel`'s but for `anchors`, and `ridge`: how much the
    weights are held down. Unless `training.imbalance` is none, classes weigh alike.
    """

    #: The target of a clip's own class; the others' is its negative. Scores are taken as logits.
    TARGET = 2.0

    def __init__(
        self, recipe: Recipe, inputs: np.ndarray, labels: np.ndarray, classes: int, seed: int
    ):
        import keras

        from keras_mer import models
        from keras_mer.data.transforms.clip import mirror_flow

        self.config = {k: v for k, v in recipe.model.items() if k not in ("name", "ridge")}
        self.ridge = float(recipe.model.get("ridge", 0.1))
        self.labels, self.classes = labels, classes
        self.weigh = recipe.training.imbalance != "none"
        if "anchors" in self.config:
            raise UserError(f"model '{KERNEL}': the anchors are the clips that are learnt")
        keras.config.set_dtype_policy("float32")
        model = models.build(KERNEL, classes=classes, anchors=1, **self.config)
        options = models.defaults(KERNEL) | self.config
        self.reach = options["reach"]
        standardise, body = model.get_layer("standardise"), model.get_layer("body")
        features = keras.Model(body.input, body.get_layer("features").output)

        def describe(images) -> np.ndarray:
            parts = [images[i : i + 256] for i in range(0, len(images), 256)]
            made = [features(standardise(part), training=False) for part in parts]
            return np.concatenate([keras.ops.convert_to_numpy(m) for m in made])

        images = inputs.astype(np.float32)
        self.features = describe(images)
        self._alike = self._nearness(self.features, self.features)
        if options["mirror"]:  # mirrored clip against clip, as the model's own mean has it
            mirrored = describe(np.asarray(mirror_flow(images)))
            self._alike = (self._alike + self._nearness(mirrored, self.features)) / 2

    def _nearness(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(2 * self.reach * (a.astype(np.float64) @ b.T.astype(np.float64) - 1))

    def _solve(self, train: np.ndarray) -> np.ndarray:
        truth = np.full((len(train), self.classes), -self.TARGET)
        truth[np.arange(len(train)), self.labels[train]] = self.TARGET
        weights = np.ones(self.classes)
        if self.weigh:
            weights = class_weights(self.labels[train], self.classes)
        held = np.diag(self.ridge / weights[self.labels[train]])
        return np.linalg.solve(self._alike[np.ix_(train, train)] + held, truth)

    def answer(self, train: np.ndarray, test: np.ndarray) -> tuple[Answer, None]:
        """Learn the rows `train` and predict the rows `test`."""
        scores = self._alike[np.ix_(test, train)] @ self._solve(train)
        return Answer(scores.argmax(1), softmax(scores)), None

    def committee(self, train: np.ndarray):
        """A Keras model that learnt the rows `train`: raw pixels -> probabilities, float32."""
        import keras

        from keras_mer import models

        keras.config.set_dtype_policy("float32")
        model = models.build(KERNEL, classes=self.classes, anchors=len(train), **self.config)
        body, solved = model.get_layer("body"), self._solve(train)
        body.get_layer("anchors").set_weights(
            [2 * self.reach * self.features[train].T, np.full(len(train), -2 * self.reach)]
        )
        body.get_layer("logits").set_weights([solved, np.zeros(self.classes)])
        return models.with_probabilities(model)


class LinearSVM:
    """The floor: a linear SVM on standardised pixels, classes weighed alike, nothing tuned.

    One against one with hinge loss (scikit-learn's SVC). `recipe.model` may set ``C``.
    """

    def __init__(
        self, recipe: Recipe, inputs: np.ndarray, labels: np.ndarray, classes: int, seed: int
    ):
        self.pixels = inputs.reshape(len(inputs), -1).astype(np.float32)
        self.labels, self.classes = labels, classes
        options = {k: v for k, v in recipe.model.items() if k not in ("name", "size", "channels")}
        self.c = options.pop("C", 1e-3)
        if options:
            raise UserError(f"model 'svm' has no argument '{next(iter(options))}'; it has: C")

    def answer(self, train: np.ndarray, test: np.ndarray) -> tuple[Answer, None]:
        """Learn the rows `train` and predict the rows `test`."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        machine = make_pipeline(
            StandardScaler(), SVC(kernel="linear", C=self.c, class_weight="balanced")
        ).fit(self.pixels[train], self.labels[train])
        scores = np.full((len(test), self.classes), -np.inf)
        known = machine.classes_
        margins = machine.decision_function(self.pixels[test])
        scores[:, known] = np.stack([-margins, margins], 1) if len(known) == 2 else margins
        return Answer(machine.predict(self.pixels[test]), softmax(scores)), None


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities, float32 (samples, classes), of scores of that shape."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Float32 (classes,): samples / (classes x samples of the class); 0 for a class without one."""
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts, len(labels) / (classes * np.maximum(counts, 1)), 0).astype(np.float32)

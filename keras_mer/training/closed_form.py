"""Estimators without gradient descent: kernel and linear ridge regression, a linear SVM."""

from pathlib import Path

import keras
import numpy as np

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.data import transforms
from keras_mer.data.inputs import Samples
from keras_mer.data.pipeline import balanced_class_weights
from keras_mer.errors import UserError
from keras_mer.models.linear_svm import OneVersusOneScores


class KernelRidge:
    """Kernel ridge regression: the least-squares weights of the model `flow_kernel`.

    The anchors of the model are the training samples. The optimum has a closed form, so nothing is
    random and a fold takes milliseconds. Unless `training.imbalance` is none, classes have equal
    total weight.

    Args:
        recipe: `model` holds the arguments of `flow_kernel` but `anchors`, and `ridge`, the
            strength of the regularization.
        samples: the dataset.
        seed: not used.
    """

    #: The registered model that is fitted.
    MODEL = "flow_kernel"
    #: The target of a sample's own class; that of the others is its negative.
    TARGET = 2.0

    def __init__(self, recipe: Recipe, samples: Samples, *, seed: int = 0):
        self.samples = samples
        self.config = {k: v for k, v in recipe.model.items() if k != "name"}
        self.weigh = recipe.training.imbalance != "none"
        if "anchors" in self.config:
            raise UserError("model.anchors: the anchors are the training samples; leave it out")
        keras.config.set_dtype_policy("float32")
        models.check_arguments(self.MODEL, self.config)
        self.options = models.defaults(self.MODEL) | self.config
        model = self._build(1)
        standardise, body = model.get_layer("standardise"), model.get_layer("body")
        features = keras.Model(body.input, body.get_layer("features").output)

        def embed(images: np.ndarray) -> np.ndarray:
            parts = [images[i : i + 256].astype(np.float32) for i in range(0, len(images), 256)]
            made = [features(standardise(part), training=False) for part in parts]
            return np.concatenate([keras.ops.convert_to_numpy(m) for m in made])

        self.features = embed(samples.inputs)
        self._kernel = self._between(self.features, self.features)
        if self.options["mirror"]:  # as in the model: the mean over a sample and its mirror image
            mirrored = embed(transforms.mirror(np.asarray(samples.inputs), "flow"))
            self._kernel = (self._kernel + self._between(mirrored, self.features)) / 2

    def _build(self, anchors: int) -> keras.Model:
        classes = len(self.samples.classes)
        return models.build(self.MODEL, classes=classes, anchors=anchors, **self.config)

    def _between(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The kernel of every row of `a` and every row of `b`."""
        reach = self.options["reach"]
        return np.exp(2 * reach * (a.astype(np.float64) @ b.T.astype(np.float64) - 1))

    def fit(
        self,
        train: np.ndarray,
        validation: np.ndarray | None = None,
        folder: Path | None = None,
    ) -> None:
        """Solve for the weights of the rows `train`; see `estimators.Estimator`."""
        targets = self.TARGET * (2.0 * self.samples.targets[train].astype(np.float64) - 1)
        ridge = np.full(len(train), self.options["ridge"])
        if self.weigh:
            ridge /= self.samples.targets[train] @ balanced_class_weights(
                self.samples.targets[train]
            )
        kernel = self._kernel[np.ix_(train, train)] + np.diag(ridge)
        self._train, self._weights = train, np.linalg.solve(kernel, targets)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (rows, classes)."""
        return softmax(self._kernel[np.ix_(rows, self._train)] @ self._weights)

    def to_keras(self) -> keras.Model:
        """The fitted model: raw pixels -> probabilities, float32."""
        keras.config.set_dtype_policy("float32")
        model = self._build(len(self._train))
        self._set_weights(model.get_layer("body"), self.features[self._train])
        return models.with_probabilities(model)

    def _set_weights(self, body: keras.Model, features: np.ndarray) -> None:
        reach = self.options["reach"]
        body.get_layer("anchors").set_weights(
            [2 * reach * features.T, np.full(len(features), -2 * reach)]
        )
        body.get_layer("logits").set_weights([self._weights, np.zeros(self._weights.shape[1])])


class LinearRidge(KernelRidge):
    """Ridge regression: the least-squares weights of the model `flow_linear`.

    Solved in the space of the samples, of which there are fewer than features: kernel ridge
    regression with the scalar product as its kernel. Arguments and weighting as there.
    """

    MODEL = "flow_linear"

    def _build(self, anchors: int) -> keras.Model:
        return models.build(self.MODEL, classes=len(self.samples.classes), **self.config)

    def _between(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a.astype(np.float64) @ b.T.astype(np.float64)

    def _set_weights(self, body: keras.Model, features: np.ndarray) -> None:
        weights = features.T @ self._weights
        body.get_layer("logits").set_weights([weights, np.zeros(weights.shape[1])])


class LinearSVM:
    """A linear SVM on standardized pixels, one against one, classes weighted equally.

    scikit-learn's SVC; `to_keras` folds the standardization into the weights of
    `models.linear_svm`.

    Args:
        recipe: `model` may set ``C``.
        samples: the dataset.
        seed: not used.
    """

    def __init__(self, recipe: Recipe, samples: Samples, *, seed: int = 0):
        self.samples = samples
        self.config = {k: v for k, v in recipe.model.items() if k != "name"}
        models.check_arguments("svm", self.config)
        self.penalty = (models.defaults("svm") | self.config)["C"]
        self.pixels = np.asarray(samples.inputs).reshape(len(samples), -1).astype(np.float32)

    def fit(
        self,
        train: np.ndarray,
        validation: np.ndarray | None = None,
        folder: Path | None = None,
    ) -> None:
        """Fit the rows `train`; see `estimators.Estimator`.

        Raises:
            UserError: when a class has no row among them.
        """
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        labels, classes = self.samples.labels[train], self.samples.classes
        missing = [name for i, name in enumerate(classes) if i not in labels]
        if missing:
            raise UserError(f"model svm: no training sample of {', '.join(missing)}")
        self._scaler = StandardScaler().fit(self.pixels[train])
        self._svm = SVC(
            kernel="linear", C=self.penalty, class_weight="balanced", decision_function_shape="ovo"
        ).fit(self._scaler.transform(self.pixels[train]), labels)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (rows, classes): the softmax of the scores."""
        decisions = self._svm.decision_function(self._scaler.transform(self.pixels[rows]))
        if decisions.ndim == 1:  # of two classes, positive for the second
            decisions = -decisions[:, np.newaxis]
        scores = OneVersusOneScores(len(self.samples.classes), dtype="float32")(decisions)
        return softmax(keras.ops.convert_to_numpy(scores))

    def to_keras(self) -> keras.Model:
        """The fitted model: raw pixels -> probabilities, float32."""
        keras.config.set_dtype_policy("float32")
        model = models.build("svm", classes=len(self.samples.classes), **self.config)
        kernel = self._svm.coef_.T.astype(np.float64) / self._scaler.scale_[:, np.newaxis]
        bias = self._svm.intercept_ - self._scaler.mean_ @ kernel
        if len(self.samples.classes) == 2:
            kernel, bias = -kernel, -bias
        model.get_layer("decisions").set_weights([kernel, bias])
        return models.with_probabilities(model)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities, float32 (samples, classes), of scores of that shape."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)

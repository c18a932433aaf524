"""One fold learnt and predicted: a Keras model in one compiled loop, a kernel machine, an SVM."""

from dataclasses import dataclass

import numpy as np

from keras_mer.errors import UserError
from keras_mer.recipe import Recipe, Training

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


class Learner:
    """Learns fold after fold of one recipe, one seed and one set of clips.

    The clips lie inside the compiled step, and a fold is a list of row numbers: nothing is traced
    or copied again from fold to fold, and `fit` runs many steps in one call. For networks this
    small, the time between steps is otherwise longer than the steps.

    Args:
        recipe: the experiment.
        inputs: uint8 (samples, ...), as the model takes them.
        labels: class indices, (samples,).
        classes: how many there are.
        seed: of the weights, the order and the augmentation.
    """

    def __init__(
        self, recipe: Recipe, inputs: np.ndarray, labels: np.ndarray, classes: int, seed: int
    ):
        import keras

        from keras_mer import device, models
        from keras_mer.data import clip_augment

        self.recipe, self.labels, self.classes, self.seed = recipe, labels, classes, seed
        settings = recipe.training
        self._weights = []  # each member's start
        for member in range(recipe.protocol.members):
            device.set_up(settings.precision, 1000 * seed + member, settings.deterministic)
            self.model = self._build()
            self._weights.append(self.model.get_weights())
        row = keras.Input((), dtype="int32", name="row")
        clips = keras.ops.convert_to_tensor(np.ascontiguousarray(inputs))
        x = keras.layers.Lambda(
            lambda rows: keras.ops.cast(keras.ops.take(clips, rows, axis=0), "float32"),
            output_shape=inputs.shape[1:],
            dtype="float32",
        )(row)
        kind = models.kind(recipe.model.get("name", "cnn"))
        for layer in clip_augment.clip_layers(recipe.augment, kind, seed):
            x = layer(x)
        self.model = device.fused(self.model)
        self._trainee = keras.Model(row, self.model(x))
        # An epoch is as many steps for every fold, so that they share one compiled step: as many
        # as batches of at most the recipe's size take, and all batches alike.
        self.epoch = -(-len(inputs) // settings.batch)
        self.batch = -(-len(inputs) // self.epoch)
        self._compile(settings)

    def _build(self):
        from keras_mer import models

        config = dict(self.recipe.model)
        return models.build(config.pop("name", "cnn"), classes=self.classes, **config)

    def _compile(self, settings: Training) -> None:
        from keras import ops

        from keras_mer import training

        # Keras asks for whole executions: as many epochs each as divide their number.
        peek = self.recipe.protocol.peek
        every = self.recipe.protocol.peek_every if peek else 50
        if peek and settings.epochs % every:
            raise UserError(
                f"protocol.peek_every: {every} does not divide training.epochs, {settings.epochs}"
            )
        while settings.epochs % every:
            every -= 1
        self._trainee.compile(
            training.optimizer(settings, self.epoch),
            training.loss(settings),
            jit_compile=False,  # on a CPU, XLA makes these networks several times slower
            steps_per_execution=every * self.epoch,
        )
        self._trainee.optimizer.build(self._trainee.trainable_variables)
        state = [*self._trainee.variables, *self._trainee.optimizer.variables]
        self._start = [(v, ops.convert_to_numpy(v).copy()) for v in state]

    def answer(self, train: np.ndarray, test: np.ndarray) -> tuple[Answer, Answer | None]:
        """Learn the rows `train` from the start and predict the rows `test`.

        Returns:
            The answer of the last epoch and, where the recipe peeks, that of the epoch with the
            most test clips right: a number that nobody can have on clips without labels.
        """
        import keras

        peek = self.recipe.protocol.peek
        answers: list[list[np.ndarray]] = []  # of each member, the probabilities by epoch
        for member in range(len(self._weights)):
            seen: list[np.ndarray] = []
            watch = keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs, seen=seen: seen.append(self._predict(test))
            )
            self._learn(member, train, [int(r) for r in test], [watch] if peek else [])
            answers.append(seen or [self._predict(test)])
        means = [np.mean(p, axis=0) for p in zip(*answers, strict=True)]
        found = [Answer(p.argmax(1), p) for p in means]
        if not peek:
            return found[-1], None
        right = [(a.prediction == self.labels[test]).sum() for a in found]
        return found[-1], found[int(np.argmax(right))]

    def committee(self, train: np.ndarray):
        """A Keras model that learnt the rows `train`: raw pixels -> probabilities, float32."""
        import keras

        from keras_mer import models

        keras.config.set_dtype_policy("float32")
        made = []
        for member in range(len(self._weights)):
            self._learn(member, train, [], [])
            twin = self._build()
            twin.set_weights(self.model.get_weights())
            made.append(models.with_probabilities(twin))
        return models.committee(made)

    def _learn(self, member: int, train: np.ndarray, key: list[int], callbacks: list) -> None:
        settings = self.recipe.training
        for variable, value in self._start:
            variable.assign(value)
        self.model.set_weights(self._weights[member])
        random = np.random.default_rng([self.seed, member, *key])
        balanced = settings.imbalance == "balanced_sampling"
        count = settings.epochs * self.epoch * self.batch
        rows = draw(train, self.labels, count, random, balanced=balanced)
        weights = None
        if settings.imbalance == "class_weights":
            weights = class_weights(self.labels[train], self.classes)[self.labels[rows]]
        history = self._trainee.fit(
            rows.astype(np.int32),
            np.eye(self.classes, dtype=np.float32)[self.labels[rows]],
            sample_weight=weights,
            batch_size=self.batch,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
        if not np.isfinite(history.history["loss"]).all():
            raise UserError("the loss is not finite; lower training.rate")

    def _predict(self, rows: np.ndarray) -> np.ndarray:
        out = []
        for start in range(0, len(rows), 256):
            out.append(self._trainee.predict_on_batch(rows[start : start + 256].astype(np.int32)))
        return softmax(np.concatenate(out))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities, float32 (samples, classes), of scores of that shape."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


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
        from keras_mer.data.clip_augment import mirror_flow

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


def learner(recipe: Recipe, *args) -> Learner | KernelMachine | LinearSVM:
    """The learner of the recipe's model; arguments as `Learner`'s."""
    kinds = {SVM: LinearSVM, KERNEL: KernelMachine}
    return kinds.get(recipe.model.get("name"), Learner)(recipe, *args)


def draw(
    rows: np.ndarray,
    labels: np.ndarray,
    count: int,
    random: np.random.Generator,
    *,
    balanced: bool = False,
) -> np.ndarray:
    """`count` of `rows` to learn from, in order: each once, shuffled, then each once more.

    With `balanced`, every class comes up equally often, and its rows each once before any twice.
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


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Float32 (classes,): samples / (classes x samples of the class); 0 for a class without one."""
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts, len(labels) / (classes * np.maximum(counts, 1)), 0).astype(np.float32)

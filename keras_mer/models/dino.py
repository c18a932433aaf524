"""DINO: a network learns from images without labels, from a slow-moving average of itself.

Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers". Two networks of
one architecture see crops of the same image; the student must foretell, from any crop, what the
teacher makes of the two large ones. The teacher is never trained: it starts as the student's copy
and follows as an exponential moving average of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers, ops

from keras_mer import losses
from keras_mer.models import layer_freezing
from keras_mer.models.features import at_size


@keras.saving.register_keras_serializable("keras_mer")
class Prototypes(layers.Layer):
    """A linear layer whose every output has a weight vector of length one, without bias.

    The last layer of DINO's head, weight-normalised with the gain fixed at 1 (Salimans and Kingma
    2016): as the input has length one as well, an output is a cosine.

    Args:
        units: outputs.

    Input and output: (batch, features) -> (batch, units), in float32 whatever the policy. While
    the variable `open` is 0 no gradient reaches the kernel; `DINO` sets it.
    """

    def __init__(self, units, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), "glorot_normal", name="kernel")
        self.open = self.add_weight((), "ones", trainable=False, name="open")

    def call(self, inputs):
        kernel = self.kernel * self.open + ops.stop_gradient(self.kernel) * (1 - self.open)
        return ops.matmul(inputs, ops.normalize(kernel, axis=0))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return super().get_config() | {"units": self.units}


def projection_head(
    features: int,
    outputs: int = 1024,
    hidden: int = 512,
    bottleneck: int = 128,
    depth: int = 3,
    batch_norm: bool = False,
) -> keras.Model:
    """DINO's head: dense layers with GELU, a bottleneck of length one, weight-normalised outputs.

    The paper has 65,536 outputs, 2,048 hidden units and 256 in the bottleneck for a million
    images of a thousand classes; faces at 48 pixels need far fewer.

    Args:
        features: width of the backbone's features.
        outputs: K, the last layer's.
        hidden: width of the dense layers before the bottleneck.
        bottleneck: width of the last dense layer.
        depth: dense layers, the bottleneck's included.
        batch_norm: normalise before each GELU. Features of a small convnet that has learnt nothing
            are nearly the same for all faces; without it, directions close up in the first epochs
            and take many to open again.

    Returns:
        (batch, features) -> (batch, outputs), float32.
    """
    x = inputs = keras.Input((features,))
    for number in range(depth):
        last = number == depth - 1
        x = layers.Dense(
            bottleneck if last else hidden,
            # The paper's standard deviation of 0.02 is for 2,048 units: in narrow layers it shrinks
            # the bottleneck so far that dividing by its length overflows float16 gradients.
            kernel_initializer="he_normal",
        )(x)
        if not last:
            # A teacher that follows within a few hundred steps needs statistics that do.
            x = layers.BatchNormalization(momentum=0.9)(x) if batch_norm else x
            x = layers.Activation("gelu")(x)
    x = layers.UnitNormalization(dtype="float32", name="unit")(x)
    return keras.Model(inputs, Prototypes(outputs, name="prototypes")(x), name="head")


@dataclass(frozen=True)
class Schedules:
    """What changes from step to step, each a function of the step (`keras_mer.training.schedules`).

    Attributes:
        rate: the optimiser's learning rate.
        weight_decay: the optimiser's weight decay.
        momentum: of the teacher's average; towards 1 at the end.
        temperature: the teacher's.
    """

    rate: Callable
    weight_decay: Callable
    momentum: Callable
    temperature: Callable


class DINO(keras.Model):
    """A student and its teacher, trained on crops: ``fit`` takes batches of `MultiCrop`'s dicts.

    BatchNorm: the student normalises by the statistics of the crops of one size in the batch, and
    only those of the global crops move its moving statistics. The teacher, which sees no others,
    runs in inference mode, with moving statistics that are averaged from the student's like its
    weights (EMAN, Cai et al. 2021): it sees no dropout, its answer to an image does not depend on
    the rest of the batch, and no batch can leak which crops belong together.

    The gradient step is Keras's own (``super().train_step``), so that loss scaling, replicas and
    sample weights are right without a line here; what is DINO's own follows it. Each replica
    averages the same weights; the centre is a variable that replicas average.

    Args:
        backbone: pixels -> (batch, features), e.g. `features.features(model)`.
        head: (batch, features) -> (batch, outputs), e.g. `projection_head`.
        schedules: rates, momentum and temperature by step.
        local_size: side of the local crops, pixels; None for the backbone's own.
        student_temperature: tau_s.
        balance: what keeps outputs in use, "centre" (`losses.centred`) or "sinkhorn"
            (`losses.sinkhorn`, over the batch that one device sees).
        centre_momentum: of the centre's moving average.
        frozen_steps: first steps in which the head's last layer does not learn.

    Input: {"global": (batch, 2, size, size, channels), "local": (batch, n, local, local,
    channels)}, the local crops optional; targets are ignored. Output: the student's and the
    teacher's outputs, (batch, crops, outputs).

    Metrics: `entropy` of the teacher's probabilities and `spread`, the entropy of their mean over
    the batch, both as shares of the largest possible one; `information`, the difference of the two
    in nats (what an output tells of the image); `deviation` of the teacher's outputs over the
    batch, 1 where the bottleneck's directions are spread evenly, 0 where all images look alike to
    it (after Chen and He 2021). See `keras_mer.training.dino.CollapseStop`.
    """

    def __init__(
        self,
        backbone: keras.Model,
        head: keras.Model,
        schedules: Schedules,
        local_size: int | None = None,
        student_temperature: float = 0.1,
        balance: str = "centre",
        centre_momentum: float = 0.9,
        frozen_steps: int = 0,
        name: str = "dino",
    ):
        super().__init__(name=name)
        self.backbone, self.head = backbone, head
        self.teacher_backbone = keras.models.clone_model(backbone)
        self.teacher_head = keras.models.clone_model(head)
        self.teacher_backbone.trainable = self.teacher_head.trainable = False
        # A function, so that the layers it shares with the backbone are not saved twice.
        local = at_size(backbone, local_size or backbone.input_shape[1])
        self._local = lambda x, training: local(x, training=training)
        self.schedules = schedules
        self.student_temperature = student_temperature
        self.balance = balance
        self.centre_momentum = centre_momentum
        self.frozen_steps = frozen_steps
        self.step = self.add_weight((), "zeros", trainable=False, name="step")
        self.centre = self.add_weight(
            (head.output_shape[-1],), "zeros", trainable=False, name="centre", aggregation="mean"
        )
        self._mean = losses.Mean()
        names = ("entropy", "spread", "information", "deviation")
        self.watched = [keras.metrics.Mean(name) for name in names]
        for mine, copy in self._pairs():
            copy.assign(mine)
        self.built = True

    def _pairs(self):
        """The student's variables beside the teacher's."""
        mine = [*self.backbone.weights, *self.head.weights]
        return zip(mine, [*self.teacher_backbone.weights, *self.teacher_head.weights], strict=True)

    def settle(self, inputs) -> None:
        """Take BatchNorm's statistics from a batch of crops, before the first step.

        The student normalises by its batch, the teacher by moving statistics, which start as 0 and
        1: it would not be the student's copy, say the same of every image, and teach just that for
        hundreds of steps, until they have moved.
        """
        large = {"global": inputs["global"]}
        layer_freezing.settle(self._parts(), lambda: self._student(large, training=True))
        for mine, copy in self._pairs():
            copy.assign(mine)

    def call(self, inputs, training=False):
        teacher = _each_crop(self.teacher, inputs["global"])
        return {"student": self._student(inputs, training), "teacher": ops.stop_gradient(teacher)}

    def _student(self, inputs, training):
        """The student's outputs for every crop, (batch, crops, outputs)."""

        def see(backbone, crops):
            return _each_crop(
                lambda x: self.head(backbone(x, training=training), training=training), crops
            )

        seen = see(self.backbone, inputs["global"])
        if "local" not in inputs:
            return seen
        with layer_freezing.momentum(self._parts(), 1.0):
            return ops.concatenate([seen, see(self._local, inputs["local"])], axis=1)

    def _parts(self):
        return [*layer_freezing.leaves(self.backbone), *layer_freezing.leaves(self.head)]

    def teacher(self, pixels):
        """The teacher's outputs, (batch, size, size, channels) -> (batch, outputs)."""
        return self.teacher_head(self.teacher_backbone(pixels, training=False), training=False)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean of `losses.dino`, as far as the batch has weights by these."""
        temperature = self.schedules.temperature(self.step)
        teacher = ops.cast(y_pred["teacher"], "float32")
        if self.balance == "sinkhorn":
            wanted = losses.sinkhorn(teacher, temperature)
        else:
            wanted = losses.centred(teacher, self.centre, temperature)
        values = losses.dino(y_pred["student"], wanted, self.student_temperature)
        self._watch(teacher, wanted)
        if training:
            m = self.centre_momentum
            self.centre.assign(m * self.centre + (1 - m) * ops.mean(teacher, axis=(0, 1)))
        return self._mean(None, values, sample_weight)

    def _watch(self, outputs, probabilities):
        count = outputs.shape[-1]
        flat = ops.reshape(probabilities, (-1, count))
        most = ops.log(float(count))
        entropy = ops.mean(_entropy(flat))
        spread = _entropy(ops.mean(flat, axis=0))
        # A cosine of two random directions in d dimensions deviates by 1 / sqrt(d).
        width = self.head.get_layer("prototypes").kernel.shape[0]
        deviation = ops.mean(ops.std(ops.reshape(outputs, (-1, count)), axis=0)) * width**0.5
        values = (entropy / most, spread / most, spread - entropy, deviation)
        for metric, value in zip(self.watched, values, strict=True):
            metric.update_state(ops.stop_gradient(value))

    def train_step(self, data):
        """Set this step's rates, take Keras's gradient step, let the teacher follow."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        optimizer.learning_rate.assign(self.schedules.rate(self.step))
        if optimizer.weight_decay is not None:
            optimizer.weight_decay.assign(self.schedules.weight_decay(self.step))
        is_open = ops.cast(self.step >= self.frozen_steps, "float32")
        self.head.get_layer("prototypes").open.assign(is_open)
        logs = super().train_step(data)
        momentum = self.schedules.momentum(self.step)
        for mine, copy in self._pairs():
            copy.assign(momentum * copy + (1 - momentum) * mine)
        self.step.assign_add(1)
        return logs


def _each_crop(function: Callable, crops):
    """Apply a function of (batch, ...) to (batch, crops, ...): one pass for crops of one size."""
    count, shape = crops.shape[1], crops.shape[2:]
    out = function(ops.reshape(crops, (-1, *shape)))
    return ops.reshape(out, (-1, count, *out.shape[1:]))


def _entropy(probabilities):
    return -ops.sum(probabilities * ops.log(probabilities + 1e-12), axis=-1)

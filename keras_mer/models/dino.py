"""DINO: self-supervised learning by self-distillation from a momentum teacher.

Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers". Student and teacher
have the same architecture. From every crop of an image the student predicts the teacher's output
for the two global crops. The teacher is an exponential moving average of the student and receives
no gradient.
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
    """A weight-normalized linear layer without bias, the last layer of DINO's head.

    Every output's weight vector has unit length (Salimans and Kingma 2016, gain fixed at 1); for
    inputs of unit length an output is a cosine similarity.

    Args:
        units: number of outputs.

    Input and output: (batch, features) -> (batch, units), float32 under every precision policy.
    While the variable `gate` is 0 the kernel receives no gradient; `DINO` sets it.
    """

    def __init__(self, units, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), "glorot_normal", name="kernel")
        self.gate = self.add_weight((), "ones", trainable=False, name="gate")

    def call(self, inputs):
        kernel = self.kernel * self.gate + ops.stop_gradient(self.kernel) * (1 - self.gate)
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
    """DINO's projection head: an MLP with GELU, an L2-normalized bottleneck and `Prototypes`.

    The paper uses 65,536 outputs, 2,048 hidden units and a bottleneck of 256 for ImageNet; the
    defaults are for small faces.

    Args:
        features: width of the backbone's features.
        outputs: K, the number of prototypes.
        hidden: width of the dense layers before the bottleneck.
        bottleneck: width of the last dense layer.
        depth: number of dense layers, including the bottleneck.
        batch_norm: apply BatchNorm before each GELU. An untrained small CNN gives nearly the same
            features for all faces; without BatchNorm the bottleneck collapses to few directions in
            the first epochs and recovers slowly.

    Returns:
        (batch, features) -> (batch, outputs), float32.
    """
    x = inputs = keras.Input((features,))
    for number in range(depth):
        last = number == depth - 1
        x = layers.Dense(
            bottleneck if last else hidden,
            # The paper's standard deviation of 0.02 suits 2,048 units. In narrow layers it makes
            # the bottleneck so small that the L2 normalization overflows float16 gradients.
            kernel_initializer="he_normal",
        )(x)
        if not last:
            # The teacher follows within a few hundred steps; its statistics must, too.
            x = layers.BatchNormalization(momentum=0.9)(x) if batch_norm else x
            x = layers.Activation("gelu")(x)
    x = layers.UnitNormalization(dtype="float32", name="unit")(x)
    return keras.Model(inputs, Prototypes(outputs, name="prototypes")(x), name="head")


@dataclass(frozen=True)
class Schedules:
    """Per-step schedules of DINO, each a function of the step (`keras_mer.training.schedules`).

    Attributes:
        rate: learning rate of the optimizer.
        weight_decay: weight decay of the optimizer.
        momentum: momentum of the teacher's moving average; approaches 1.
        temperature: temperature of the teacher's softmax.
    """

    rate: Callable
    weight_decay: Callable
    momentum: Callable
    temperature: Callable


class DINO(keras.Model):
    """A student and its momentum teacher; ``fit`` takes the batches of `MultiCrop`.

    BatchNorm: the student normalizes with the statistics of the crops of one size in the batch;
    only the global crops update its moving statistics. The teacher sees global crops only and
    runs in inference mode; its moving statistics are averaged from the student's like its weights
    (EMAN, Cai et al. 2021). So the teacher has no dropout, its output for an image does not depend
    on the rest of the batch, and batch statistics cannot reveal which crops belong together.

    The gradient step is Keras's own (``super().train_step``), which handles loss scaling, replicas
    and sample weights. All replicas average the same weights into the teacher; the center is a
    variable with mean aggregation.

    Args:
        backbone: pixels -> (batch, features), e.g. `features.features(model)`.
        head: (batch, features) -> (batch, outputs), e.g. `projection_head`.
        schedules: learning rate, weight decay, momentum and temperature by step.
        local_size: side of the local crops, pixels; None for the backbone's own input size.
        student_temperature: tau_s.
        balance: how collapse to few outputs is prevented: "centre" (`losses.centered`) or
            "sinkhorn" (`losses.sinkhorn`, over the batch of one device).
        center_momentum: momentum of the center's moving average.
        frozen_steps: number of first steps in which the head's last layer is not trained.

    Input: {"global": (batch, 2, size, size, channels), "local": (batch, n, local, local,
    channels)}, the local crops optional; targets are ignored. Output: the student's and the
    teacher's outputs, (batch, crops, outputs).

    Metrics: `entropy`, the mean entropy of the teacher's probabilities, and `mean_output_entropy`,
    the entropy of their mean over the batch, both relative to the maximum, log K; `information`,
    the difference of the two in nats (the mutual information of image and output); `deviation`,
    the normalized standard deviation of the teacher's outputs over the batch: 1 for uniformly
    distributed directions, 0 if all images give the same output (after Chen and He 2021). See
    `keras_mer.training.dino.CollapseStop`.
    """

    def __init__(
        self,
        backbone: keras.Model,
        head: keras.Model,
        schedules: Schedules,
        local_size: int | None = None,
        student_temperature: float = 0.1,
        balance: str = "centre",
        center_momentum: float = 0.9,
        frozen_steps: int = 0,
        name: str = "dino",
    ):
        super().__init__(name=name)
        self.backbone, self.head = backbone, head
        self.teacher_backbone = keras.models.clone_model(backbone)
        self.teacher_head = keras.models.clone_model(head)
        self.teacher_backbone.trainable = self.teacher_head.trainable = False
        # Kept in a closure: as an attribute, the shared layers would be saved twice.
        local = at_size(backbone, local_size or backbone.input_shape[1])
        self._local = lambda x, training: local(x, training=training)
        self.schedules = schedules
        self.student_temperature = student_temperature
        self.balance = balance
        self.center_momentum = center_momentum
        self.frozen_steps = frozen_steps
        self.step = self.add_weight((), "zeros", trainable=False, name="step")
        self.center = self.add_weight(
            (head.output_shape[-1],), "zeros", trainable=False, name="center", aggregation="mean"
        )
        self._mean = losses.Mean()
        names = ("entropy", "mean_output_entropy", "information", "deviation")
        # The attribute's name is part of the paths in saved weights: keep it.
        self.watched = [keras.metrics.Mean(name) for name in names]
        for student, teacher in self._weight_pairs():
            teacher.assign(student)
        self.built = True

    def _weight_pairs(self):
        """Pairs of corresponding variables: the student's, the teacher's."""
        student = [*self.backbone.weights, *self.head.weights]
        teacher = [*self.teacher_backbone.weights, *self.teacher_head.weights]
        return zip(student, teacher, strict=True)

    def recalibrate_batch_norm(self, inputs) -> None:
        """Set BatchNorm's moving statistics from a batch of crops, before the first step.

        The student normalizes with batch statistics, the teacher with moving statistics. Those
        start at mean 0 and variance 1, with which the teacher gives nearly the same output for
        every image, and the student would learn that for hundreds of steps.
        """
        global_crops = {"global": inputs["global"]}
        layer_freezing.recalibrate_batch_norm(
            self._student_layers(), lambda: self._student(global_crops, training=True)
        )
        for student, teacher in self._weight_pairs():
            teacher.assign(student)

    def call(self, inputs, training=False):
        teacher = _each_crop(self.teacher, inputs["global"])
        return {"student": self._student(inputs, training), "teacher": ops.stop_gradient(teacher)}

    def _student(self, inputs, training):
        """The student's outputs for every crop, (batch, crops, outputs)."""

        def apply(backbone, crops):
            return _each_crop(
                lambda x: self.head(backbone(x, training=training), training=training), crops
            )

        outputs = apply(self.backbone, inputs["global"])
        if "local" not in inputs:
            return outputs
        with layer_freezing.batch_norm_momentum(self._student_layers(), 1.0):
            return ops.concatenate([outputs, apply(self._local, inputs["local"])], axis=1)

    def _student_layers(self):
        return [*layer_freezing.leaves(self.backbone), *layer_freezing.leaves(self.head)]

    def teacher(self, pixels):
        """The teacher's outputs, (batch, size, size, channels) -> (batch, outputs)."""
        return self.teacher_head(self.teacher_backbone(pixels, training=False), training=False)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean of `losses.dino` over the batch, weighted if there are sample weights."""
        temperature = self.schedules.temperature(self.step)
        teacher = ops.cast(y_pred["teacher"], "float32")
        if self.balance == "sinkhorn":
            targets = losses.sinkhorn(teacher, temperature)
        else:
            targets = losses.centered(teacher, self.center, temperature)
        values = losses.dino(y_pred["student"], targets, self.student_temperature)
        self._update_metrics(teacher, targets)
        if training:
            m = self.center_momentum
            self.center.assign(m * self.center + (1 - m) * ops.mean(teacher, axis=(0, 1)))
        return self._mean(None, values, sample_weight)

    def _update_metrics(self, outputs, probabilities):
        count = outputs.shape[-1]
        flat = ops.reshape(probabilities, (-1, count))
        largest = ops.log(float(count))
        entropy = ops.mean(_entropy(flat))
        mean_output_entropy = _entropy(ops.mean(flat, axis=0))
        # The cosine of random directions in d dimensions has standard deviation 1 / sqrt(d).
        width = self.head.get_layer("prototypes").kernel.shape[0]
        deviation = ops.mean(ops.std(ops.reshape(outputs, (-1, count)), axis=0)) * width**0.5
        values = (
            entropy / largest,
            mean_output_entropy / largest,
            mean_output_entropy - entropy,
            deviation,
        )
        for metric, value in zip(self.watched, values, strict=True):
            metric.update_state(ops.stop_gradient(value))

    def train_step(self, data):
        """Assign the scheduled values, take Keras's gradient step, update the teacher."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        optimizer.learning_rate.assign(self.schedules.rate(self.step))
        if optimizer.weight_decay is not None:
            optimizer.weight_decay.assign(self.schedules.weight_decay(self.step))
        gate = ops.cast(self.step >= self.frozen_steps, "float32")
        self.head.get_layer("prototypes").gate.assign(gate)
        logs = super().train_step(data)
        momentum = self.schedules.momentum(self.step)
        for student, teacher in self._weight_pairs():
            teacher.assign(momentum * teacher + (1 - momentum) * student)
        self.step.assign_add(1)
        return logs


def _each_crop(function: Callable, crops):
    """Apply a function of (batch, ...) to (batch, crops, ...) in one call."""
    count, shape = crops.shape[1], crops.shape[2:]
    out = function(ops.reshape(crops, (-1, *shape)))
    return ops.reshape(out, (-1, count, *out.shape[1:]))


def _entropy(probabilities):
    return -ops.sum(probabilities * ops.log(probabilities + 1e-12), axis=-1)

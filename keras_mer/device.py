"""What the training device is, and how precisely it computes."""

import keras
import tensorflow as tf


def precision(name: str) -> str:
    """The Keras dtype policy of a recipe's `precision`: ``auto`` is mixed_float16 on a GPU."""
    if name != "auto":
        return name
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"


def set_up(precision_name: str, seed: int, deterministic: bool) -> None:
    """Set the global dtype policy and every random seed; optionally only exact operations."""
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        if not tf.config.list_logical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    keras.mixed_precision.set_global_policy(precision(precision_name))


def summed(tensors: list) -> tuple[list, int]:
    """Each tensor summed over the replicas of a distribution strategy, and how many there are."""
    context = tf.distribute.get_replica_context()
    count = 1 if context is None else context.num_replicas_in_sync
    if count == 1:
        return tensors, 1
    known = [t for t in tensors if t is not None]
    sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, known) if known else [])
    return [t if t is None else next(sums) for t in tensors], count


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """The same layer with the same weights, in training by TensorFlow's fused operation.

    Keras writes batch normalisation out in elementary operations, which on a CPU take longer than
    the convolution before them; fused, they take a quarter of that.
    """

    def call(self, inputs, training=None, mask=None):
        fits = inputs.shape.rank == 4 and self.axis in (-1, 3) and inputs.dtype == tf.float32
        if not (training and self.trainable and fits and self.scale and self.center):
            return super().call(inputs, training=training, mask=mask)
        out, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        # the operation's variance is the unbiased estimate, Keras keeps the other one
        count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
        for kept, new in (
            (self.moving_mean, mean),
            (self.moving_variance, variance * (count - 1) / count),
        ):
            kept.assign(kept * self.momentum + new * (1 - self.momentum))
        return out


def fused(model: keras.Model) -> keras.Model:
    """A copy of `model` for training, each batch normalisation fused; weights in the same order."""

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = type(layer)
        if kind is keras.layers.BatchNormalization:
            kind = FusedBatchNormalization
        return kind.from_config(layer.get_config())

    twin = keras.models.clone_model(model, clone_function=copy, recursive=True)
    twin.set_weights(model.get_weights())
    return twin

"""Device set-up: precision policy, random seeds, reduction over replicas."""

import keras
import tensorflow as tf


def precision(name: str) -> str:
    """The Keras dtype policy of a recipe's `precision`.

    ``auto`` is mixed_float16 on a GPU and float32 on a CPU.
    """
    if name != "auto":
        return name
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"


def set_up(precision_name: str, seed: int, deterministic: bool) -> None:
    """Set the global dtype policy and all random seeds; optionally only deterministic kernels."""
    keras.utils.set_random_seed(seed)
    # keras-cv's layers ask for it, which is an error where only exact operations are allowed
    tf.random.set_global_generator(tf.random.Generator.from_seed(seed))
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        if not tf.config.list_logical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    keras.mixed_precision.set_global_policy(precision(precision_name))


def all_reduce_sum(tensors: list) -> tuple[list, int]:
    """The sum of each tensor over the replicas of a distribution strategy, and their number.

    Args:
        tensors: tensors or None, which stays None.
    """
    context = tf.distribute.get_replica_context()
    count = 1 if context is None else context.num_replicas_in_sync
    if count == 1:
        return tensors, 1
    known = [t for t in tensors if t is not None]
    sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, known) if known else [])
    return [t if t is None else next(sums) for t in tensors], count

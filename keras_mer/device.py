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

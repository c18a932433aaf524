"""Custom Keras metrics."""

import keras


@keras.saving.register_keras_serializable("keras_mer")
class UnweightedRecall(keras.metrics.Metric):
    """Unweighted average recall (UAR): the mean of the classes' recalls.

    Targets and predictions are (batch, classes); the class is the argmax of each. A class without
    samples has recall 0.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int, name: str = "uar", **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.hits = self.add_variable((classes,), "zeros", name="hits")
        self.total = self.add_variable((classes,), "zeros", name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        ops = keras.ops
        truth = ops.one_hot(ops.argmax(y_true, -1), self.classes, dtype="float32")
        guess = ops.one_hot(ops.argmax(y_pred, -1), self.classes, dtype="float32")
        self.hits.assign_add(ops.sum(truth * guess, axis=0))
        self.total.assign_add(ops.sum(truth, axis=0))

    def result(self):
        return keras.ops.mean(self.hits / keras.ops.maximum(self.total, 1.0))

    def get_config(self):
        return super().get_config() | {"classes": self.classes}

"""Recognition without TensorFlow: numpy, OpenCV and a TFLite interpreter."""

from keras_mer.runtime.recogniser import Expression, Face, Recogniser

__all__ = ["Expression", "Face", "Recogniser"]

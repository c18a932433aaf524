"""Facial- and micro-expression recognition with Keras, from a raw dataset to a TFLite file."""

__version__ = "0.1.0"

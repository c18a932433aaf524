"""Augmentation of images, as Keras layers on batches of pixels 0..255."""

import math

import keras
from keras import layers, ops

from keras_mer.config.recipe import Augment


@keras.saving.register_keras_serializable("keras_mer")
class RandomAffine(layers.Layer):
    """Random flip, shift, rotation and zoom of each image in one interpolation.

    Four separate layers would interpolate four times, which blurs more and takes four times as
    long.

    Args:
        flip: left-right flip with probability 0.5.
        shift: largest shift in both directions, as a fraction of the side.
        rotate: largest angle, degrees.
        zoom: largest relative change of scale; 0.1 means 0.9 to 1.1.
        seed: of the random values.

    Input and output: (batch, height, width, channels), float. Edge pixels are repeated outside.
    """

    def __init__(self, flip=True, shift=0.1, rotate=10.0, zoom=0.1, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.flip, self.shift, self.rotate, self.zoom, self.seed = flip, shift, rotate, zoom, seed
        self.generator = keras.random.SeedGenerator(seed)

    def _uniform(self, count, limit):
        return keras.random.uniform((count,), -limit, limit, seed=self.generator)

    def call(self, images, training=True):
        if not training:
            return images
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        angle = self._uniform(count, math.radians(self.rotate))
        scale = 1 / (1 + self._uniform(count, self.zoom))
        right = self._uniform(count, self.shift * width)
        down = self._uniform(count, self.shift * height)
        mirror = ops.sign(self._uniform(count, 1.0)) if self.flip else ops.ones((count,))
        # Rows of the matrix that maps output coordinates to input coordinates.
        a, b = mirror * scale * ops.cos(angle), -scale * ops.sin(angle)
        c, d = mirror * scale * ops.sin(angle), scale * ops.cos(angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        zero = ops.zeros_like(a)
        matrix = ops.stack(
            [a, b, x + right - a * x - b * y, c, d, y + down - c * x - d * y, zero, zero], axis=1
        )
        return ops.image.affine_transform(
            images,
            matrix,
            interpolation="bilinear",
            fill_mode="nearest",
            data_format="channels_last",
        )

    def get_config(self):
        return super().get_config() | {
            "flip": self.flip,
            "shift": self.shift,
            "rotate": self.rotate,
            "zoom": self.zoom,
            "seed": self.seed,
        }


def image_layers(config: Augment, seed: int = 0) -> list[layers.Layer]:
    """The recipe's augmentation layers for images: (batch, height, width, channels)."""
    # float32 under every precision policy: half precision rounds pixels and coordinates.
    common = {"dtype": "float32"}
    pixels = {"value_range": (0, 255)} | common
    made: list[layers.Layer] = []
    if config.flip or config.shift or config.rotate or config.zoom:
        made.append(
            RandomAffine(config.flip, config.shift, config.rotate, config.zoom, seed, **common)
        )
    if config.brightness:
        made.append(layers.RandomBrightness(config.brightness, seed=seed + 1, **pixels))
    if config.contrast:
        made.append(layers.RandomContrast(config.contrast, seed=seed + 2, **pixels))
    if config.erase:
        made.append(layers.RandomErasing(config.erase, (0.02, 0.2), seed=seed + 3, **pixels))
    return made


def mixing_layers(config: Augment, seed: int = 0) -> list[layers.Layer]:
    """MixUp and CutMix: {"images", "labels"} -> the same; if both, one is drawn per batch."""
    made: list[layers.Layer] = []
    if config.mixup:
        made.append(layers.MixUp(config.mixup, seed=seed + 4, dtype="float32"))
    if config.cutmix:
        # The layer draws alpha between two bounds, here equal.
        made.append(layers.CutMix((config.cutmix, config.cutmix), seed=seed + 5, dtype="float32"))
    return made

"""Random changes to training images, as Keras layers on batches of pixels 0 to 255."""

import math

import keras
from keras import layers, ops

from keras_mer.config.recipe import Augment


@keras.saving.register_keras_serializable("keras_mer")
class RandomAffine(layers.Layer):
    """Flip, shift, rotate and zoom each image by its own random amounts, in one resampling.

    Four separate layers would blur the image four times and cost four times as much.

    Args:
        flip: whether to mirror every second image, left to right.
        shift: largest shift, as a fraction of the side, in both directions.
        rotate: largest angle, degrees.
        zoom: largest relative change of scale; 0.1 means 0.9 to 1.1.
        seed: of the random amounts.

    Input and output: (batch, height, width, channels), float. Edges are repeated outwards.
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
        # Rows of the matrix that takes an output pixel to the input pixel it shows.
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
    """The layers that change images alone: (batch, height, width, channels) -> the same."""
    # float32 whatever the precision policy: half precision cannot tell pixels apart above 256.
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
    """The layers that mix pairs: {"images", "labels"} -> the same. Of several, one per batch."""
    made: list[layers.Layer] = []
    if config.mixup:
        made.append(layers.MixUp(config.mixup, seed=seed + 4, dtype="float32"))
    if config.cutmix:
        # Two equal bounds: the layer draws alpha between them.
        made.append(layers.CutMix((config.cutmix, config.cutmix), seed=seed + 5, dtype="float32"))
    return made

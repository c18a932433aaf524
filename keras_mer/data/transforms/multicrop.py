"""Multi-crop augmentation for DINO: two global and several local crops of every image."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from keras_mer.errors import UserError


@dataclass(frozen=True)
class ViewAugmentation:
    """Augmentation of a crop after cropping; 0 disables a transform.

    Attributes:
        flip: left-right flip with probability 0.5.
        brightness, contrast: range of the crops' mean and standard deviation, see `Exposure`; both
            0 leave them unchanged.
        blur: probability of Gaussian blur for local crops. If not 0, it is 1 for the first global
            crop and at most 0.1 for the second, as in the paper.
        solarize: probability of solarization of the second global crop.
    """

    flip: bool = True
    brightness: float = 0.2
    contrast: float = 0.3
    blur: float = 0.5
    solarize: float = 0.2


class MultiCrop:
    """A function from batches of images to dicts of crops, for `view_batches` and `models.dino`.

    Every crop has its own window and augmentation. All crops of a clip come from one random frame:
    positives from different frames would train the network to ignore the motion of a
    micro-expression.

    Args:
        size: side of the two global crops, pixels.
        local_size: side of the local crops, pixels.
        local: number of local crops.
        global_scale, local_scale: smallest and largest area of a crop, as a share of the image.
        augmentation: see `ViewAugmentation`.

    Raises:
        UserError: for an invalid range of areas.
    """

    def __init__(
        self,
        size: int,
        local_size: int,
        local: int = 6,
        global_scale: Sequence[float] = (0.14, 1.0),
        local_scale: Sequence[float] = (0.05, 0.14),
        augmentation: ViewAugmentation = ViewAugmentation(),
    ):
        for name, scale in (("global_scale", global_scale), ("local_scale", local_scale)):
            if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
                raise UserError(
                    f"{name}: expected the smallest and the largest area, 0 to 1, got {scale}"
                )
        blur, solarize = augmentation.blur, augmentation.solarize
        self._global = [
            [_windows(size, 1, global_scale), *_layers(augmentation, float(blur > 0), 0.0)],
            [_windows(size, 1, global_scale), *_layers(augmentation, min(blur, 0.1), solarize)],
        ]
        self._local = None
        if local:
            self._local = [
                _windows(local_size, local, local_scale), *_layers(augmentation, blur, 0.0)
            ]  # fmt: skip

    def __call__(self, images):
        """The crops of a batch.

        Args:
            images: float (batch, height, width, c), or clips (batch, frames, height, width, c).

        Returns:
            {"global": float32 (batch, 2, size, size, c), "local": (batch, local, local_size,
            local_size, c)}, pixels 0..255; the key "local" only if there are local crops.
        """
        if images.shape.rank == 5:
            count = tf.shape(images)[0]
            frame = tf.random.uniform((count,), maxval=tf.shape(images)[1], dtype=tf.int32)
            images = tf.gather(images, frame, batch_dims=1)
        views = {"global": tf.concat([_apply(each, images) for each in self._global], axis=1)}
        if self._local:
            views["local"] = _apply(self._local, images)
        return views


def _apply(functions: list, images):
    windows, *augmentation = functions
    crops = windows(images)
    shape = crops.shape[2:]
    flat = tf.reshape(crops, (-1, *shape))
    for layer in augmentation:
        flat = layer(flat, training=True)
    return tf.reshape(flat, (-1, crops.shape[1], *shape))


def _windows(size: int, count: int, scale: Sequence[float]):
    """A function (batch, h, w, c) -> (batch, count, size, size, c) with random crop windows."""
    # Imported here because keras-cv takes seconds to import.
    from keras_cv.layers import RandomCropAndResize

    # Without a seed: the layer would use the same one for area and aspect ratio, which would then
    # be correlated. The global seed makes the windows reproducible.
    layer = RandomCropAndResize((size, size), tuple(scale), (3 / 4, 4 / 3), dtype="float32")

    def crop(images):
        # Windows drawn as in the layer, but all crops are made by one operation instead of one by
        # one, which is seven times as fast.
        total = tf.shape(images)[0] * count
        area, shape = layer.crop_area_factor((total,)), layer.aspect_ratio_factor((total,))
        high, wide = (tf.minimum(tf.sqrt(v), 1.0) for v in (area / shape, area * shape))
        top, left = (tf.random.uniform((total,)) * (1 - v) for v in (high, wide))
        cut = tf.image.crop_and_resize(
            images,
            tf.stack([top, left, top + high, left + wide], axis=1),
            tf.repeat(tf.range(tf.shape(images)[0]), count),
            layer.target_size,
            method=layer.interpolation,
        )
        return tf.reshape(cut, (-1, count, size, size, images.shape[-1]))

    return crop


def _layers(augmentation: ViewAugmentation, blur: float, solarize: float) -> list[keras.Layer]:
    # float32 under every precision policy: half precision rounds pixels and coordinates.
    layers = keras.layers
    made: list[keras.Layer] = []
    if augmentation.flip:
        made.append(layers.RandomFlip("horizontal", dtype="float32"))
    if augmentation.brightness or augmentation.contrast:
        made.append(Exposure(augmentation.brightness, augmentation.contrast, dtype="float32"))
    if blur:
        made.append(layers.RandomGaussianBlur(blur, 3, 0.6, value_range=(0, 255), dtype="float32"))
    if solarize:
        made.append(Solarize(solarize, dtype="float32"))
    return made


class Exposure(keras.layers.Layer):
    """Set the mean and standard deviation of every crop to random values.

    A random change relative to the image's own brightness would preserve most of it, and a network
    could match crops of one image by brightness alone, without using the face.

    Args:
        brightness: the mean is drawn from 128 +- this share of 255.
        contrast: the standard deviation is drawn from 64 +- this share of 64.
    """

    def __init__(self, brightness, contrast, **kwargs):
        super().__init__(**kwargs)
        self.brightness, self.contrast = brightness, contrast
        self.generator = keras.random.SeedGenerator()

    def call(self, images, training=True):
        ops = keras.ops
        mean, std = (
            middle + reach * keras.random.uniform((ops.shape(images)[0], 1, 1, 1), -1, 1,
                                                  seed=self.generator)
            for middle, reach in ((128.0, 255 * self.brightness), (64.0, 64 * self.contrast))
        )  # fmt: skip
        axes = (1, 2, 3)
        centered = images - ops.mean(images, axes, keepdims=True)
        # The bound keeps the noise of nearly uniform crops from being amplified.
        scale = std / ops.maximum(ops.std(images, axes, keepdims=True), 10.0)
        return ops.clip(mean + scale * centered, 0, 255)


class Solarize(keras.layers.Layer):
    """Invert the pixels of at least 128 in a random share of the images."""

    def __init__(self, share, **kwargs):
        super().__init__(**kwargs)
        self.share = share
        self.generator = keras.random.SeedGenerator()

    def call(self, images, training=True):
        ops = keras.ops
        chance = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.generator)
        inverted = ops.where(images >= 128, 255 - images, images)
        return ops.where(chance < self.share, inverted, images)


def view_batches(
    images: np.ndarray, batch: int, views: MultiCrop, *, seed: int = 0, deterministic: bool = False
) -> tf.data.Dataset:
    """Endless batches of crops of shuffled images, without labels.

    Args:
        images: uint8 (samples, height, width, channels) or (samples, frames, height, width,
            channels); may be a memory map.
        batch: images per batch; the incomplete batch at the end of an epoch is left out.
        views: makes the crops.
        seed: of the order; the crops depend on Keras's global seed.
        deterministic: make batches sequentially.
    """
    batch, shape = min(batch, len(images)), images.shape[1:]
    order = tf.data.Dataset.range(len(images)).shuffle(len(images), seed).repeat()

    def read(index):
        # Indexed with numpy, so that a memory map is not loaded into memory.
        x = tf.numpy_function(lambda i: images[i], [index], tf.uint8)
        x.set_shape([batch, *shape])
        return tf.cast(x, tf.float32)

    data = order.batch(batch, drop_remainder=True).map(read)
    return data.map(views, num_parallel_calls=None if deterministic else 2).prefetch(4)

"""Multi-crop for learning without labels: two large and several small views of every image."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from keras_mer.errors import UserError


@dataclass(frozen=True)
class Changes:
    """Random changes to a view beside its window; 0 turns one off.

    Attributes:
        flip: whether every second view is mirrored.
        brightness, contrast: how far views are apart in either, see `Exposure`; both 0: unchanged.
        blur: share of the views that are blurred; of the first global view all are, of the second
            a tenth, as in the paper, if it is not 0.
        solarize: share of the second global views whose bright half is inverted.
    """

    flip: bool = True
    brightness: float = 0.2
    contrast: float = 0.3
    blur: float = 0.5
    solarize: float = 0.2


class MultiCrop:
    """Batches of images -> dicts of their views, for `pipeline.view_batches` and `models.dino`.

    Every view has a window and changes of its own. A clip gives its views from one frame, a
    different one each time: a network that sees frames apart as the same learns to overlook the
    very movement that a micro-expression is.

    Args:
        size: side of the two global views, pixels.
        local_size: side of the local ones.
        local: how many.
        global_scale, local_scale: smallest and largest area of a window, as a share of the image.
        changes: see `Changes`.

    Raises:
        UserError: for areas that are none.
    """

    def __init__(
        self,
        size: int,
        local_size: int,
        local: int = 6,
        global_scale: Sequence[float] = (0.14, 1.0),
        local_scale: Sequence[float] = (0.05, 0.14),
        changes: Changes = Changes(),
    ):
        for name, scale in (("global_scale", global_scale), ("local_scale", local_scale)):
            if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
                raise UserError(
                    f"{name}: expected the smallest and the largest area, 0 to 1, got {scale}"
                )
        blur = changes.blur
        self._global = [
            [_windows(size, 1, global_scale), *_layers(changes, float(blur > 0), 0.0)],
            [_windows(size, 1, global_scale), *_layers(changes, min(blur, 0.1), changes.solarize)],
        ]
        self._local = None
        if local:
            self._local = [_windows(local_size, local, local_scale), *_layers(changes, blur, 0.0)]

    def __call__(self, images):
        """Float (batch, height, width, c), or clips (batch, frames, height, width, c) -> views.

        Returns:
            {"global": float32 (batch, 2, size, size, c), "local": (batch, local, local_size,
            local_size, c)}, pixels 0 to 255; without local views, no such key.
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
    windows, *changes = functions
    crops = windows(images)
    shape = crops.shape[2:]
    flat = tf.reshape(crops, (-1, *shape))
    for layer in changes:
        flat = layer(flat, training=True)
    return tf.reshape(flat, (-1, crops.shape[1], *shape))


def _windows(size: int, count: int, scale: Sequence[float]):
    """(batch, h, w, c) -> (batch, count, size, size, c), each from a window of its own."""
    # Here alone, and only when crops are made: keras-cv takes seconds to import.
    from keras_cv.layers import RandomCropAndResize

    # Without a seed of its own: the layer would give it to area and shape alike, and wide windows
    # would all be large. The global seed makes them repeatable all the same.
    layer = RandomCropAndResize((size, size), tuple(scale), (3 / 4, 4 / 3), dtype="float32")

    def crop(images):
        # The layer's own windows, but all cut by one operation instead of one after the other,
        # which is seven times as fast.
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


def _layers(changes: Changes, blur: float, solarize: float) -> list[keras.Layer]:
    # float32 whatever the precision policy: half precision cannot tell pixels apart above 256.
    layers = keras.layers
    made: list[keras.Layer] = []
    if changes.flip:
        made.append(layers.RandomFlip("horizontal", dtype="float32"))
    if changes.brightness or changes.contrast:
        made.append(Exposure(changes.brightness, changes.contrast, dtype="float32"))
    if blur:
        made.append(layers.RandomGaussianBlur(blur, 3, 0.6, value_range=(0, 255), dtype="float32"))
    if solarize:
        made.append(Solarize(solarize, dtype="float32"))
    return made


class Exposure(keras.layers.Layer):
    """Give every view a brightness and a contrast of its own, whatever its image's were.

    A shift of the image's own brightness would leave most of it, and it is the first thing by
    which a network knows crops of one image again: it would learn little else.

    Args:
        brightness: the mean is drawn from 128 +- this share of 255.
        contrast: the standard deviation is drawn from 64 +- this share of it.
    """

    def __init__(self, brightness, contrast, **kwargs):
        super().__init__(**kwargs)
        self.brightness, self.contrast = brightness, contrast
        self.generator = keras.random.SeedGenerator()

    def call(self, images, training=True):
        ops = keras.ops
        mean, spread = (
            middle + reach * keras.random.uniform((ops.shape(images)[0], 1, 1, 1), -1, 1,
                                                  seed=self.generator)
            for middle, reach in ((128.0, 255 * self.brightness), (64.0, 64 * self.contrast))
        )  # fmt: skip
        axes = (1, 2, 3)
        centred = images - ops.mean(images, axes, keepdims=True)
        # What is nearly flat stays so: its noise is no face.
        scale = spread / ops.maximum(ops.std(images, axes, keepdims=True), 10.0)
        return ops.clip(mean + scale * centred, 0, 255)


class Solarize(keras.layers.Layer):
    """Invert the pixels above the middle of a share of the images."""

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
    """Endless batches of views of shuffled images, without labels.

    Args:
        images: uint8 (samples, height, width, channels) or (samples, frames, height, width,
            channels); a memory map will do.
        batch: images a batch; an epoch's last, incomplete one is left out.
        views: makes the crops.
        seed: of the order; the windows follow Keras's global seed.
        deterministic: make batches one after the other.
    """
    batch, shape = min(batch, len(images)), images.shape[1:]
    order = tf.data.Dataset.range(len(images)).shuffle(len(images), seed).repeat()

    def read(index):
        # Through numpy, so that a memory map larger than the memory stays on the disk.
        x = tf.numpy_function(lambda i: images[i], [index], tf.uint8)
        x.set_shape([batch, *shape])
        return tf.cast(x, tf.float32)

    data = order.batch(batch, drop_remainder=True).map(read)
    return data.map(views, num_parallel_calls=None if deterministic else 2).prefetch(4)

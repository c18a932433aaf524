"""Random changes to clips and to flow images, the same for every frame of a clip."""

import keras
from keras import layers, ops

from keras_mer.config.recipe import Augment
from keras_mer.data.transforms import image
from keras_mer.errors import UserError


@keras.saving.register_keras_serializable("keras_mer")
class MirrorFlow(layers.Layer):
    """Mirror every second flow image, left to right.

    A mirrored face moves the other way: the first channel, the horizontal flow stretched to 0 to
    255, is turned around as well. Vertical flow and strain stay.

    Input and output: (batch, height, width, channels), float.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=True):
        if not training:
            return images
        coin = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.generator)
        return ops.where(coin < 0.5, mirror_flow(images), images)

    def get_config(self):
        return super().get_config() | {"seed": self.seed}


def mirror_flow(images):
    """Flow images (batch, height, width, channels) of the mirrored faces."""
    mirrored = ops.flip(images, axis=2)
    return ops.concatenate([255 - mirrored[..., :1], mirrored[..., 1:]], axis=-1)


@keras.saving.register_keras_serializable("keras_mer")
class EveryFrameAlike(layers.Layer):
    """Apply layers for images to clips: (batch, frames, height, width, channels) -> the same.

    Frames are folded into channels, so that a clip gets one shift, one angle, one flip.
    """

    def __init__(self, inner: list[layers.Layer], **kwargs):
        super().__init__(**kwargs)
        self.inner = list(inner)

    def call(self, clips, training=True):
        if not training:
            return clips
        _, frames, height, width, channels = clips.shape
        x = ops.transpose(clips, (0, 2, 3, 1, 4))
        x = ops.reshape(x, (-1, height, width, frames * channels))
        for layer in self.inner:
            x = layer(x, training=True)
        x = ops.reshape(x, (-1, height, width, frames, channels))
        return ops.transpose(x, (0, 3, 1, 2, 4))

    def get_config(self):
        inner = [keras.saving.serialize_keras_object(layer) for layer in self.inner]
        return super().get_config() | {"inner": inner}

    @classmethod
    def from_config(cls, config):
        inner = [keras.saving.deserialize_keras_object(layer) for layer in config["inner"]]
        return cls(**config | {"inner": inner})


def clip_layers(config: Augment, kind: str, seed: int = 0) -> list[layers.Layer]:
    """The recipe's augmentation for a kind of input: "image", "flow" or "clip".

    Raises:
        UserError: for mixup, cutmix or erasing, which clips do not have.
    """
    for name in ("erase", "mixup", "cutmix"):
        if getattr(config, name):
            raise UserError(f"augment.{name}: not for clips and flow images; set it to 0")
    common = {"dtype": "float32"}
    made: list[layers.Layer] = []
    flip = config.flip
    if kind == "flow" and flip:
        made.append(MirrorFlow(seed + 1, **common))
        flip = False
    if flip or config.shift or config.rotate or config.zoom:
        made.append(
            image.RandomAffine(flip, config.shift, config.rotate, config.zoom, seed, **common)
        )
    if kind != "flow":  # a flow image has no light to change
        range_ = {"value_range": (0, 255)} | common
        if config.brightness:
            made.append(layers.RandomBrightness(config.brightness, seed=seed + 2, **range_))
        if config.contrast:
            made.append(layers.RandomContrast(config.contrast, seed=seed + 3, **range_))
    return [EveryFrameAlike(made, **common)] if kind == "clip" and made else made

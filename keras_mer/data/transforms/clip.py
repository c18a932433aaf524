"""Random changes to clips and to flow images, the same for every frame of a clip."""

import keras
from keras import layers, ops

from keras_mer.config.recipe import Augment
from keras_mer.data.transforms import image


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


def clip_layers(config: Augment, seed: int = 0) -> list[layers.Layer]:
    """The recipe's augmentation for clips: every frame of a clip is changed alike."""
    made = image.image_layers(config, seed)
    return [EveryFrameAlike(made, dtype="float32")] if made else []


def flow_layers(config: Augment, seed: int = 0) -> list[layers.Layer]:
    """The recipe's augmentation for flow images: geometry only, with a flip that negates u."""
    made: list[layers.Layer] = [MirrorFlow(seed + 1, dtype="float32")] if config.flip else []
    if config.shift or config.rotate or config.zoom:
        amounts = (config.shift, config.rotate, config.zoom)
        made.append(image.RandomAffine(False, *amounts, seed, dtype="float32"))
    return made

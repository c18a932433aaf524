"""Augmentation of clips and flow images, as Keras layers; equal for all frames of a clip."""

import keras
from keras import layers, ops

from keras_mer.config.recipe import Augment
from keras_mer.data.transforms import image


@keras.saving.register_keras_serializable("keras_mer")
class MirrorFlow(layers.Layer):
    """Random left-right flip of flow images, with probability 0.5.

    The flip also negates the first channel, the horizontal flow scaled to 0..255. Vertical flow
    and strain are only mirrored.

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
    """Left-right flipped flow images, (batch, height, width, channels), 0..255."""
    mirrored = ops.flip(images, axis=2)
    return ops.concatenate([255 - mirrored[..., :1], mirrored[..., 1:]], axis=-1)


@keras.saving.register_keras_serializable("keras_mer")
class SameForAllFrames(layers.Layer):
    """Apply image augmentation layers to clips, with the same random values for all frames.

    Frames are folded into channels: (batch, frames, height, width, channels) -> the same shape.

    Args:
        inner: layers for (batch, height, width, channels).
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
    """The recipe's augmentation for clips: the same change for all frames of a clip."""
    made = image.image_layers(config, seed)
    return [SameForAllFrames(made, dtype="float32")] if made else []


def flow_layers(config: Augment, seed: int = 0) -> list[layers.Layer]:
    """The recipe's augmentation for flow images: geometry only, with a flip that negates u."""
    made: list[layers.Layer] = [MirrorFlow(seed + 1, dtype="float32")] if config.flip else []
    if config.shift or config.rotate or config.zoom:
        amounts = (config.shift, config.rotate, config.zoom)
        made.append(image.RandomAffine(False, *amounts, seed, dtype="float32"))
    return made

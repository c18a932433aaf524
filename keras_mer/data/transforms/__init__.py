"""Random transforms of training samples, and the mirror image of a sample, by kind of input."""

from collections.abc import Callable

import numpy as np
from keras import layers

from keras_mer.config.recipe import Augment
from keras_mer.data.transforms import clip, image
from keras_mer.errors import UserError
from keras_mer.kinds import KINDS

#: By kind: (augment section, seed) -> layers on a batch of samples, float 0..255.
TRANSFORMS: dict[str, Callable[[Augment, int], list[layers.Layer]]] = {
    "image": image.image_layers,
    "clip": clip.clip_layers,
    "flow": clip.flow_layers,
}


def random_layers(config: Augment, kind: str, seed: int = 0) -> list[layers.Layer]:
    """The layers of a recipe's augmentation for one kind of input.

    Raises:
        UserError: for a transform that has no meaning for this kind.
    """
    for key, reason in KINDS[kind].refused.items():
        if getattr(config, key):
            raise UserError(
                f"augment.{key}: not available for models of kind {kind}: {reason}; set it to 0"
            )
    return TRANSFORMS[kind](config, seed)


def mirror(samples: np.ndarray, kind: str) -> np.ndarray:
    """The samples flipped left to right; of a flow image the horizontal motion is negated, too.

    Args:
        samples: (samples, ..., width, channels), 0..255.
        kind: a key of `keras_mer.kinds.KINDS`.
    """
    flipped = samples[..., ::-1, :]
    if not KINDS[kind].signed_flip:
        return flipped
    flipped = flipped.copy()
    flipped[..., 0] = 255 - flipped[..., 0]
    return flipped

"""The kinds of input that models read: photographs, clips and flow images.

Loaders, random transforms and explanations are registered under a kind's name in the packages that
own them; a model declares its kind when it is registered.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of model input.

    Attributes:
        name: its name in recipes, manifests and cards.
        axes: the axes of one sample, in order.
        signed_flip: a left-right flip also negates the first channel (horizontal motion).
        refused: keys of a recipe's `augment` that have no meaning for it, each with the reason.
    """

    name: str
    axes: tuple[str, ...]
    signed_flip: bool
    refused: dict[str, str]


_IMAGE_AXES = ("height", "width", "channels")
_NO_LIGHT = "a flow image holds motion, not light"
_MIXED = "defined for photographs only"

IMAGE = Kind("image", _IMAGE_AXES, False, {})
CLIP = Kind("clip", ("frames", *_IMAGE_AXES), False, dict.fromkeys(("mixup", "cutmix"), _MIXED))
FLOW = Kind(
    "flow",
    _IMAGE_AXES,
    True,
    dict.fromkeys(("brightness", "contrast"), _NO_LIGHT)
    | dict.fromkeys(("erase", "mixup", "cutmix"), _MIXED),
)
KINDS = {kind.name: kind for kind in (IMAGE, CLIP, FLOW)}

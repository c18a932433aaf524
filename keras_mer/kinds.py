"""The kinds of input that models read: photographs, clips and flow images.

Loaders, random transforms and explanations are registered under a kind's name in the packages that
own them; a model declares its kind when it is registered. How the frames of a clip became the
input of a flow or clip model is a `Preprocessing`, which travels with the data, the run and the
card.
"""

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from keras_mer.errors import UserError, nearest
from keras_mer.files import write_json


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
CLIP = Kind(
    "clip", ("frames", *_IMAGE_AXES), False, dict.fromkeys(("camera", "mixup", "cutmix"), _MIXED)
)
FLOW = Kind(
    "flow",
    _IMAGE_AXES,
    True,
    dict.fromkeys(("brightness", "contrast", "camera"), _NO_LIGHT)
    | dict.fromkeys(("erase", "mixup", "cutmix"), _MIXED),
)
KINDS = {kind.name: kind for kind in (IMAGE, CLIP, FLOW)}

#: Methods of optical flow; the first is the default (`keras_mer.face.motion.flow`).
FLOW_METHODS = ("dis", "dis-fast", "farneback")
#: Smallest side in pixels of a face on which flow is computed.
SMALLEST_FLOW_SIDE = 32


@dataclass(frozen=True)
class Preprocessing:
    """How flow images or still faces were computed from the frames of a clip.

    Attributes:
        flow: method of the optical flow, one of `FLOW_METHODS`; ``""`` for clips of still faces.
        side: side in pixels of the face crop: the one on which flow is computed, or the one that a
            clip model reads.
        margin: share of the face's side that is added on each side of the crop.
        register: whether every frame is registered to the first, so that the head stands still.
        head_motion: of flow, ``"removed"`` (subtracted from the flow) or ``"kept"``; ``""`` for
            clips.
        detector: name of the face detector; ``""`` if unknown.
        opencv, keras_mer: versions that computed it; ``""`` if unknown.
        origin: ``"recorded"`` by the program that computed the data, or ``"stated"`` in a recipe.
        basis: what a stated one rests on, e.g. the paper that published the data.
    """

    flow: str
    side: int
    margin: float
    register: bool
    head_motion: str = ""
    detector: str = ""
    opencv: str = ""
    keras_mer: str = ""
    origin: str = "recorded"
    basis: str = ""

    #: The file beside the data and in a run folder.
    FILE: ClassVar[str] = "preprocessing.json"
    #: The keys that decide what the pixels are.
    PIXELS: ClassVar[tuple[str, ...]] = (
        "flow", "side", "margin", "register", "head_motion", "detector",
    )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain values, which `from_dict` takes back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Any, where: str) -> "Preprocessing":
        """Check plain values, as `to_dict` gives them.

        Args:
            values: a mapping with flow, side, margin and register; head_motion too for flow, basis
                for a stated one.
            where: the file or recipe they come from, for messages.

        Raises:
            UserError: naming a key that is unknown, missing, of the wrong type or out of bounds.
        """
        if not isinstance(values, dict):
            raise UserError(f"{where}: expected a mapping with {', '.join(_KEYS)}; got {values!r}")
        for key in values:
            if key not in _KEYS:
                raise UserError(
                    f"{where}: unknown key '{key}'{nearest(str(key), _KEYS)}; "
                    f"known: {', '.join(_KEYS)}"
                )
        for key in _REQUIRED:
            if key not in values:
                raise UserError(f"{where}: the key '{key}' is missing")
        made = cls(**values)
        made._check(where)
        return dataclasses.replace(made, margin=float(made.margin))

    @classmethod
    def read(cls, folder: str | os.PathLike) -> "Preprocessing | None":
        """The record in `folder`, or None if there is none.

        Raises:
            UserError: for a file that cannot be used, see `from_dict`.
        """
        path = Path(folder) / cls.FILE
        if not path.is_file():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise UserError(f"{path}: not valid JSON ({error}); compute the data again") from None
        return cls.from_dict(values, str(path))

    def write(self, folder: str | os.PathLike) -> None:
        """Write the record into `folder`, as `FILE`."""
        write_json(Path(folder) / self.FILE, self.to_dict())

    def difference(self, other: "Preprocessing") -> str:
        """The first key of `PIXELS` on which two disagree, or ``""``.

        A detector that one of them does not know agrees with any.
        """
        for key in self.PIXELS:
            mine, theirs = getattr(self, key), getattr(other, key)
            if mine != theirs and not (key == "detector" and "" in (mine, theirs)):
                return key
        return ""

    def _check(self, where: str) -> None:
        texts = {key: getattr(self, key) for key in _KEYS if key not in _NUMBERS}
        for key, text in texts.items():
            if not isinstance(text, str):
                raise UserError(f"{where}: {key}: expected text, got {text!r}")
        choices = {"flow": ("", *FLOW_METHODS), "origin": ("recorded", "stated")}
        choices["head_motion"] = ("removed", "kept") if self.flow else ("",)
        for key, allowed in choices.items():
            if texts[key] not in allowed:
                wanted = ", ".join(word or '""' for word in allowed)
                raise UserError(
                    f"{where}: {key}: expected one of {wanted}; got {texts[key]!r}"
                    f"{nearest(texts[key], allowed)}"
                )
        low = SMALLEST_FLOW_SIDE if self.flow else 8
        if type(self.side) is not int or not low <= self.side <= 4096:
            raise UserError(f"{where}: side: expected {low} to 4096 pixels, got {self.side!r}")
        number = isinstance(self.margin, int | float) and not isinstance(self.margin, bool)
        if not number or not math.isfinite(self.margin) or not 0 <= self.margin <= 1:
            raise UserError(f"{where}: margin: expected a share from 0 to 1, got {self.margin!r}")
        if not isinstance(self.register, bool):
            raise UserError(f"{where}: register: expected true or false, got {self.register!r}")
        if self.origin == "stated" and not self.basis.strip():
            raise UserError(
                f"{where}: basis: a stated preprocessing needs a text that says what it rests on"
            )


_KEYS = tuple(field.name for field in dataclasses.fields(Preprocessing))
_REQUIRED = ("flow", "side", "margin", "register")
_NUMBERS = ("side", "margin", "register")

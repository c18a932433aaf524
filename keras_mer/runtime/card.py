"""A model's card: what stands in `card.json` beside its files."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_mer.errors import UserError, nearest
from keras_mer.face import motion
from keras_mer.labels import check_same_classes

FILE = "card.json"
TASKS = ("image", "clip", "flow")
_CHANNELS = {"grey": 1, "rgb": 3, "flow": 3}


@dataclass(frozen=True)
class Card:
    """What a program must know to run a model.

    Attributes:
        name: the model's name.
        task: ``"image"``; ``"clip"`` for models that read several frames of a still face; or
            ``"flow"`` for models that read how a face moved from onset to apex.
        classes: class names in the order of the model's outputs.
        height, width, channels: size of one input image in pixels; 3 channels are RGB, or of a
            flow model u, v and strain (`keras_mer.face.motion.flow_image`).
        frames: frames of one clip; 0 for other models.
        range: the values that black and white have in the input, (0, 255) for raw pixels.
        face_margin: share of the detector's box that is added on each side before the crop.
        face_side: of a flow model, side in pixels of the still face on which flow is computed.
        flow: of a flow model, how, see `keras_mer.face.motion.METHODS`.
        variants: file name and figures of each TFLite variant, by its name.
        default_variant: the variant to take when none is asked for.
        folder: where the files are.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    height: int
    width: int
    channels: int
    frames: int
    range: tuple[float, float]
    face_margin: float
    variants: dict[str, dict[str, Any]]
    default_variant: str
    folder: Path
    face_side: int = 0
    flow: str = ""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: (height, width, channels), after the frames for a clip model."""
        image = (self.height, self.width, self.channels)
        return (self.frames, *image) if self.frames else image

    def file(self, variant: str | None = None) -> Path:
        """The TFLite file of a variant, or of the default one.

        Raises:
            UserError: for a variant the card does not list, or a file that is not there.
        """
        variant = variant or self.default_variant
        if variant not in self.variants:
            raise UserError(
                f"{self.folder / FILE}: no variant '{variant}'{nearest(variant, self.variants)}; "
                f"it lists {', '.join(self.variants) or 'none'}"
            )
        path = self.folder / self.variants[variant]["file"]
        if not path.is_file():
            raise UserError(f"{path}: missing, though {FILE} lists it; export the model again")
        return path

    def check_size(self, path: Path) -> None:
        """Refuse a file that is not as long as the card says: tflite-runtime crashes on cut ones.

        Raises:
            UserError: for a file of another length; one that the card does not list is let pass.
        """
        for entry in self.variants.values():
            expected, size = entry.get("bytes"), path.stat().st_size
            if entry["file"] == path.name and expected not in (None, size):
                raise UserError(
                    f"{path}: {size} bytes, {FILE} says {expected}: cut off, or of another export; "
                    "copy or export the model again"
                )


def read(folder: str | os.PathLike) -> Card:
    """Read `card.json` of a model's folder.

    Raises:
        UserError: for a missing card, or one that is no JSON, lacks an entry, contradicts itself
            or contradicts the `labels.txt` beside it.
    """
    folder = Path(folder)
    path = folder / FILE
    if not path.is_file():
        raise UserError(
            f"{path}: no model card here; name a folder that `make export` wrote "
            "(such as saved_models/fer2013-cnn), or a .tflite file inside one"
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        card = _parse(data, folder)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not a readable card ({error}); export the model again") from None
    except KeyError as error:
        raise UserError(f"{path}: the card lacks {error}; export the model again") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: unusable card: {error}; export the model again") from None
    labels = folder / "labels.txt"
    if labels.is_file():
        names = [line.strip() for line in labels.read_text(encoding="utf-8").splitlines()]
        check_same_classes(card.classes, [n for n in names if n], where=f"{labels} against {FILE}")
    return card


def _parse(data: dict[str, Any], folder: Path) -> Card:
    if data["format"] != 1:
        raise ValueError(f"format {data['format']!r} is not the format 1 that this version reads")
    entry = data["input"]
    card = Card(
        name=str(data["name"]),
        task=str(data["task"]),
        classes=tuple(data["classes"]),
        height=int(entry["height"]),
        width=int(entry["width"]),
        channels=int(entry["channels"]),
        frames=int(entry.get("frames", 0)),
        range=tuple(float(v) for v in entry["range"]),
        face_margin=float(entry["face_margin"]),
        variants=dict(data["variants"]),
        default_variant=str(data["default_variant"]),
        folder=folder,
        face_side=int(entry.get("face_side", 0)),
        flow=str(entry.get("flow", "")),
    )
    if (card.task == "clip") != (card.frames > 0) or card.task not in TASKS:
        raise ValueError(f"task '{card.task}' with {card.frames} frames")
    if _CHANNELS.get(entry["colour"]) != card.channels:
        raise ValueError(f"colour '{entry['colour']}' with {card.channels} channels")
    flow = entry["colour"] == "flow" and card.height == card.width and card.flow in motion.METHODS
    if (card.task == "flow") != (flow and card.face_side >= 32):
        raise ValueError(f"task '{card.task}' with colour '{entry['colour']}', flow '{card.flow}'")
    if len(card.range) != 2 or card.range[0] >= card.range[1]:
        raise ValueError(f"range {list(card.range)}")
    if min(card.height, card.width) < 1 or not card.classes:
        raise ValueError("an input without pixels or an output without classes")
    return card

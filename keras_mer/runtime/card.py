"""The card of an exported model: `card.json` beside its files."""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_mer.errors import UserError, nearest
from keras_mer.face.detection import Detector, detector_name
from keras_mer.kinds import FLOW_METHODS, SMALLEST_FLOW_SIDE, Preprocessing
from keras_mer.labels import check_same_classes

FILE = "card.json"
TASKS = ("image", "clip", "flow")
_CHANNELS = {"grey": 1, "rgb": 3, "flow": 3}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Card:
    """Description of an exported model: its input, classes and files.

    Attributes:
        name: the model's name.
        task: ``"image"``; ``"clip"`` for models that read several frames of a still face; or
            ``"flow"`` for models that read optical flow from onset to apex.
        classes: class names in the order of the model's outputs.
        height, width, channels: size of one input image in pixels; 3 channels are RGB, or for a
            flow model u, v and strain (`keras_mer.face.motion.flow_image`).
        frames: frames of one clip; 0 for other models.
        range: input values of black and white, (0, 255) for raw pixels.
        face_margin: share of the detector's box that is added on each side before the crop.
        variants: file name and figures of each TFLite variant, by its name.
        default_variant: the variant to take when none is asked for.
        folder: where the files are.
        preprocessing: of a clip or flow model, how its input is computed from frames; None if
            unknown.
        notice: one line for whoever runs the model, such as the terms of its training data; or "".
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
    preprocessing: Preprocessing | None = None
    notice: str = ""

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
        """Check a file's size against the card: tflite-runtime crashes on truncated files.

        Raises:
            UserError: for a file of another size; a file that the card does not list passes.
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
        UserError: for a missing card, or one that is not JSON, lacks an entry, contradicts itself
            or contradicts the `labels.txt` beside it.
    """
    folder = Path(folder)
    path = folder / FILE
    if not path.is_file():
        raise UserError(
            f"{path}: no model card here; name a folder that `make export` wrote "
            "(such as saved_models/expressions), or a .tflite file inside one"
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
        preprocessing=_preprocessing(str(data["task"]), entry),
        notice=" ".join(str(data.get("notice", "")).split()),
    )
    if (card.task == "clip") != (card.frames > 0) or card.task not in TASKS:
        raise ValueError(f"task '{card.task}' with {card.frames} frames")
    if _CHANNELS.get(entry["colour"]) != card.channels:
        raise ValueError(f"colour '{entry['colour']}' with {card.channels} channels")
    if (card.task == "flow") != (entry["colour"] == "flow" and card.height == card.width):
        raise ValueError(f"task '{card.task}' with colour '{entry['colour']}'")
    made = card.preprocessing
    if made and bool(made.flow) != (card.task == "flow"):
        raise ValueError(f"task '{card.task}' with flow '{made.flow}'")
    if made and card.task == "clip" and made.side != card.height:
        raise ValueError(f"clips of {card.height} pixels with preprocessing of {made.side}")
    if len(card.range) != 2 or card.range[0] >= card.range[1]:
        raise ValueError(f"range {list(card.range)}")
    if min(card.height, card.width) < 1 or not card.classes:
        raise ValueError("an input without pixels or an output without classes")
    return card


def _preprocessing(task: str, entry: dict[str, Any]) -> Preprocessing | None:
    """The preprocessing in a card's `input`."""
    if task not in ("clip", "flow"):
        return None
    if "preprocessing" in entry:
        values = entry["preprocessing"]
        return None if values is None else Preprocessing.from_dict(values, "preprocessing")
    # Cards of earlier versions have no such entry: what the runtime did with them then.
    flow, side = str(entry.get("flow", "")), int(entry.get("face_side", 0))
    if task == "flow" and (flow not in FLOW_METHODS or side < SMALLEST_FLOW_SIDE):
        raise ValueError(f"task 'flow' with flow '{flow}' and a face_side of {side}")
    return Preprocessing(
        flow=flow if task == "flow" else "",
        side=side if task == "flow" else int(entry["height"]),
        margin=float(entry["face_margin"]),
        register=True,
        head_motion="removed" if task == "flow" else "",
    )


def video_preprocessing(card: Card, detector: Detector) -> Preprocessing:
    """How frames become the input of a clip or flow model, for the readers of video.

    One line of warning is logged for the card's notice, if the preprocessing is stated and not
    recorded, and if `detector` is not the one it names.

    Args:
        card: the model's.
        detector: the one in use.

    Raises:
        UserError: when the card does not know it.
    """
    made = card.preprocessing
    if made is None:
        what = "flow images" if card.task == "flow" else "clips"
        raise UserError(
            f"{card.name} cannot run on video: how the {what} it learned from were computed is not "
            "recorded; compute them with this project (make flow), or state it in the "
            "recipe (data.preprocessing, see docs/clips.md), then train and export again"
        )
    lines = [card.notice] if card.notice else []
    if made.origin == "stated":
        lines.append(f"its preprocessing is stated, not recorded ({made.basis})")
    used = detector_name(detector)
    if made.detector and used != made.detector:
        lines.append(f"it learned from faces found by '{made.detector}', here '{used}' finds them")
    if lines:
        _log.warning("%s: %s", card.name, "; ".join(lines))
    return made

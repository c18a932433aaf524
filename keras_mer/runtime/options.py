"""Command-line options shared by the scripts of the runtime."""

import argparse
import logging
from pathlib import Path

from keras_mer.engines import ENGINES
from keras_mer.errors import UserError
from keras_mer.face.detect import DETECTORS
from keras_mer.face.detection import PHOTO_SIDE, Detector
from keras_mer.runtime.recogniser import Recogniser

DEFAULT_MODEL = "saved_models/expressions"
DEFAULT_MICRO = "saved_models/micro-flow"

_log = logging.getLogger(__name__)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the model, its interpreter and the face detector."""
    group = parser.add_argument_group("model and detector")
    group.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        help="an exported model's folder, or one of its .tflite files (default: %(default)s)",
    )
    group.add_argument(
        "--variant",
        choices=("float32", "float16", "dynamic", "int8"),
        help="which file of the folder to run (default: the one that the card names)",
    )
    group.add_argument(
        "--threads", type=int, default=1, help="threads of one inference (default: 1)"
    )
    group.add_argument(
        "--engine", choices=tuple(ENGINES), help="TFLite interpreter (default: first installed)"
    )
    group.add_argument(
        "--detector",
        choices=DETECTORS,
        default="auto",
        help="face detector (default: auto, the first of the others whose file is there)",
    )
    group.add_argument(
        "--detector-model",
        metavar="PATH",
        help="YuNet's ONNX or BlazeFace's TFLite file, if it is not where `make detector` puts it",
    )


def add_micro_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses the model of brief expressions."""
    parser.add_argument(
        "--micro",
        default=DEFAULT_MICRO,
        metavar="MODEL",
        help="the clip or flow model of brief expressions in video, or none (default: %(default)s)",
    )


def load_micro(
    options: argparse.Namespace, detector: str | Detector, max_side: int = PHOTO_SIDE
) -> Recogniser | None:
    """Load the model of brief expressions, or None where it is turned off.

    Args:
        options: with `micro` (see `add_micro_option`) and the shared options.
        detector: a name as of `Recogniser.load`, or the detector in use.
        max_side: longest side in pixels of the copy in which a detector that is made here searches.

    Raises:
        UserError: for a model of single images, and as `Recogniser.load`.
    """
    if options.micro == "none":
        return None
    if options.micro == DEFAULT_MICRO and not Path(DEFAULT_MICRO).exists():
        _log.warning(
            "no brief expressions: %s is not in this folder (--micro MODEL)", DEFAULT_MICRO
        )
        return None
    recogniser = Recogniser.load(
        options.micro,
        threads=options.threads,
        detector=detector,
        detector_model=options.detector_model,
        max_side=max_side,
        engine=options.engine,
    )
    if recogniser.card.task == "image":
        raise UserError(
            f"--micro {options.micro}: reads single images; expected a clip or flow model, or none"
        )
    return recogniser


def load_recogniser(options: argparse.Namespace, max_side: int = PHOTO_SIDE) -> Recogniser:
    """Load the `Recogniser` that the shared options describe."""
    return Recogniser.load(
        options.model,
        variant=options.variant,
        threads=options.threads,
        detector=options.detector,
        detector_model=options.detector_model,
        max_side=max_side,
        engine=options.engine,
    )

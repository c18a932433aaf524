"""Command-line options shared by the scripts of the runtime."""

import argparse

from keras_mer.engines import ENGINES
from keras_mer.face.detect import DETECTORS
from keras_mer.face.detection import PHOTO_SIDE
from keras_mer.runtime.recogniser import Recogniser

DEFAULT_MODEL = "saved_models/expressions"


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

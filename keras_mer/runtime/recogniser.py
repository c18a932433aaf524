"""Detection of faces in images and classification of their expressions, without TensorFlow."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_mer import images
from keras_mer.errors import UserError
from keras_mer.face.align import align, crop
from keras_mer.face.detect import DETECTORS, make_detector
from keras_mer.face.detection import PHOTO_SIDE, Detection, Detector, detector_name
from keras_mer.runtime.card import Card
from keras_mer.runtime.card import read as read_card
from keras_mer.runtime.interpreter import TFLiteModel


@dataclass(frozen=True)
class Expression:
    """A model's prediction for one face.

    Attributes:
        label: the most probable class.
        confidence: its probability, 0..1.
        probabilities: the probability of every class, in the order of the model's outputs.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Face(Expression):
    """A face in an image, with its expression.

    Attributes:
        box: x, y, width, height in pixels of the image.
        score: the detector's confidence (see `keras_mer.face.detect.Detection`).
        landmarks: (x, y) points where the detector gives them, else None (see there).
    """

    box: tuple[int, int, int, int]
    score: float
    landmarks: tuple[tuple[float, float], ...] | None = None


class Recogniser:
    """A face detector and a TFLite model that classifies the faces' expressions.

    Example:
        >>> import cv2
        >>> from keras_mer.runtime import Recogniser
        >>> recogniser = Recogniser.load("saved_models/expressions")
        >>> for face in recogniser.predict(cv2.imread("photo.jpg")):
        ...     print(face.label, face.confidence, face.box)

    Attributes:
        card: the model's `Card`.
        classes: class names in the order of the model's outputs.
        model: the `TFLiteModel`.
        detector: the face detector; `detector_name` its name.
    """

    def __init__(self, card: Card, model: TFLiteModel, detector: Detector):
        if model.input_shape != card.input_shape:
            raise UserError(
                f"{model.path}: its input is {model.input_shape}, the card beside it says "
                f"{card.input_shape}; export the model again"
            )
        if model.output_shape != (len(card.classes),):
            raise UserError(
                f"{model.path}: its output is {model.output_shape}, the card beside it names "
                f"{len(card.classes)} classes; export the model again"
            )
        self.card = card
        self.classes = card.classes
        self.model = model
        self.detector = detector
        self.detector_name = detector_name(detector)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        variant: str | None = None,
        threads: int = 1,
        detector: str | Detector = "auto",
        detector_model: str | os.PathLike | None = None,
        max_side: int = PHOTO_SIDE,
        engine: str | None = None,
    ) -> "Recogniser":
        """Load an exported model.

        Args:
            path: the model's folder, or a `.tflite` file with its `card.json` beside it.
            variant: ``"float32"``, ``"float16"``, ``"dynamic"`` or ``"int8"``; None takes the
                card's default.
            threads: threads of one inference.
            detector: ``"yunet"``, ``"blazeface"``, ``"haar"``, the best of them that is there
                (``"auto"``), or an object with a `detect` method. A model of clips or flow has
                learned from faces as one detector finds them: "auto" is then the one that its card
                names.
            detector_model: the detector's file, where it is not in the cache folder or the
                installed wheel (see `keras_mer.face.detect.make_detector`).
            max_side: longest side in pixels of the copy in which faces are searched.
            engine: the interpreter's package; None takes the first installed.

        Raises:
            UserError: for a missing or corrupt card or file, and for a card that does not match the
                file.
        """
        path = Path(path)
        if not path.exists():
            raise UserError(
                f"{path}: no such model; name a folder that `make export` wrote, "
                "such as saved_models/expressions"
            )
        if path.suffix == ".tflite":
            card, file = read_card(path.parent), path
            if variant is not None:
                raise UserError(f"{path}: name a model's folder to choose the variant '{variant}'")
        elif path.is_dir():
            card = read_card(path)
            file = card.file(variant)
        else:
            raise UserError(f"{path}: expected a model's folder or a .tflite file")
        card.check_size(file)
        if isinstance(detector, str):
            learned = card.preprocessing.detector if card.preprocessing else ""
            if detector == "auto" and detector_model is None and learned in DETECTORS:
                detector = learned
            detector = make_detector(detector, detector_model, max_side, threads, engine)
        return cls(card, TFLiteModel(file, threads, engine), detector)

    def predict(self, image: np.ndarray | Iterable[np.ndarray]) -> list[Face] | list[list[Face]]:
        """Detect the faces in an image and classify their expressions.

        Args:
            image: uint8, (height, width) gray or (height, width, 3) BGR as OpenCV reads it; or an
                iterable of such images, which is read once and may be lazy.

        Returns:
            The faces, largest first; an empty list for an image without faces. For several images,
            a list of such lists.
        """
        single = isinstance(image, np.ndarray) and image.ndim <= 3
        found, crops = [], []
        for one in [image] if single else image:
            detections = self.detector.detect(one)
            found.append(detections)
            crops.extend(self.crop(one, face) for face in detections)
        expressions = iter(self.predict_faces(crops))
        faces = [[join(face, next(expressions)) for face in row] for row in found]
        return faces[0] if single else faces

    def predict_faces(self, crops: Sequence[np.ndarray]) -> list[Expression]:
        """Classify images that already are face crops.

        Args:
            crops: uint8 gray or BGR images of any size, one face each.

        Raises:
            UserError: when the model reads clips or flow.
        """
        return [self.expression(row) for row in self.probabilities(crops)]

    def predict_clip(self, frames: Sequence[np.ndarray]) -> Expression:
        """Classify a clip of one face.

        Args:
            frames: face crops in time order, uint8 gray or BGR of any size, prepared as the model's
                card says; of more or fewer than the model reads, evenly spaced ones are taken.

        Raises:
            UserError: for an empty clip, or when the model reads something else.
        """
        self._must_read("clip")
        if not len(frames):
            raise UserError("an empty clip has no expression")
        picks = np.linspace(0, len(frames) - 1, self.card.frames).round().astype(int)
        clip = np.stack([self._prepare(frames[i]) for i in picks])
        return self.expression(self.model.predict([clip])[0])

    def predict_flow(self, image: np.ndarray) -> Expression:
        """Classify a flow image.

        Args:
            image: uint8 (height, width, 3), RGB, as `keras_mer.face.motion.flow_image` computes it.

        Raises:
            UserError: when the model reads something else.
        """
        self._must_read("flow")
        return self.expression(self.model.predict([self._scaled(image)])[0])

    def probabilities(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """The model's output for face crops: float32, (n, classes)."""
        self._must_read("image")
        return self.model.predict([self._prepare(one) for one in crops])

    def expression(self, probabilities: np.ndarray) -> Expression:
        """The expression with these probabilities, float (classes,)."""
        best = int(np.argmax(probabilities))
        table = {name: float(p) for name, p in zip(self.classes, probabilities, strict=True)}
        return Expression(self.classes[best], table[self.classes[best]], table)

    def crop(self, image: np.ndarray, face: Detection) -> np.ndarray:
        """The crop of a detected face that the model reads, aligned by the eyes if known."""
        if face.landmarks is None:
            return crop(image, face.box, self.card.face_margin)
        side = max(self.card.height, self.card.width)
        return align(image, face.landmarks, side, self.card.face_margin)

    def _prepare(self, one: np.ndarray) -> np.ndarray:
        card = self.card
        return self._scaled(
            images.prepare(images.to_uint8(one), card.height, card.width, card.channels)
        )

    def _scaled(self, sample: np.ndarray) -> np.ndarray:
        if self.card.range == (0, 255):
            return sample
        low, high = self.card.range
        return sample.astype(np.float32) * ((high - low) / 255) + low

    def _must_read(self, task: str) -> None:
        if self.card.task == task:
            return
        inputs = {
            "image": "single images: use predict or predict_faces",
            "clip": f"clips of {self.card.frames} frames: use predict_clip, or Spotter for a video",
            "flow": "flow from onset to apex: use Spotter for a video or a clip",
        }
        raise UserError(f"{self.card.name} reads {inputs[self.card.task]}")


def join(face: Detection, expression: Expression) -> Face:
    """The face of a detection and its expression."""
    return Face(
        label=expression.label,
        confidence=expression.confidence,
        probabilities=expression.probabilities,
        box=face.box,
        score=face.score,
        landmarks=face.landmarks,
    )

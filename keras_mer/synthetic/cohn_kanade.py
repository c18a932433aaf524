"""Writers of synthetic sequences in the layouts of CK+48 and of the original CK+."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer import labels as vocabularies
from keras_mer.errors import UserError
from keras_mer.synthetic.face import draw_face
from keras_mer.synthetic.identity import make_identity
from keras_mer.synthetic.scene import Scene
from keras_mer.synthetic.store import (
    Progress,
    check_arguments,
    new_folder,
    save_image,
    with_progress,
)
from keras_mer.synthetic.units import action_units

_CK48_NAMES = {
    "angry": "anger", "contempt": "contempt", "disgust": "disgust", "fear": "fear",
    "happy": "happy", "sad": "sadness", "surprise": "surprise",
}  # fmt: skip


def write_ck48(
    folder: str | os.PathLike,
    count: int = 140,
    subjects: int = 20,
    size: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write CK+48: ``<class>/S010_004_00000017.png``, the last three frames of each sequence.

    Arguments and errors as for `write_samples`; `count` is the number of sequences, each with three
    gray images. Class folders are named as in CK+48 (anger, sadness, no neutral).
    """
    check_arguments(count, subjects, size, seed)
    with new_folder(folder, overwrite) as root:
        for name in _CK48_NAMES.values():
            (root / name).mkdir()
        for sequence in with_progress(_sequences(count, subjects, seed, 10, 25), progress):
            for frame in range(sequence.length - 2, sequence.length + 1):
                name = f"{sequence.stem}_{frame:08d}.png"
                save_image(
                    root / _CK48_NAMES[sequence.label] / name, sequence.draw(frame, size, 0.0)
                )


def write_ckplus(
    folder: str | os.PathLike,
    count: int = 70,
    subjects: int = 20,
    size: int = 128,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    frames: tuple[int, int] = (6, 12),
    overwrite: bool = False,
) -> None:
    """Write the original CK+ tree: sequences from neutral to the peak.

    ``cohn-kanade-images/S005/001/S005_001_00000001.png`` onwards, and for four of five sequences
    ``Emotion/S005/001/S005_001_00000011_emotion.txt``, named after the last frame, with its code
    (`labels.CKPLUS`) as ``   3.0000000e+00``; for the fifth that folder is empty. Arguments and
    errors as for `write_samples`; `count` is the number of sequences, `frames` their shortest and
    longest length (2 or more).
    """
    check_arguments(count, subjects, size, seed)
    if not 2 <= frames[0] <= frames[1] <= 1000:
        raise UserError(f"frames must be a shortest and longest length from 2, got {frames}")
    with new_folder(folder, overwrite) as root:
        for sequence in with_progress(_sequences(count, subjects, seed, *frames), progress):
            place = Path(sequence.stem[:4]) / sequence.stem[5:]
            images, label = root / "cohn-kanade-images" / place, root / "Emotion" / place
            images.mkdir(parents=True)
            label.mkdir(parents=True)
            for frame in range(1, sequence.length + 1):
                save_image(
                    images / f"{sequence.stem}_{frame:08d}.png", sequence.draw(frame, size, 0.25)
                )
            if sequence.number % 5 != 4:
                code = vocabularies.CKPLUS.index(sequence.label)
                text = label / f"{sequence.stem}_{sequence.length:08d}_emotion.txt"
                text.write_text(f"   {code:.7e}\n", encoding="ascii")


@dataclass(frozen=True)
class _Sequence:
    """A sequence of CK+: one person from neutral to the peak of an expression."""

    number: int
    stem: str
    label: str
    subject: int
    length: int
    seed: int

    def draw(self, frame: int, size: int, margin: float) -> np.ndarray:
        rng = np.random.default_rng([self.seed, self.number, 0xCC])
        identity = make_identity(self.seed, self.subject)
        peak = action_units(self.label, rng.uniform(0.75, 1.0), identity, rng)
        scene = Scene.random(rng, 0.5)
        rise = (frame - 1) / (self.length - 1)
        units = identity.rest + (0.5 - 0.5 * np.cos(np.pi * rise)) * (peak - identity.rest)
        image = draw_face(identity, np.clip(units, 0, None), scene, size, margin)
        # independent noise in each frame, since static parts would be identical otherwise
        noise = np.random.default_rng([self.seed, self.number, frame]).standard_normal((size, size))
        return np.clip(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) + noise, 0, 255).astype(np.uint8)


def _sequences(count, subjects, seed, shortest, longest) -> list[_Sequence]:
    labels = tuple(_CK48_NAMES)
    out = []
    for i in range(count):
        identity, turn = i % subjects + 1, i // subjects
        length = int(np.random.default_rng([seed, i, 0x5E]).integers(shortest, longest + 1))
        label = labels[(identity + turn) % len(labels)]
        out.append(
            _Sequence(i, f"S{identity + 4:03d}_{turn + 1:03d}", label, identity, length, seed)
        )
    return out

"""Sequences of drawn faces in the layouts of CK+48 and of the original CK+."""

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
    check,
    counted,
    new_folder,
    save,
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

    Arguments and errors are `write_samples`'; `count` is of sequences, so there are three times
    as many grey pictures. Class folders are named as in CK+48 (anger, sadness, no neutral).
    """
    check(count, subjects, size, seed)
    with new_folder(folder, overwrite) as root:
        for name in _CK48_NAMES.values():
            (root / name).mkdir()
        for sequence in counted(_sequences(count, subjects, seed, 10, 25), progress):
            for frame in range(sequence.length - 2, sequence.length + 1):
                name = f"{sequence.stem}_{frame:08d}.png"
                save(root / _CK48_NAMES[sequence.label] / name, sequence.draw(frame, size, 0.0))


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

    ``cohn-kanade-images/S005/001/S005_001_00000001.png`` onwards, and for four sequences in five
    ``Emotion/S005/001/S005_001_00000011_emotion.txt``, named by the last frame and holding its
    code (`emotions.CKPLUS`) as ``   3.0000000e+00``; of the fifth that folder is empty.
    Arguments and errors are `write_samples`'; `count` is of sequences, `frames` the shortest and
    longest one's length (2 or more).
    """
    check(count, subjects, size, seed)
    if not 2 <= frames[0] <= frames[1] <= 1000:
        raise UserError(f"frames must be a shortest and longest length from 2, got {frames}")
    with new_folder(folder, overwrite) as root:
        for sequence in counted(_sequences(count, subjects, seed, *frames), progress):
            place = Path(sequence.stem[:4]) / sequence.stem[5:]
            images, label = root / "cohn-kanade-images" / place, root / "Emotion" / place
            images.mkdir(parents=True)
            label.mkdir(parents=True)
            for frame in range(1, sequence.length + 1):
                save(images / f"{sequence.stem}_{frame:08d}.png", sequence.draw(frame, size, 0.25))
            if sequence.number % 5 != 4:
                code = vocabularies.CKPLUS.index(sequence.label)
                text = label / f"{sequence.stem}_{sequence.length:08d}_emotion.txt"
                text.write_text(f"   {code:.7e}\n", encoding="ascii")


@dataclass(frozen=True)
class _Sequence:
    """A sequence of CK+: one person going from neutral to an expression's peak."""

    number: int
    stem: str
    label: str
    subject: int
    length: int
    seed: int

    def draw(self, frame: int, size: int, margin: float) -> np.ndarray:
        rng = np.random.default_rng([self.seed, self.number, 0xCC])
        who = make_identity(self.seed, self.subject)
        peak = action_units(self.label, rng.uniform(0.75, 1.0), who, rng)
        scene = Scene.random(rng, 0.5)
        rise = (frame - 1) / (self.length - 1)
        units = who.rest + (0.5 - 0.5 * np.cos(np.pi * rise)) * (peak - who.rest)
        image = draw_face(who, np.clip(units, 0, None), scene, size, margin)
        # noise differs from frame to frame, or the still parts would be identical
        noise = np.random.default_rng([self.seed, self.number, frame]).standard_normal((size, size))
        return np.clip(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) + noise, 0, 255).astype(np.uint8)


def _sequences(count, subjects, seed, shortest, longest) -> list[_Sequence]:
    labels = tuple(_CK48_NAMES)
    out = []
    for i in range(count):
        who, turn = i % subjects + 1, i // subjects
        length = int(np.random.default_rng([seed, i, 0x5E]).integers(shortest, longest + 1))
        label = labels[(who + turn) % len(labels)]
        out.append(_Sequence(i, f"S{who + 4:03d}_{turn + 1:03d}", label, who, length, seed))
    return out

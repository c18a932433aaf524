"""Tiny datasets whose images encode their class, and checks that every source passes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_mer import labels
from keras_mer.data import loading

CLASSES = labels.VOCABULARIES["fer8"]


class Faces:
    """48x48 gray images whose mean brightness encodes their class: 20, 50, 80, ... (fer8)."""

    def __init__(self):
        self._rng = np.random.default_rng(0)

    def draw(self, label: str, size: int = 48) -> np.ndarray:
        level = 20 + 30 * CLASSES.index(label)
        noise = self._rng.integers(-8, 9, (size, size))
        return np.clip(level + noise, 0, 255).astype(np.uint8)

    def save(self, path: Path, label: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), self.draw(label))

    def pixels(self, label: str) -> str:
        return " ".join(map(str, self.draw(label).ravel()))

    @staticmethod
    def seen(image: np.ndarray) -> str:
        return CLASSES[round((float(image.mean()) - 20) / 30)]

    def check(self, manifest, *, source: str) -> None:
        """Check canonical classes, relative paths that load, and labels that match the images."""
        assert manifest.classes == labels.vocabulary(manifest.classes)
        assert len({s.path for s in manifest}) == len(manifest)
        kept = manifest.where(lambda s: s.split != "dropped")
        assert len(kept) > 0
        for s in manifest:
            assert s.source == source
            assert not Path(s.path).is_absolute() and ".." not in Path(s.path).parts
            assert s.split in ("train", "validation", "test", "", "dropped")
            assert bool(s.note) or s.split != "dropped"
        assert {s.label for s in kept} <= set(manifest.classes)
        read = dict(loading.load_native(kept))
        assert sorted(read) == list(range(len(kept)))
        for i, image in read.items():
            assert image.dtype == np.uint8 and image.ndim == 2
            assert self.seen(image) == kept.samples[i].label, kept.samples[i].path


@pytest.fixture
def faces() -> Faces:
    return Faces()

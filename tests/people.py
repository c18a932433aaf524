"""Synthetic flow images of several subjects for tests of cross-validation and training."""

from pathlib import Path

import cv2
import numpy as np

from keras_mer.data.manifest import Manifest, Sample
from keras_mer.labels import VOCABULARIES

CLASSES = VOCABULARIES["megc3"]


def people(subjects: int = 8, each: int = 6, size: int = 12, noise: float = 40.0, seed: int = 0):
    """A manifest and its inputs, uint8 (samples, size, size, 3): a bright band encodes the class.

    The first half of the subjects is dataset ``one``, the rest ``two``. Each subject has its own
    noise pattern, and the last one has a single class.
    """
    random = np.random.default_rng(seed)
    samples, images = [], []
    for i in range(subjects):
        own = random.normal(0, noise / 2, (size, size, 3))
        source = "one" if i < subjects // 2 else "two"
        for k in range(each):
            label = 0 if i == subjects - 1 else k % 3
            image = 110 + own + random.normal(0, noise, (size, size, 3))
            band = size // 3
            image[label * band : (label + 1) * band] += 60
            images.append(np.clip(image, 0, 255).astype(np.uint8))
            samples.append(
                Sample(
                    path=f"{source}-{i}-{k}.png",
                    label=CLASSES[label],
                    subject=f"{source}:s{i}",
                    clip=f"{source}:s{i}-{k}",
                    source=source,
                )
            )
    return Manifest(tuple(samples), Path(), CLASSES), np.stack(images)


def write(folder: Path, **how) -> Path:
    """Write `people` as a folder of flow images with its samples.csv."""
    manifest, images = people(**how)
    folder.mkdir(parents=True)
    lines = ["file,dataset,subject,clip,label"]
    for sample, image in zip(manifest, images, strict=True):
        cv2.imwrite(str(folder / sample.path), image[..., ::-1])
        subject, clip = sample.subject.split(":")[1], sample.clip.split(":")[1]
        lines.append(f"{sample.path},{sample.source},{subject},{clip},{sample.label}")
    (folder / "samples.csv").write_text("\n".join(lines) + "\n")
    return folder


def recipe(model: dict | None = None, training: dict | None = None, **protocol):
    """A recipe that is trained on `people` in a second."""
    from keras_mer.config import recipe as recipes

    return recipes.parse(
        {
            "name": "people",
            "data": {"sources": {"flow-images": "people"}, "vocabulary": "megc3"},
            "model": model or {"name": "svm", "size": 12},
            "augment": {"flip": True, "shift": 0.05, "rotate": 0, "zoom": 0},
            "training": {
                "epochs": 4, "batch": 16, "optimizer": "adamw", "rate": 5e-3, "warmup": 1,
                "imbalance": "class_weights",
            } | (training or {}),
            "protocol": protocol,
        },
        "test",
    )  # fmt: skip


#: A small network for these images.
TINY = {"name": "flow", "size": 12, "filters": [4, 8], "kernel": 3, "dropout": 0.1}

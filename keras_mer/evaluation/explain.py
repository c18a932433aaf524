"""Pictures of what a run's model looks at: samples with their maps, and mean maps by class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_mer.data import inputs
from keras_mer.data.manifest import Manifest
from keras_mer.evaluation import gradcam
from keras_mer.progress import track

Rows = list[tuple[str, list[tuple[np.ndarray, np.ndarray, str]]]]


@dataclass(frozen=True, eq=False)
class Maps:
    """Samples of a split with their maps.

    Attributes:
        classes: class names.
        samples: uint8 (samples, ...), as the model takes them.
        labels: class indices, (samples,).
        captions: the prediction of each sample, as text.
        maps: float32, the samples' shape without channels, for the true class, 0..1.
        means, mean_samples: by class, see `gradcam.mean_maps`.
    """

    classes: tuple[str, ...]
    samples: np.ndarray
    labels: np.ndarray
    captions: list[str]
    maps: np.ndarray
    means: np.ndarray
    mean_samples: np.ndarray


def explain(
    model: keras.Model,
    manifest: Manifest,
    split: str,
    folder: Path,
    *,
    kind: str,
    title: str,
    count: int = 100,
    layer: str | None = None,
    pooled: bool = False,
) -> list[Path]:
    """Draw the maps of a split's samples, for their true classes.

    Args:
        model: raw pixels -> probabilities.
        manifest: with rows in `split`.
        split: which part.
        folder: to write into: `samples.png`, `means.png` and `means.npz`.
        kind: of the model's input, a key of `LAYOUTS`.
        title: of the pictures.
        count: samples of each class, at most.
        layer, pooled: see `gradcam.grad_cam`.

    Returns:
        The files written.
    """
    part = manifest.part(split)
    labels, random = part.labels(), np.random.default_rng(0)
    picks = [
        random.permutation(np.flatnonzero(labels == c))[:count]
        for c in range(len(manifest.classes))
    ]
    chosen = np.sort(np.concatenate(picks))
    part, labels = part.replace(part.samples[i] for i in chosen), labels[chosen]
    samples = inputs.load(part, kind, model.input_shape[1:], progress=track)
    options = {"layer": layer, "pooled": pooled}
    maps, probabilities = gradcam.grad_cam(model, samples, labels, **options)
    means, mean_samples = gradcam.mean_maps(model, samples, labels, **options)
    captions = [f"{manifest.classes[int(p.argmax())]} {p.max():.0%}" for p in probabilities]
    found = Maps(manifest.classes, samples, labels, captions, maps, means, mean_samples)
    singles, averages = LAYOUTS[kind](found)
    files = [folder / name for name in ("samples.png", "means.png", "means.npz")]
    gradcam.draw_grid(singles, files[0], f"{title}: what supports the true class")
    gradcam.draw_grid(averages, files[1], f"{title}, {split}: mean maps by class")
    np.savez(files[2], maps=means, samples=mean_samples, classes=np.array(manifest.classes))
    return files


def _scaled(means: np.ndarray) -> np.ndarray:
    return means / np.maximum(means.max((-2, -1), keepdims=True), 1e-12)


def _image_rows(found: Maps) -> tuple[Rows, Rows]:
    """Six samples of each class; the mean map, and its difference from the other classes'."""
    against, means = gradcam.contrast(found.means), _scaled(found.means)
    singles, averages = [], []
    for c, name in enumerate(found.classes):
        rows = np.flatnonzero(found.labels == c)[:6]
        singles.append((name, [(found.samples[i], found.maps[i], found.captions[i]) for i in rows]))
        count = f"{(found.labels == c).sum()} samples"
        mean = found.mean_samples[c]
        averages.append(
            (name, [(mean, means[c], count), (mean, against[c], "against the other classes")])
        )
    return singles, averages


def _clip_rows(found: Maps) -> tuple[Rows, Rows]:
    """Six frames of one clip of each class, and of the class's mean."""
    length, means = found.samples.shape[1], _scaled(found.means)
    frames = np.unique(np.linspace(0, length - 1, 6).round().astype(int))
    numbers = [f"frame {frame + 1}" for frame in frames]

    def cells(clip: np.ndarray, maps: np.ndarray, captions: Sequence[str]) -> list:
        return list(zip(clip[frames], maps[frames], captions, strict=True))

    singles, averages = [], []
    for c, name in enumerate(found.classes):
        averages.append((name, cells(found.mean_samples[c], means[c], numbers)))
        rows = np.flatnonzero(found.labels == c)
        if len(rows):
            captions = [found.captions[rows[0]], *numbers[1:]]
            singles.append((name, cells(found.samples[rows[0]], found.maps[rows[0]], captions)))
    return singles, averages


#: By kind of input: how samples and mean maps are laid out in rows.
LAYOUTS: dict[str, Callable[[Maps], tuple[Rows, Rows]]] = {
    "image": _image_rows,
    "flow": _image_rows,
    "clip": _clip_rows,
}

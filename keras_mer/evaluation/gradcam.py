"""Grad-CAM heat maps of single samples, and their means per class."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from keras_mer.errors import UserError, nearest
from keras_mer.evaluation.report import save_figure
from keras_mer.models import layer_freezing

#: Smallest side of the feature map that is used by default. Smaller maps do not separate mouth and
#: cheeks; those of earlier layers show edges rather than class evidence.
SIDE = 5

_RED_BLUE = plt.get_cmap("RdBu_r")
#: Names of `models.ensemble`'s models; earlier versions saved them as "committee".
_ENSEMBLES = ("ensemble", "committee")


def grad_cam(
    model: keras.Model,
    images: np.ndarray,
    classes: Sequence[int] | None = None,
    *,
    layer: str | None = None,
    pooled: bool = False,
    batch: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Grad-CAM (Selvaraju et al. 2017): heat maps of the evidence for a class.

    A feature map is multiplied by the gradient of the class's logit, summed over channels, clipped
    at 0 and resized to the input. The gradient is used per position (HiResCAM, Draelos and Carin
    2020). The original method averages it over the map: equivalent for networks with global
    average pooling, but misleading for networks with position-dependent weights, like
    `models.cnn`.

    Args:
        model: float32, raw pixels -> probabilities or logits. Layers of nested models are found;
            the map of an ensemble is the mean of its members' maps; for models that average over
            the mirrored input, the map is that of the input itself.
        images: uint8 or float (samples, height, width, channels), or clips (samples, frames,
            height, width, channels) with a map for each frame.
        classes: the class to explain, per sample; None for the predicted one.
        layer: name of the layer whose output is the feature map; None for `feature_layer`.
        pooled: average the gradient over the map, as the original method.
        batch: samples per batch.

    Returns:
        Maps, float32 (samples, height, width) or (samples, frames, height, width), scaled to 0..1
        by their maximum (all 0 without evidence for the class); and the probabilities, float32
        (samples, classes).

    Raises:
        UserError: for an unknown layer, or one whose output is not a feature map.
    """
    if model.name in _ENSEMBLES:
        return _of_ensemble(model, images, classes, layer=layer, pooled=pooled, batch=batch)
    found = feature_layer(model) if layer is None else _named(model, layer)
    if found is None:
        return _input_gradients(model, images, classes, batch)
    logits = next((x for x in layer_freezing.leaves(model) if x.name == "logits"), None)
    maps, probabilities = [], []
    for start in range(0, len(images), batch):
        x = np.asarray(images[start : start + batch], np.float32)
        with tf.GradientTape() as tape, _recorded(found, tape) as features:
            with _recorded(logits, tape) as scores:
                out = model(x, training=False)
            score = scores[-1] if scores else tf.math.log(out + 1e-12)
            # A model that averages over the mirrored input has two rows per sample.
            score = tf.reduce_mean(tf.reshape(score, (len(x), -1, score.shape[-1])), 1)
            wanted = np.argmax(out, -1) if classes is None else classes[start : start + batch]
            # Relative to the mean logit: a change of all logits changes no probability.
            score -= tf.reduce_mean(score, 1, keepdims=True)
            chosen = tf.reduce_sum(tf.gather(score, np.asarray(wanted), axis=1, batch_dims=1))
        if len(features) != 1 or features[0].shape.rank not in (4, 5):
            raise UserError(
                f"layer '{found.name}': expected an output (batch, height, width, channels); "
                "name a convolution or pooling layer"
            )
        gradient = tape.gradient(chosen, features[0])
        gradient = np.zeros_like(features[0]) if gradient is None else gradient.numpy()
        maps.append(_map(features[0].numpy(), gradient, x.shape, pooled))
        probabilities.append(tf.nn.softmax(score).numpy())
    return np.concatenate(maps), np.concatenate(probabilities)


def _input_gradients(model: keras.Model, images: np.ndarray, classes, batch: int):
    """Absolute gradients of the class's score by the pixels (Simonyan et al. 2014)."""
    maps, probabilities = [], []
    scores = keras.Model(model.input, _logits_of(model))
    for start in range(0, len(images), batch):
        x = tf.constant(np.asarray(images[start : start + batch], np.float32))
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = scores(x, training=False)
            wanted = np.argmax(score, -1) if classes is None else classes[start : start + batch]
            chosen = tf.reduce_sum(tf.gather(score, np.asarray(wanted), axis=1, batch_dims=1))
        found = np.abs(tape.gradient(chosen, x).numpy()).sum(-1)
        maps.append(found / np.maximum(found.max((-2, -1), keepdims=True), 1e-12))
        probabilities.append(model(x, training=False).numpy())
    return np.concatenate(maps), np.concatenate(probabilities)


def _logits_of(model: keras.Model) -> keras.KerasTensor:
    known = {layer.name: layer for layer in model.layers}
    return known["logits"].output if "logits" in known else model.output


def _of_ensemble(model: keras.Model, images: np.ndarray, classes, **options):
    members = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if classes is None:
        batch = options["batch"]
        classes = model.predict(np.asarray(images, np.float32), batch, verbose=0).argmax(-1)
    found = [grad_cam(member, images, classes, **options) for member in members]
    maps, probabilities = (np.mean(values, axis=0) for values in zip(*found, strict=True))
    return maps / np.maximum(maps.max((-2, -1), keepdims=True), 1e-12), probabilities


@contextlib.contextmanager
def _recorded(layer: keras.layers.Layer | None, tape: tf.GradientTape) -> Iterator[list]:
    """Record and watch a layer's outputs while the model runs eagerly, at any nesting depth."""
    outputs: list = []
    if layer is None:
        yield outputs
        return
    call = layer.call

    def recording_call(*args, **kwargs):
        out = call(*args, **kwargs)
        tape.watch(out)
        outputs.append(out)
        return out

    layer.call = recording_call
    try:
        yield outputs
    finally:
        layer.call = call


def _map(feature: np.ndarray, gradient: np.ndarray, shape: tuple, pooled: bool) -> np.ndarray:
    if pooled:
        gradient = gradient.mean((-3, -2), keepdims=True)
    found = np.maximum((feature * gradient).sum(-1), 0)
    height, width = shape[-3:-1]
    flat = found.reshape(-1, *found.shape[-2:])
    flat = np.stack([cv2.resize(one, (width, height)) for one in flat.astype(np.float32)])
    # Recurrent models fold the frames into the batch axis.
    found = flat.reshape(shape[0], -1, height, width)
    found = found / np.maximum(found.max((-2, -1), keepdims=True), 1e-12)
    return found if len(shape) == 5 else found[:, 0]


def feature_layer(model: keras.Model) -> keras.layers.Layer | None:
    """The last layer whose feature map is at least `SIDE` wide, or the last with the widest map.

    None where no layer gives a feature map, as in a linear model.
    """
    sides = [(layer, _side(layer)) for layer in layer_freezing.leaves(model)]
    sides = [(layer, side) for layer, side in sides if side > 1]
    if not sides:
        return None
    limit = min(SIDE, max(side for _, side in sides))
    return [layer for layer, side in sides if side >= limit][-1]


def _side(layer: keras.layers.Layer) -> int:
    """Side of the layer's feature map (batch, side, side, channels); 0 if it has none."""
    if isinstance(layer, keras.layers.InputLayer):
        return 0
    try:
        shape = layer.output.shape
    except (AttributeError, ValueError):
        return 0
    return min(shape[-3:-1]) if len(shape) in (4, 5) and None not in shape[-3:-1] else 0


def _named(model: keras.Model, name: str) -> keras.layers.Layer:
    known = {layer.name: layer for layer in layer_freezing.leaves(model)}
    if name not in known:
        maps = [n for n, layer in known.items() if _side(layer) > 1]
        raise UserError(
            f"no layer '{name}' in {model.name}{nearest(name, maps)}; the last feature maps are "
            f"{', '.join(maps[-6:])}"
        )
    return known[name]


def mean_maps(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, **options
) -> tuple[np.ndarray, np.ndarray]:
    """The mean heat map and the mean image of each class, explaining the true class.

    Args:
        model, options: as for `grad_cam`.
        images: uint8 (samples, height, width, channels), or clips (samples, frames, height, width,
            channels).
        labels: class indices, (samples,).

    Returns:
        Maps, float32 (classes, height, width), and mean images, float32 (classes, height, width,
        channels), with frames after the classes for clips; zeros for a class without samples.
    """
    maps, _ = grad_cam(model, images, labels, **options)
    count = model.output_shape[-1]
    share = (labels == np.arange(count)[:, None]).astype(np.float32)
    share /= np.maximum(share.sum(1, keepdims=True), 1)
    return np.tensordot(share, maps, 1), np.tensordot(share, np.asarray(images, np.float32), 1)


def contrast(means: np.ndarray) -> np.ndarray:
    """The difference of each class's mean map from the mean over the classes.

    The mean maps of a network resemble each other: with large receptive fields all have their
    maximum near the center of the face. The differences show what distinguishes the classes.

    Args:
        means: as from `mean_maps`, (classes, height, width).

    Returns:
        float32 of that shape: differences of the maps, normalized to sum 1 before and to the range
        -1..1 after. A class without a map stays 0 and is excluded from the mean.
    """
    sums = means.sum((1, 2), keepdims=True)
    shares = means / np.maximum(sums, 1e-12)
    there = sums > 0
    found = np.where(there, shares - shares.sum(0) / max(there.sum(), 1), 0)
    return (found / max(np.abs(found).max(), 1e-12)).astype(np.float32)


def overlay(image: np.ndarray, heat: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """Draw a heat map over a face.

    Args:
        image: (height, width, 1 or 3), 0..255; 3 channels are RGB.
        heat: (height, width), 0..1; with negative values, -1..1, drawn blue (below 0) to red.
        strength: opacity where the map is 1.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    gray = np.broadcast_to(np.asarray(image, np.float32), (*heat.shape, 3))
    colors = plt.get_cmap("inferno")(heat) if heat.min() >= 0 else _RED_BLUE(0.5 + heat / 2)
    color = 255 * colors[..., :3]
    alpha = strength * np.abs(heat[..., None]) ** 0.5
    return (gray * (1 - alpha) + color * alpha).clip(0, 255).astype(np.uint8)


def draw_grid(
    rows: Sequence[tuple[str, Sequence[tuple[np.ndarray, np.ndarray, str]]]],
    path: str | os.PathLike,
    title: str,
) -> None:
    """Draw a grid of images and their heat maps, a row per class.

    Args:
        rows: (name, cells); a cell is (image, map, caption).
        path: PNG file to write.
        title: of the figure.
    """
    columns = max(len(cells) for _, cells in rows)
    figure, axes = plt.subplots(
        len(rows), 2 * columns, figsize=(2.3 * columns + 1, 1.35 * len(rows) + 0.6),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for line, (name, cells) in zip(axes, rows, strict=True):
        line[0].set_ylabel(name)
        for at, (image, heat, caption) in enumerate(cells):
            blank = np.zeros(heat.shape)
            line[2 * at].imshow(overlay(image, blank))
            line[2 * at + 1].imshow(overlay(image, heat))
            line[2 * at + 1].set_title(caption, fontsize=8)
    figure.suptitle(title)
    save_figure(figure, Path(path))

"""Figures of self-supervised pretraining: history, nearest neighbors, embedding."""

import os

import matplotlib.pyplot as plt
import numpy as np

from keras_mer.evaluation.report import save_figure


def draw_history(history: list[dict], path: str | os.PathLike) -> None:
    """Draw loss, output entropies, feature rank, k-NN accuracy and learning rate per epoch.

    Args:
        history: a dict per epoch with epoch, loss, entropy, mean_output_entropy (``spread`` in
            older runs), rank, nearest and rate.
    """
    history = [{"mean_output_entropy": row.get("spread"), **row} for row in history]
    epochs = [row["epoch"] for row in history]
    figure, axes = plt.subplots(1, 5, figsize=(20, 3.6), layout="constrained")
    for axis, (title, *names) in zip(
        axes,
        (
            ("Loss", "loss"),
            ("Output entropy: mean, and of the mean", "entropy", "mean_output_entropy"),
            ("Effective rank of the features", "rank"),
            ("Validation accuracy of k nearest neighbors", "nearest"),
            ("Learning rate", "rate"),
        ),
        strict=True,
    ):
        for name in names:
            label = name.replace("_", " ")
            axis.plot(epochs, [row[name] for row in history], label=label, marker=".")
        axis.set(title=title, xlabel="epoch")
        axis.grid(alpha=0.3)
        if len(names) > 1:
            axis.legend()
    save_figure(figure, path)


def draw_neighbors(
    images: np.ndarray, names: list[str], rows: np.ndarray, path: str | os.PathLike, count: int = 10
) -> None:
    """Draw images and their nearest neighbors; titles are green for the same class, else red.

    Args:
        images: uint8 (samples, height, width, channels).
        names: class name of each image.
        rows: indices of each image's neighbors, nearest first, (samples, k).
        count: number of images shown, evenly spaced over all.
    """
    shown = np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)
    size = (1.4 * (rows.shape[1] + 1), 1.6 * len(shown))
    figure, axes = plt.subplots(
        len(shown), rows.shape[1] + 1, figsize=size, squeeze=False, layout="constrained"
    )
    for line, row in zip(axes, shown, strict=True):
        for axis, other in zip(line, [row, *rows[row]], strict=True):
            axis.axis("off")
            axis.imshow(images[other].squeeze(), cmap="gray", vmin=0, vmax=255)
            color = (
                "black" if other == row else "#1a6b2f" if names[other] == names[row] else "#b2182b"
            )
            axis.set_title(names[other], fontsize=9, color=color)
    figure.suptitle("Left: an image; right: its nearest neighbors in feature space")
    save_figure(figure, path)


def draw_embedding(
    points: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], path: str | os.PathLike
) -> None:
    """Draw samples in their first two principal components, colored by class.

    Args:
        points: (samples, 2).
        labels: class indices, (samples,).
    """
    figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
    for index, name in enumerate(classes):
        axis.scatter(*points[labels == index].T, s=8, alpha=0.7, label=name, color=f"C{index}")
    axis.set(
        xlabel="first principal component",
        ylabel="second principal component",
        title="Features by class",
    )
    axis.legend(markerscale=2)
    save_figure(figure, path)

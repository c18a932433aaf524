"""Pictures of what a network learnt without labels."""

import os

import matplotlib.pyplot as plt
import numpy as np

from keras_mer.evaluation.report import save_figure


def draw_history(history: list[dict], path: str | os.PathLike) -> None:
    """Draw loss, entropies, deviation and rank, neighbours' accuracy and rate by epoch."""
    epochs = [row["epoch"] for row in history]
    figure, axes = plt.subplots(1, 5, figsize=(20, 3.6), layout="constrained")
    for axis, (title, *names) in zip(
        axes,
        (
            ("Loss", "loss"),
            ("Entropy: of an answer, of the mean answer", "entropy", "mean_output_entropy"),
            ("Directions that the features use", "rank"),
            ("Validation accuracy of nearest neighbours", "nearest"),
            ("Learning rate", "rate"),
        ),
        strict=True,
    ):
        for name in names:
            axis.plot(epochs, [row[name] for row in history], label=name, marker=".")
        axis.set(title=title, xlabel="epoch")
        axis.grid(alpha=0.3)
        if len(names) > 1:
            axis.legend()
    save_figure(figure, path)


def draw_neighbours(
    images: np.ndarray, names: list[str], rows: np.ndarray, path: str | os.PathLike, count: int = 10
) -> None:
    """Draw some images, each with its nearest neighbours; green names the same class, red another.

    Args:
        images: uint8 (samples, height, width, channels).
        names: the class of each.
        rows: the neighbours of each, nearest first, (samples, k).
        count: images shown, evenly from all.
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
            colour = (
                "black" if other == row else "#1a6b2f" if names[other] == names[row] else "#b2182b"
            )
            axis.set_title(names[other], fontsize=9, color=colour)
    figure.suptitle("Left: an image; beside it those that the features find most alike")
    save_figure(figure, path)


def draw_embedding(
    points: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], path: str | os.PathLike
) -> None:
    """Draw samples by their first two principal components, coloured by class.

    Args:
        points: (samples, 2).
        labels: class indices, (samples,).
    """
    figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
    for index, name in enumerate(classes):
        axis.scatter(*points[labels == index].T, s=8, alpha=0.7, label=name, color=f"C{index}")
    axis.set(xlabel="first principal component", ylabel="second", title="Features, by class")
    axis.legend(markerscale=2)
    save_figure(figure, path)

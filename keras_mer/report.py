"""Pictures and tables of a run and of an evaluation."""

import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from keras_mer.files import replacing


def save_figure(figure: plt.Figure, path: str | os.PathLike) -> None:
    """Save a figure as PNG, whole or not at all, and close it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, bbox_inches="tight")
    plt.close(figure)


def draw_curves(history: list[dict], path: str | Path, best: int | None = None) -> None:
    """Draw loss, accuracy, UAR and learning rate by epoch; a line marks the epoch kept."""
    epochs = [row["epoch"] for row in history]
    figure, axes = plt.subplots(1, 4, figsize=(16, 3.6))
    for axis, (title, *names) in zip(axes, (
        ("Loss", "loss", "val_loss"),
        ("Accuracy", "accuracy", "val_accuracy"),
        ("Unweighted average recall", "uar", "val_uar"),
        ("Learning rate", "rate"),
    ), strict=True):  # fmt: skip
        for name in names:
            label = "validation" if name.startswith("val_") else "train"
            axis.plot(epochs, [row[name] for row in history], label=label, marker=".")
        if best is not None:
            axis.axvline(best, color="grey", linestyle=":", label=f"kept: epoch {best}")
        axis.set(title=title, xlabel="epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    save_figure(figure, path)

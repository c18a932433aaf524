"""Pictures and tables of a run and of an evaluation."""

import os
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from keras_mer.files import replacing


def save_figure(figure: plt.Figure, path: str | os.PathLike) -> None:
    """Save a figure as PNG, whole or not at all, and close it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, bbox_inches="tight")
    plt.close(figure)


def draw_curves(history: list[dict], path: str | Path, best: int | None = None) -> None:
    """Draw loss, accuracy, UAR and learning rate by epoch; lines mark the epoch kept and phases."""
    epochs = [row["epoch"] for row in history]
    changes = [b["epoch"] for a, b in pairwise(history) if a.get("phase") != b.get("phase")]
    figure, axes = plt.subplots(1, 4, figsize=(16, 3.6), layout="constrained")
    for axis, (title, *names) in zip(
        axes,
        (
            ("Loss", "loss", "val_loss"),
            ("Accuracy", "accuracy", "val_accuracy"),
            ("Unweighted average recall", "uar", "val_uar"),
            ("Learning rate", "rate"),
        ),
        strict=True,
    ):
        for name in names:
            label = "validation" if name.startswith("val_") else "train"
            axis.plot(epochs, [row[name] for row in history], label=label, marker=".")
        if best is not None:
            axis.axvline(best, color="grey", linestyle=":", label=f"kept: epoch {best}")
        for epoch in changes:
            axis.axvline(epoch - 0.5, color="black", linewidth=0.8, label="second phase")
        axis.set(title=title, xlabel="epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    save_figure(figure, path)


def draw_confusion(
    confusion: np.ndarray, classes: tuple[str, ...], path: str | Path, title: str
) -> None:
    """Draw a confusion matrix (a row a true class): shares of the row as colour, and counts."""
    share = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    side = 1.6 + 0.85 * len(classes)
    figure, axis = plt.subplots(figsize=(side, side))
    shown = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(confusion.shape):
        axis.text(
            j,
            i,
            f"{share[i, j]:.0%}\n{confusion[i, j]}",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if share[i, j] > 0.5 else "black",
        )
    axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="predicted", ylabel="true", title=title)
    figure.colorbar(shown, ax=axis, fraction=0.046, label="share of the true class")
    save_figure(figure, path)


def draw_misclassified(
    mistakes: list[tuple[np.ndarray, str, str, float, str]], path: str | Path, title: str
) -> None:
    """Draw a gallery of (image, true class, predicted class, confidence, file)."""
    columns = 8
    rows = max(1, -(-len(mistakes) // columns))
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(1.75 * columns, 2.3 * rows + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (image, truth, guess, confidence, file) in zip(axes.flat, mistakes, strict=False):
        axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{guess} {confidence:.0%}", color="#b2182b", fontsize=9, pad=14)
        middle = {"ha": "center", "transform": axis.transAxes}
        axis.text(0.5, 1.03, f"is {truth}", color="#1a6b2f", fontsize=9, **middle)
        axis.text(0.5, -0.03, file[-26:], color="grey", fontsize=5, va="top", **middle)
    figure.suptitle(title)
    save_figure(figure, path)


def percent(score: list[float]) -> str:
    """``[value, low, high]`` as ``"67.1 % [65.6, 68.6]"``."""
    if score[0] is None:
        return "-"
    value, low, high = (100 * v for v in score)
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def points(score: list[float]) -> str:
    """A difference ``[value, low, high]`` as ``"+3.1 [+1.2, +5.0]"``, in points."""
    value, low, high = (100 * v for v in score)
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def table(header: list[str], rows: list[list]) -> str:
    """A Markdown table; columns after the first are right-aligned."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def markdown(scores: dict, title: str) -> str:
    """The scores of `evaluation.evaluate` as a page."""
    views = {
        "whole": "whole split",
        "without_duplicates": "without duplicates of train",
        "whole_flip": "whole split, mean with mirror image",
    }
    summary = [
        [
            text,
            scores[key]["samples"],
            *(percent(scores[key][m]) for m in ("accuracy", "macro_f1", "uar")),
            f"{scores[key]['calibration_error']:.3f}",
        ]
        for key, text in views.items()
        if key in scores
    ]
    whole = scores["whole"]
    by_class = [
        [
            name,
            sum(whole["confusion"][i]),
            *(percent(whole[m][i]) for m in ("precision", "recall", "f1")),
        ]
        for i, name in enumerate(scores["classes"])
    ]
    return "\n".join(
        [
            f"# {title}",
            "",
            f"Split: {scores['split']}. Intervals: {scores['interval']}.",
            "",
            table(["", "samples", "accuracy", "macro F1", "UAR", "calibration error"], summary),
            "",
            table(["class", "samples", "precision", "recall", "F1"], by_class),
            "",
            "![confusion matrix](confusion.png)",
            "",
            "![mistakes](misclassified.png)",
            "",
        ]
    )


def parity(card: dict) -> str:
    """The card's figures of each TFLite variant against Keras, as a Markdown table."""
    rows = [
        [
            name,
            f"{v['bytes'] / 1e6:.2f} MB",
            f"{100 * v['accuracy']:.2f} %",
            f"{100 * v['agreement']:.2f} %",
            f"{v['max_difference']:.1e}",
            f"{v['latency_ms']:.2f} ms",
        ]
        for name, v in card["variants"].items()
    ]
    header = ["file", "size", "accuracy", "same class as Keras", "largest difference", "latency"]
    p, sample = card["parity"], "face" if card["task"] == "image" else "clip"
    learnt = ", which the model learnt: a check of the files, no score" * (p["split"] == "train")
    return table(header, rows) + (
        f"\n\nOn the {p['samples']} samples of {p['split']}{learnt}; Keras: "
        f"{100 * p['keras_accuracy']:.2f} %. Latency: median of one {sample} on one thread."
    )

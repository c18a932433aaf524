"""Figures and Markdown tables of training runs and evaluations."""

import os
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from keras_mer.evaluation import metrics
from keras_mer.files import replacing


def save_figure(figure: plt.Figure, path: str | os.PathLike) -> None:
    """Save a figure as PNG, whole or not at all, and close it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, bbox_inches="tight")
    plt.close(figure)


def draw_curves(history: list[dict], path: str | Path, best: int | None = None) -> None:
    """Draw loss, accuracy, UAR and learning rate per epoch, with the best epoch and phases."""
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
    """Draw a confusion matrix, a row per true class: share of the row as color, and counts."""
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
    samples: list[tuple[np.ndarray, str, str, float, str]], path: str | Path, title: str
) -> None:
    """Draw misclassified samples: (image, true class, predicted class, confidence, file) each."""
    columns = 8
    rows = max(1, -(-len(samples) // columns))
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(1.75 * columns, 2.3 * rows + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (image, truth, prediction, confidence, file) in zip(axes.flat, samples, strict=False):
        axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{prediction} {confidence:.0%}", color="#b2182b", fontsize=9, pad=14)
        middle = {"ha": "center", "transform": axis.transAxes}
        axis.text(0.5, 1.03, f"true: {truth}", color="#1a6b2f", fontsize=9, **middle)
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
    """A difference ``[value, low, high]`` as ``"+3.1 [+1.2, +5.0]"``, in percentage points."""
    value, low, high = (100 * v for v in score)
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def table(header: list[str], rows: list[list]) -> str:
    """A Markdown table; all columns but the first are right-aligned."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def markdown(scores: dict, title: str) -> str:
    """The scores of `evaluate.evaluate` as a Markdown page."""
    views = {
        "whole": "whole split",
        "without_duplicates": "without duplicates of training samples",
        "whole_flip": "whole split, mean with mirror image",
    }
    overall, per_class = (metrics.registered(per_class=flag) for flag in (False, True))
    summary = [
        [
            text,
            scores[key]["samples"],
            *(percent(scores[key][m.name]) for m in overall),
            f"{scores[key]['calibration_error']:.3f}",
        ]
        for key, text in views.items()
        if key in scores
    ]
    whole = scores["whole"]
    by_class = [
        [name, sum(whole["confusion"][i]), *(percent(whole[m.name][i]) for m in per_class)]
        for i, name in enumerate(scores["classes"])
    ]
    return "\n".join(
        [
            f"# {title}",
            "",
            f"Split: {scores['split']}. Intervals: {scores['interval']}.",
            "",
            *(f"- {note}" for note in scores.get("notes", [])),
            *[""] * bool(scores.get("notes")),
            table(["", "samples", *(m.title for m in overall), "calibration error"], summary),
            "",
            table(["class", "samples", *(m.title for m in per_class)], by_class),
            "",
            *([disturbances(scores["disturbances"]), ""] if "disturbances" in scores else []),
            "![confusion matrix](confusion.png)",
            "",
            "![misclassified samples](misclassified.png)",
            "",
        ]
    )


def disturbances(found: dict) -> str:
    """The table of `keras_mer.evaluation.disturbances.table` in Markdown."""
    rows = [[name, f"{value:.1f}"] for name, value in found["cost"].items()]
    rows.append(["mean", f"{found['mean']:.1f}"])
    return table(["disturbance of the face", "cost, points of accuracy"], rows)


def parity(card: dict) -> str:
    """Size, accuracy and latency of each TFLite variant in a card, as a Markdown table."""
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
    caution = (
        ", which the model was trained on: this checks the files and is no score"
        if p["split"] == "train"
        else ""
    )
    return table(header, rows) + (
        f"\n\nOn the {p['samples']} samples of {p['split']}{caution}; Keras: "
        f"{100 * p['keras_accuracy']:.2f} %. Latency: median of one {sample} on one thread."
    )

"""Comparison of evaluated runs: paired differences of every metric, model size and latency."""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from keras_mer.errors import UserError
from keras_mer.evaluation import bootstrap, metrics, report


@dataclass(frozen=True, eq=False)
class Run:
    """A run's predictions on one split.

    Attributes:
        name: name of the run folder.
        folder: the run folder.
        classes: class names.
        samples: absolute path of each sample, so that runs in different folders can be aligned.
        subjects: subject of each sample, ``""`` where unknown.
        truth, prediction: class indices, (samples,).
    """

    name: str
    folder: Path
    classes: tuple[str, ...]
    samples: tuple[str, ...]
    subjects: tuple[str, ...]
    truth: np.ndarray
    prediction: np.ndarray


def read(folder: str | os.PathLike, split: str) -> Run:
    """Read a run's predictions on a split.

    Raises:
        UserError: if the run was not evaluated on that split.
    """
    folder = Path(folder)
    file = folder / f"evaluation-{split}" / "predictions.csv"
    if not file.is_file():
        raise UserError(
            f"{folder} has no predictions on {split}; make them with: "
            f"make evaluate RUN={folder} SPLIT={split}"
        )
    with file.open(newline="", encoding="utf-8") as f:
        header, *rows = csv.reader(f)
    classes = tuple(header[4:])
    index = {name: i for i, name in enumerate(classes)}
    here = os.path.abspath(folder)
    return Run(
        folder.name,
        folder,
        classes,
        tuple(os.path.normpath(os.path.join(here, row[0])) for row in rows),
        tuple(row[1] for row in rows),
        *(np.array([index[row[column]] for row in rows], np.int64) for column in (2, 3)),
    )


def aligned(runs: Sequence[Run]) -> list[Run]:
    """The runs with their samples in the order of the first run.

    Raises:
        UserError: if the runs differ in samples, labels or classes.
    """
    first, out = runs[0], []
    for run in runs:
        if run.classes != first.classes:
            raise UserError(
                f"runs with different classes cannot be compared: {first.folder} has "
                f"{', '.join(first.classes)}; {run.folder} has {', '.join(run.classes)}"
            )
        place = {sample: i for i, sample in enumerate(run.samples)}
        missing = set(first.samples) ^ place.keys()
        if missing:
            raise UserError(
                f"{first.folder} and {run.folder} were evaluated on different samples "
                f"({len(missing):,} are in one only, e.g. {min(missing)}); evaluate both on "
                "one manifest with --manifest"
            )
        order = np.array([place[sample] for sample in first.samples])
        if (run.truth[order] != first.truth).any():
            raise UserError(f"{first.folder} and {run.folder} disagree on the true classes")
        out.append(
            Run(run.name, run.folder, run.classes, first.samples, first.subjects, first.truth,
                run.prediction[order])
        )  # fmt: skip
    return out


def compare(runs: Sequence[Run], *, repeats: int = bootstrap.REPEATS) -> dict:
    """Metrics with 95 % intervals, and the paired difference of each run from the first.

    The bootstrap resamples subjects where every sample has one, else samples; both runs of a pair
    see the same resamples.

    Returns:
        JSON-ready: samples, interval, and under runs a list with name, folder, each scalar metric
        as ``[value, low, high]``, and under difference the same with a fourth number, the
        two-sided p-value of no difference (not corrected for the number of runs).
    """
    runs = aligned(runs)
    first, names = runs[0], [m.name for m in metrics.registered(per_class=False)]
    groups = np.array(first.subjects) if all(first.subjects) else None
    found = []
    for run in runs:
        base, own = bootstrap.estimate_pair(
            run.truth,
            first.prediction,
            run.prediction,
            len(first.classes),
            groups=groups,
            repeats=repeats,
        )
        entry: dict = {"name": run.name, "folder": str(run.folder), **own.intervals(names)}
        if run is not first:
            difference = own - base
            p_values = {n: round(bootstrap.two_sided_p(difference.draws[n]), 4) for n in names}
            entry["difference"] = {
                n: [*values, p_values[n]] for n, values in difference.intervals(names).items()
            }
        found.append(entry)
    over = "samples" if groups is None else "subjects"
    return {
        "samples": len(first.samples),
        "interval": f"95 % bootstrap over {over}, paired",
        "runs": found,
    }


def training_cost(folder: str | os.PathLike) -> dict:
    """Training time in seconds and number of epochs, from a run's summary.json."""
    file = Path(folder) / "summary.json"
    summary = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {"seconds": summary.get("seconds"), "epochs": summary.get("epochs")}


def markdown(found: dict, split: str) -> str:
    """The result of `compare` as a Markdown page, with each run's cost where it is known."""
    first, shown = found["runs"][0]["name"], metrics.registered(per_class=False)
    scores, costs = [], []
    for run in found["runs"]:
        differences = run.get("difference")
        scores.append(
            [
                run["name"],
                *(report.percent(run[m.name]) for m in shown),
                *(_difference(differences[m.name]) if differences else "-" for m in shown),
            ]
        )
        lite = run.get("tflite", {})
        costs.append(
            [
                run["name"],
                f"{run['parameters'] / 1e6:.2f} M" if "parameters" in run else "-",
                f"{run['multiply_adds'] / 1e6:.0f} M" if "multiply_adds" in run else "-",
                *(_lite(lite.get(variant)) for variant in ("float32", "int8")),
                _minutes(run.get("training", {})),
            ]
        )
    return "\n".join(
        [
            f"# {len(found['runs'])} runs on {split}",
            "",
            f"{found['samples']:,} samples. Intervals: {found['interval']}. Differences are from "
            f"{first}, in percentage points; p is the p-value of no difference, not corrected for "
            "multiple comparisons.",
            "",
            report.table(
                ["run", *(m.title for m in shown), *(f"{m.title}, difference" for m in shown)],
                scores,
            ),
            "",
            report.table(
                ["run", "parameters", "multiply-adds", "float32 file", "int8 file", "training"],
                costs,
            ),
            "",
            "![accuracy against latency](compare.png)",
            "",
        ]
    )


def _difference(values: list[float]) -> str:
    points, low, high = (100 * v for v in values[:3])
    return f"{points:+.1f} [{low:+.1f}, {high:+.1f}], p {values[3]:.3g}"


def _lite(figures: dict | None) -> str:
    return f"{figures['bytes'] / 1e6:.2f} MB, {figures['latency_ms']:.2f} ms" if figures else "-"


def _minutes(cost: dict) -> str:
    if cost.get("seconds") is None:
        return "-"
    return f"{cost['seconds'] / 60:.1f} min, {cost['epochs']} epochs"


def draw(found: dict, path: str | os.PathLike, title: str) -> None:
    """Draw accuracy against latency, a point per TFLite file (per run where none was measured)."""
    figure, axis = plt.subplots(figsize=(7, 5), layout="constrained")
    marks = {"float32": "o", "int8": "s"}
    for number, run in enumerate(found["runs"]):
        value, low, high = (100 * v for v in run["accuracy"])
        error, color = [[value - low], [high - value]], f"C{number % 10}"
        lite = run.get("tflite", {})
        for variant, figures in lite.items():
            axis.errorbar(
                figures["latency_ms"], value, error, marker=marks.get(variant, "o"), color=color,
                capsize=3, label=f"{run['name']}, {variant}",
            )  # fmt: skip
        if not lite:
            axis.errorbar(number, value, error, marker="o", color=color, capsize=3,
                          label=run["name"])  # fmt: skip
    timed = any(run.get("tflite") for run in found["runs"])
    if timed:
        axis.set_xscale("log")
    axis.set(
        title=title,
        xlabel="latency of one face on one thread, ms" if timed else "run",
        ylabel="accuracy of the Keras model, %",
    )
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    report.save_figure(figure, Path(path))

"""Several evaluated runs side by side: is the difference real, and what does each cost?"""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from keras_mer.errors import UserError
from keras_mer.evaluation import metrics, report

#: Scores that are compared; the first is drawn.
SCORES = ("accuracy", "uar", "macro_f1")


@dataclass(frozen=True, eq=False)
class Run:
    """What a run said of each sample of a split.

    Attributes:
        name: the folder's.
        folder: the run's.
        classes: class names.
        samples: where each sample lies, whatever folder the run is in.
        subjects: who each shows, ``""`` where unknown.
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
        UserError: when it was not evaluated on that split.
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
    """The runs with their samples in the first one's order.

    Raises:
        UserError: when they do not hold the same samples, labels and classes.
    """
    first, made = runs[0], []
    for run in runs:
        if run.classes != first.classes:
            raise UserError(
                f"{run.folder} knows {', '.join(run.classes)}; {first.folder} "
                f"{', '.join(first.classes)}: they cannot be compared"
            )
        place = {sample: i for i, sample in enumerate(run.samples)}
        missing = set(first.samples) ^ place.keys()
        if missing:
            raise UserError(
                f"{first.folder} and {run.folder} were evaluated on different samples "
                f"({len(missing):,} stand in one only, such as {min(missing)}); evaluate both on "
                "one manifest with --manifest"
            )
        order = np.array([place[sample] for sample in first.samples])
        if (run.truth[order] != first.truth).any():
            raise UserError(f"{first.folder} and {run.folder} disagree on the true classes")
        made.append(
            Run(run.name, run.folder, run.classes, first.samples, first.subjects, first.truth,
                run.prediction[order])
        )  # fmt: skip
    return made


def compare(runs: Sequence[Run], *, repeats: int = 2000) -> dict:
    """Scores with 95 % intervals, and the difference of each run from the first, paired.

    The bootstrap redraws subjects where every sample names one, else samples, the same for both
    runs of a pair.

    Returns:
        JSON-ready: samples, interval, and under runs a list with name, each of `SCORES` as
        ``[value, low, high]``, and under difference the same with a fourth number, the two-sided
        p-value of no difference (not corrected for the number of runs).
    """
    runs = aligned(runs)
    first, count = runs[0], len(runs[0].classes)
    groups = np.array(first.subjects) if all(first.subjects) else None
    found = []
    for run in runs:
        entry: dict = {"name": run.name, "folder": str(run.folder)}
        point = _scores(metrics.confusion_matrix(run.truth, run.prediction, count))
        base, own = metrics.paired_bootstrap(
            run.truth, first.prediction, run.prediction, count, groups=groups, repeats=repeats
        )
        base, own = _scores(base), _scores(own)
        for name in SCORES:
            entry[name] = _rounded([point[name], *metrics.interval(own[name])])
        if run is not first:
            start = _scores(metrics.confusion_matrix(run.truth, first.prediction, count))
            entry["difference"] = {
                name: _rounded(
                    [
                        point[name] - start[name],
                        *metrics.interval(own[name] - base[name]),
                        metrics.two_sided_p(own[name] - base[name]),
                    ]
                )
                for name in SCORES
            }
        found.append(entry)
    over = "samples" if groups is None else "subjects"
    return {
        "samples": len(first.samples),
        "interval": f"95 % bootstrap over {over}, paired",
        "runs": found,
    }


def _scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    found = metrics.scores(confusion)
    return {name: getattr(found, name) for name in SCORES}


def _rounded(values: list) -> list[float]:
    return [round(float(v), 4) for v in values]


def training_cost(folder: str | os.PathLike) -> dict:
    """Seconds and epochs of a run's summary."""
    file = Path(folder) / "summary.json"
    summary = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {"seconds": summary.get("seconds"), "epochs": summary.get("epochs")}


def markdown(found: dict, split: str) -> str:
    """What `compare` found, with each run's cost where it is known, as a page."""
    first = found["runs"][0]["name"]
    scores, costs = [], []
    for run in found["runs"]:
        differences = run.get("difference")
        scores.append(
            [
                run["name"],
                *(report.percent(run[name]) for name in SCORES),
                *(_difference(differences[n]) if differences else "-" for n in ("accuracy", "uar")),
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
            f"{first}, in points; p is of no difference, not corrected for several comparisons.",
            "",
            report.table(
                ["run", "accuracy", "UAR", "macro F1", "accuracy, difference", "UAR, difference"],
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
    """Draw accuracy against latency, a point a TFLite file (by run where none is known)."""
    figure, axis = plt.subplots(figsize=(7, 5), layout="constrained")
    marks = {"float32": "o", "int8": "s"}
    for number, run in enumerate(found["runs"]):
        value, low, high = (100 * v for v in run["accuracy"])
        error, colour = [[value - low], [high - value]], f"C{number % 10}"
        lite = run.get("tflite", {})
        for variant, figures in lite.items():
            axis.errorbar(
                figures["latency_ms"], value, error, marker=marks.get(variant, "o"), color=colour,
                capsize=3, label=f"{run['name']}, {variant}",
            )  # fmt: skip
        if not lite:
            axis.errorbar(number, value, error, marker="o", color=colour, capsize=3,
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

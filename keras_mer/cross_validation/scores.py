"""Pooled predictions of all folds: table, metrics with intervals, and paired comparison."""

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.evaluation import bootstrap, metrics, report
from keras_mer.evaluation.bootstrap import Estimate
from keras_mer.evaluation.metrics import Metric
from keras_mer.files import replacing, write_json, write_text

COLUMNS = ("dataset", "subject", "clip", "truth", "prediction", "seed", "fold")
SELECTION_NOTE = (
    "leaky: the best epoch was chosen on the clips that are scored, as much published code does; "
    "only for comparison with results obtained that way"
)
#: Headings that differ from the registry's: macro F1 of pooled folds is UF1 in MEGC 2019.
_TITLES = {"macro_f1": "UF1"}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Pooled predictions, a row per clip and seed.

    Attributes:
        classes: names, in the order of the columns of `probabilities`.
        dataset, subject, clip: text, (rows,).
        truth, prediction: class indices, int64 (rows,).
        seed: int64 (rows,).
        fold: text, (rows,).
        probabilities: float32 (rows, classes).
    """

    classes: tuple[str, ...]
    dataset: np.ndarray
    subject: np.ndarray
    clip: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    seed: np.ndarray
    fold: np.ndarray
    probabilities: np.ndarray

    def where(self, keep: np.ndarray) -> "Predictions":
        """The rows that `keep` selects: a boolean mask or row numbers."""
        rows = {k: v[keep] for k, v in vars(self).items() if k != "classes"}
        return Predictions(self.classes, **rows)

    def write(self, path: str | os.PathLike) -> None:
        """Write the CSV, whole or not at all."""
        columns = [
            self.dataset,
            self.subject,
            self.clip,
            [self.classes[i] for i in self.truth],
            [self.classes[i] for i in self.prediction],
            self.seed,
            self.fold,
            *([f"{p:.5f}" for p in column] for column in self.probabilities.T),
        ]
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow([*COLUMNS, *self.classes])
            writer.writerows(zip(*columns, strict=True))


def read(path: str | os.PathLike) -> Predictions:
    """Read a CSV written by `Predictions.write`, or the predictions.csv of a run folder.

    Raises:
        UserError: for a missing file or a file with other columns.
    """
    path = Path(path)
    path = path / "predictions.csv" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"no predictions at {path}; make them with: make loso")
    with path.open(newline="", encoding="utf-8") as f:
        header, *rows = csv.reader(f)
    if tuple(header[: len(COLUMNS)]) != COLUMNS:
        raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)} and the classes")
    classes = tuple(header[len(COLUMNS) :])
    columns = dict(zip(header, np.array(rows).T, strict=True))
    index = {name: i for i, name in enumerate(classes)}
    return Predictions(
        classes,
        **{name: columns[name] for name in ("dataset", "subject", "clip", "fold")},
        **{n: np.array([index[v] for v in columns[n]]) for n in ("truth", "prediction")},
        seed=columns["seed"].astype(np.int64),
        probabilities=np.stack([columns[c].astype(np.float32) for c in classes], 1),
    )


def collect(manifest: Manifest, found: dict, part: str | None = None) -> Predictions:
    """Pool the results of all folds (see `runner.learn`) into one table.

    Args:
        manifest: the clips; results refer to its rows.
        found: (fold number, seed) -> result.
        part: "test_set_selection" for the predictions of the epoch chosen on the test fold.

    Raises:
        UserError: if a seed predicted a clip more than once.
    """
    results = [found[key] for key in sorted(found, key=lambda key: (key[1], key[0]))]
    for seed in {r["seed"] for r in results}:
        rows = [row for r in results if r["seed"] == seed for row in r["rows"]]
        if len(set(rows)) != len(rows):
            raise UserError(f"seed {seed}: a clip was predicted twice; remove the run's folds/")
    rows = np.concatenate([r["rows"] for r in results]).astype(int)
    each = [len(r["rows"]) for r in results]
    parts = [r[part] if part else r for r in results]

    def text(read: Callable) -> np.ndarray:
        return np.array([read(manifest.samples[row]) for row in rows])

    return Predictions(
        manifest.classes,
        dataset=text(lambda s: s.source),
        subject=text(lambda s: s.subject),
        clip=text(lambda s: s.clip or s.path),
        truth=manifest.labels()[rows],
        prediction=np.concatenate([p["prediction"] for p in parts]),
        seed=np.repeat([r["seed"] for r in results], each),
        fold=np.repeat([r["fold"] for r in results], each),
        probabilities=np.concatenate([p["probabilities"] for p in parts]).astype(np.float32),
    )


def _estimate(table: Predictions, repeats: int = bootstrap.REPEATS) -> Estimate:
    """The mean of the seeds' metrics, each of all folds pooled."""
    found = []
    for seed in np.unique(table.seed):
        t = table.where(table.seed == seed)
        t = t.where(np.argsort(t.clip, kind="stable"))
        # The same subjects and the same random seed give the same resamples for every training
        # seed and, in `compare`, for both tables: their differences are paired.
        found.append(
            bootstrap.estimate(
                t.truth, t.prediction, len(t.classes), groups=t.subject, repeats=repeats
            )
        )
    return bootstrap.mean(found)


def _score(table: Predictions) -> dict:
    """Every metric with its 95 % interval: the mean over seeds of pooled folds."""
    clips = int((table.seed == table.seed[0]).sum())
    return {"clips": clips, **_estimate(table).intervals()}


def score(table: Predictions) -> dict:
    """Metrics of pooled predictions: of all, of each dataset and of each seed; JSON-ready."""
    seeds, classes = np.unique(table.seed), len(table.classes)
    found = {
        "classes": list(table.classes),
        "interval": "95 % bootstrap over subjects",
        "subjects": len(np.unique(table.subject)),
        "seeds": seeds.tolist(),
        "whole": _score(table),
        "datasets": {
            str(name): _score(table.where(table.dataset == name))
            for name in np.unique(table.dataset)
        },
        "by_seed": {},
    }
    confusion = np.zeros((classes, classes), int)
    for seed in seeds:
        t = table.where(table.seed == seed)
        matrix = metrics.confusion_matrix(t.truth, t.prediction, classes)
        confusion += matrix
        values = metrics.scores(matrix)
        found["by_seed"][str(seed)] = {
            m.name: round(float(values[m.name]), 4) for m in metrics.registered(per_class=False)
        }
    found["confusion"] = confusion.tolist()
    return found


def compare(a: Predictions, b: Predictions, *, repeats: int = 10_000) -> dict:
    """The difference of `a` and `b` on the same clips: a paired bootstrap over subjects.

    Each resample draws subjects with replacement and scores both tables on them; where a table
    has several seeds, its score is their mean.

    Returns:
        clips, subjects, and for each scalar metric: difference, low, high (95 %), and worse, the
        share of draws in which `a` is not better.

    Raises:
        UserError: if the two are not of the same clips with the same true classes.
    """
    first, second = (
        set(zip(t.dataset, t.subject, t.clip, np.array(t.classes)[t.truth], strict=True))
        for t in (a, b)
    )
    if first != second:
        raise UserError(
            f"the two tables are not of the same clips: {len(first):,} and {len(second):,}, "
            f"{len(first & second):,} in common"
        )
    found: dict = {"clips": len(first), "subjects": len(np.unique(a.subject))}
    difference = _estimate(a, repeats) - _estimate(b, repeats)
    names = [m.name for m in metrics.registered(per_class=False)]
    for name, (value, low, high) in difference.intervals(names).items():
        worse = round(float((difference.draws[name] <= 0).mean()), 4)
        found[name] = {"difference": value, "low": low, "high": high, "worse": worse}
    return found


def sentence(found: dict, other: str) -> str:
    """The result of `compare` as one line of text."""
    parts = [
        f"{_title(m)} {v['difference']:+.3f} [{v['low']:+.3f}, {v['high']:+.3f}], not better in "
        f"{v['worse']:.1%} of draws"
        for m in metrics.registered(per_class=False)
        for v in [found[m.name]]
    ]
    return (
        f"against {other}, {found['clips']} clips of {found['subjects']} subjects, paired "
        f"bootstrap over subjects: {'; '.join(parts)}"
    )


def write(folder: Path, recipe: Recipe, manifest: Manifest, found: dict) -> dict:
    """Write predictions.csv, metrics.json, report.md and confusion.png; returns the scores."""
    table = collect(manifest, found)
    table.write(folder / "predictions.csv")
    scores = {"protocol": recipe.protocol.kind, **score(table)}
    scores["job_seconds"] = round(sum(r["seconds"] for r in found.values()), 1)
    if all("chosen" in r for r in found.values()):
        scores["chosen"] = [
            {"fold": r["fold"], "seed": r["seed"], **r["chosen"]} for r in found.values()
        ]
    if all("test_set_selection" in r for r in found.values()):
        selected = collect(manifest, found, "test_set_selection")
        selected.write(folder / "predictions-test-set-selection.csv")
        scores["test_set_selection"] = {"note": SELECTION_NOTE, **score(selected)}
    write_json(folder / "metrics.json", scores)
    write_text(folder / "report.md", markdown(scores, recipe.name))
    report.draw_confusion(
        np.array(scores["confusion"]),
        tuple(scores["classes"]),
        folder / "confusion.png",
        f"{recipe.name}, {recipe.protocol.kind}",
    )
    return scores


def _title(metric: Metric) -> str:
    return _TITLES.get(metric.name, metric.title)


def plain(value: list[float]) -> str:
    """``[value, low, high]`` as ``"0.756 [0.70, 0.81]"``."""
    if value[0] is None:
        return "-"
    return f"{value[0]:.3f} [{value[1]:.2f}, {value[2]:.2f}]"


def markdown(scores: dict, title: str) -> str:
    """The scores as a Markdown page."""
    overall, per_class = (metrics.registered(per_class=flag) for flag in (False, True))
    titles = [_title(m) for m in overall]
    views = {"all": scores["whole"], **scores["datasets"]}
    rows = [[name, v["clips"], *(plain(v[m.name]) for m in overall)] for name, v in views.items()]
    by_class = [
        [name, *(plain(scores["whole"][m.name][i]) for m in per_class)]
        for i, name in enumerate(scores["classes"])
    ]
    lines = [
        f"# {title}, {scores['protocol']}",
        "",
        f"Folds pooled, {scores['subjects']} subjects; {scores['interval']}. "
        + (f"Mean of {len(scores['seeds'])} seeds." if len(scores["seeds"]) > 1 else ""),
        "",
        report.table(["", "clips", *titles], rows),
        "",
        report.table(["class", *(m.title for m in per_class)], by_class),
        "",
    ]
    if len(scores["seeds"]) > 1:
        seeds = [[seed, *(v[m.name] for m in overall)] for seed, v in scores["by_seed"].items()]
        lines += [report.table(["seed", *titles], seeds), ""]
    if "test_set_selection" in scores:
        selected = scores["test_set_selection"]["whole"]
        values = ", ".join(f"{_title(m)} {selected[m.name][0]:.3f}" for m in overall)
        lines += [
            f"Test-set selection: {values}. {SELECTION_NOTE[0].upper()}{SELECTION_NOTE[1:]}.",
            "",
        ]
    return "\n".join([*lines, "![confusion matrix](confusion.png)", ""])

"""The predictions of all folds in one table, their scores, and two tables held side by side."""

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.evaluation import metrics, report
from keras_mer.files import replacing, write_json, write_text

COLUMNS = ("dataset", "subject", "clip", "truth", "prediction", "seed", "fold")
PEEK_NOTE = (
    "leaky: the best epoch was picked on the very clips that are scored, as the field's usual code "
    "does; for comparison with tables made like that, and for nothing else"
)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Pooled predictions, a row a clip and seed.

    Attributes:
        classes: names, in the order of the columns of probabilities.
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
        """The rows for which the boolean `keep` is true."""
        rows = {k: v[keep] for k, v in vars(self).items() if k != "classes"}
        return Predictions(self.classes, **rows)

    def write(self, path: str | os.PathLike) -> None:
        """Write the CSV, whole or not at all."""
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow([*COLUMNS, *self.classes])
            for row in range(len(self.truth)):
                writer.writerow(
                    [
                        self.dataset[row],
                        self.subject[row],
                        self.clip[row],
                        self.classes[self.truth[row]],
                        self.classes[self.prediction[row]],
                        self.seed[row],
                        self.fold[row],
                        *(f"{p:.5f}" for p in self.probabilities[row]),
                    ]
                )


def read(path: str | os.PathLike) -> Predictions:
    """Read a CSV that `Predictions.write` wrote, or the predictions.csv of a run folder.

    Raises:
        UserError: for a missing file or one that is no table of predictions.
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
    """Pool the folds' results (see `protocol.learn`), by (fold number, seed), into one table.

    Args:
        manifest: whose rows the results name.
        found: the results.
        part: "peek" for the leaky predictions.

    Raises:
        UserError: unless every seed predicted every row of its folds exactly once.
    """
    results = [found[key] for key in sorted(found, key=lambda key: (key[1], key[0]))]
    for seed in {r["seed"] for r in results}:
        rows = [row for r in results if r["seed"] == seed for row in r["rows"]]
        if len(set(rows)) != len(rows):
            raise UserError(f"seed {seed}: a clip was predicted twice; remove the run's folds/")
    rows = np.concatenate([r["rows"] for r in results]).astype(int)
    each = [len(r["rows"]) for r in results]
    answers = [r[part] if part else r for r in results]

    def text(read: Callable) -> np.ndarray:
        return np.array([read(manifest.samples[row]) for row in rows])

    return Predictions(
        manifest.classes,
        dataset=text(lambda s: s.source),
        subject=text(lambda s: s.subject),
        clip=text(lambda s: s.clip or s.path),
        truth=manifest.labels()[rows],
        prediction=np.concatenate([a["prediction"] for a in answers]),
        seed=np.repeat([r["seed"] for r in results], each),
        fold=np.repeat([r["fold"] for r in results], each),
        probabilities=np.concatenate([a["probabilities"] for a in answers]).astype(np.float32),
    )


def _score(table: Predictions, repeats: int = 2000) -> dict:
    """UF1, UAR and so on with 95 % intervals: the mean over seeds, of pooled folds each."""
    points, draws = _points_and_draws(table, repeats)
    out = {"clips": int((table.seed == table.seed[0]).sum())}
    for name in ("macro_f1", "uar", "accuracy", "recall", "f1"):
        low, high = metrics.interval(draws[name])
        value = np.stack([points[name], low, high], axis=-1)
        out[name] = np.where(np.isnan(value), None, value.round(4)).tolist()
    return out


def _points_and_draws(table: Predictions, repeats: int) -> tuple[dict, dict]:
    points, draws = [], []
    for seed in np.unique(table.seed):
        t = table.where(table.seed == seed)
        order = np.argsort(t.clip, kind="stable")
        truth, guess, subject = t.truth[order], t.prediction[order], t.subject[order]
        classes = len(t.classes)
        points.append(metrics.scores(metrics.confusion_matrix(truth, guess, classes)))
        # The same seed and subjects draw the same people for every seed of training and, in
        # `compare`, for both tables: differences are within the drawn people.
        draws.append(
            metrics.scores(
                metrics.bootstrap(truth, guess, classes, groups=subject, repeats=repeats)
            )
        )
    names = ("macro_f1", "uar", "accuracy", "recall", "f1")
    return tuple(
        {n: np.mean([getattr(s, n) for s in group], axis=0) for n in names}
        for group in (points, draws)
    )


def score(table: Predictions) -> dict:
    """Scores of pooled predictions: whole, each dataset's slice, each seed; JSON-ready."""
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
        one = metrics.scores(matrix)
        found["by_seed"][str(seed)] = {
            "macro_f1": round(float(one.macro_f1), 4),
            "uar": round(float(one.uar), 4),
        }
    found["confusion"] = confusion.tolist()
    return found


def compare(a: Predictions, b: Predictions, *, repeats: int = 10_000) -> dict:
    """How much better `a` is than `b` on the same clips: a paired bootstrap over subjects.

    Each draw takes people with replacement and scores both tables on them; where a table has
    several seeds, its score is their mean.

    Returns:
        clips, subjects, and for macro_f1 and uar: difference, low, high (95 %), and worse, the
        share of draws in which `a` is not better.

    Raises:
        UserError: when the two are not over the same clips with the same truth.
    """
    first, second = (
        sorted({(d, s, c, t.classes[k]) for d, s, c, k in rows})
        for t, rows in (
            (t, zip(t.dataset, t.subject, t.clip, t.truth, strict=True)) for t in (a, b)
        )
    )
    if first != second:
        raise UserError(
            f"the two tables are not over the same clips: {len(first):,} and {len(second):,}, "
            f"{len(set(first) & set(second)):,} in common"
        )
    found: dict = {"clips": len(first), "subjects": len(np.unique(a.subject))}
    (point_a, draws_a), (point_b, draws_b) = (_points_and_draws(t, repeats) for t in (a, b))
    for name in ("macro_f1", "uar"):
        differences = draws_a[name] - draws_b[name]
        low, high = metrics.interval(differences)
        found[name] = {
            "difference": round(float(point_a[name] - point_b[name]), 4),
            "low": round(float(low), 4),
            "high": round(float(high), 4),
            "worse": round(float((differences <= 0).mean()), 4),
        }
    return found


def sentence(found: dict, other: str) -> str:
    """The result of `compare` in words."""
    parts = [
        f"{name} {v['difference']:+.3f} [{v['low']:+.3f}, {v['high']:+.3f}], not better in "
        f"{v['worse']:.1%} of draws"
        for name, v in (("UF1", found["macro_f1"]), ("UAR", found["uar"]))
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
        peek = collect(manifest, found, "test_set_selection")
        peek.write(folder / "predictions-peek.csv")
        scores["peek"] = {"note": PEEK_NOTE, **score(peek)}
    write_json(folder / "metrics.json", scores)
    write_text(folder / "report.md", markdown(scores, recipe.name))
    report.draw_confusion(
        np.array(scores["confusion"]),
        tuple(scores["classes"]),
        folder / "confusion.png",
        f"{recipe.name}, {recipe.protocol.kind}",
    )
    return scores


def plain(value: list[float]) -> str:
    """``[value, low, high]`` as ``"0.756 [0.70, 0.81]"``."""
    if value[0] is None:
        return "-"
    return f"{value[0]:.3f} [{value[1]:.2f}, {value[2]:.2f}]"


def markdown(scores: dict, title: str) -> str:
    """The scores as a page."""
    views = {"all": scores["whole"], **scores["datasets"]}
    rows = [
        [name, v["clips"], *(plain(v[m]) for m in ("macro_f1", "uar", "accuracy"))]
        for name, v in views.items()
    ]
    whole = scores["whole"]
    by_class = [
        [name, plain(whole["recall"][i]), plain(whole["f1"][i])]
        for i, name in enumerate(scores["classes"])
    ]
    lines = [
        f"# {title}, {scores['protocol']}",
        "",
        f"Folds pooled, {scores['subjects']} subjects; {scores['interval']}. "
        + (f"Mean of {len(scores['seeds'])} seeds." if len(scores["seeds"]) > 1 else ""),
        "",
        report.table(["", "clips", "UF1", "UAR", "accuracy"], rows),
        "",
        report.table(["class", "recall", "F1"], by_class),
        "",
    ]
    if len(scores["seeds"]) > 1:
        seeds = [[seed, v["macro_f1"], v["uar"]] for seed, v in scores["by_seed"].items()]
        lines += [report.table(["seed", "UF1", "UAR"], seeds), ""]
    if "peek" in scores:
        peek = scores["peek"]["whole"]
        lines += [
            f"Peeking: UF1 {peek['macro_f1'][0]:.3f}, UAR {peek['uar'][0]:.3f}. "
            f"{PEEK_NOTE[0].upper()}{PEEK_NOTE[1:]}.",
            "",
        ]
    return "\n".join([*lines, "![confusion matrix](confusion.png)", ""])

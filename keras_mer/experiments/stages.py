"""Runs of a larger experiment: each in a folder of its own, skipped when it is done."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.data.manifest import Manifest
from keras_mer.evaluation import bootstrap, evaluate, metrics
from keras_mer.models import saving
from keras_mer.progress import console
from keras_mer.training import run_folder


def done(folder: Path) -> bool:
    """Whether a run folder holds a run that went to its end."""
    return (folder / "summary.json").is_file() and (folder / "model.keras").is_file()


def run(
    learn: Callable[..., Path], recipe: Recipe, manifest: Manifest, folder: Path, *, cache=None
) -> Path:
    """Train a run, go on with it, or leave it as it is when it is done; returns its folder.

    Args:
        learn: `teaching.learn` or `pretraining.pretrain`.

    Raises:
        UserError: when the folder belongs to another recipe, and what `learn` raises.
    """
    run_folder.claim(folder, recipe)
    if done(folder):
        console.print(f"{folder}: done before", markup=False)
        return folder
    keras.utils.clear_session()
    learn(recipe, manifest, folder, cache=cache)
    return folder


def predictions(folder: Path, manifest: Manifest, split: str, *, cache=None) -> np.ndarray:
    """The class indices that a run predicts for a split, evaluated once and kept, (samples,)."""
    out = folder / f"evaluation-{split}"
    if not (out / "predictions.csv").is_file():
        model = saving.load_model(folder, manifest.classes)
        found = evaluate.evaluate(model, manifest, split, cache=cache)
        evaluate.write(found, out, f"{folder.name} on {split}")
        if split == "test":
            evaluate.count_test_look(folder)
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return np.array([manifest.classes.index(row["prediction"]) for row in rows])


def judged(manifest: Manifest) -> str:
    """The split on which scores are reported: test where there is one, else validation."""
    return "test" if manifest.counts("split")["test"] else "validation"


def groups(part: Manifest) -> np.ndarray | None:
    """The subjects of a part, where every sample names one: intervals are over them then."""
    subjects = np.array([s.subject for s in part])
    return subjects if all(subjects) else None


def scores(
    part: Manifest, runs: list[np.ndarray], against: list[np.ndarray] | None = None
) -> dict[str, list[float]]:
    """Metrics with intervals of several seeds' predictions on a part, or of their differences."""
    found = bootstrap.estimate_seeds(
        part.labels(), runs, len(part.classes), groups=groups(part), against=against
    )
    return found.intervals(m.name for m in metrics.registered(per_class=False))


def card_of(folder: Path) -> dict:
    """The card of an exported model."""
    return json.loads((folder / "card.json").read_text(encoding="utf-8"))

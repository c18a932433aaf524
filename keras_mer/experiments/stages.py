"""Runs of a larger experiment: each in its own folder, resumable, skipped when complete."""

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
    """Whether a run folder holds a completed run."""
    return (folder / "summary.json").is_file() and (folder / "model.keras").is_file()


def run(
    train: Callable[..., Path], recipe: Recipe, manifest: Manifest, folder: Path, *, cache=None
) -> Path:
    """Train or resume a run, or skip it if it is complete; returns its folder.

    Args:
        train: `distillation.train` or `dino.pretrain`.
        recipe, manifest, folder, cache: its arguments.

    Raises:
        UserError: if the folder holds a run of another recipe, and as `train`.
    """
    run_folder.check_run_config(folder, recipe)
    if done(folder):
        console.print(f"{folder}: complete, skipped", markup=False)
        return folder
    keras.utils.clear_session()
    train(recipe, manifest, folder, cache=cache)
    return folder


def predictions(folder: Path, manifest: Manifest, split: str, *, cache=None) -> np.ndarray:
    """A run's predicted class indices for a split, (samples,); evaluated once and kept."""
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


def eval_split(manifest: Manifest) -> str:
    """The split on which scores are reported: test if it has samples, else validation."""
    return "test" if manifest.counts("split")["test"] else "validation"


def groups(part: Manifest) -> np.ndarray | None:
    """The subjects of a part for the bootstrap, or None unless all samples have one."""
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

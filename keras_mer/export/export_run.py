"""Export a run as it stands: its model, its data for calibration and parity, its scores."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.data import inputs, preprocessing
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.evaluation import evaluate
from keras_mer.export import tflite
from keras_mer.kinds import Preprocessing
from keras_mer.models import saving
from keras_mer.progress import track
from keras_mer.training import run_folder


def export_run(
    run: str | Path,
    out: str | Path | None = None,
    *,
    variants: tuple[str, ...] = tflite.VARIANTS,
    allow_loss: bool = False,
    notes: Mapping[str, str | list[str]] | None = None,
    notice: str = "",
) -> dict:
    """Export a run folder's model, measured on its validation part; see `tflite.export`.

    A model that was fitted on all samples (`make loso` with ``--final``) has none: its files are
    compared with Keras on the training samples, and the card says so.

    Args:
        run: the folder that training left, or `make loso` with ``--final``.
        out: folder to write; ``saved_models/<recipe's name>`` by default.
        variants, allow_loss: as `tflite.export`.
        notes: texts for the card, as from `read_notes`.
        notice: one line in the card that the runtime prints, such as the terms of the data.

    Returns:
        The card.

    Raises:
        UserError: for a folder that holds no model (that of `make loso` holds scores of folds), and
            as `tflite.export`.
    """
    run = Path(run)
    recipe, manifest = run_folder.load_run(run)
    if (run / "folds").is_dir() and not (run / "model.keras").is_file():
        raise UserError(
            f"{run} holds the scores of folds, no model; make loso RECIPE={recipe.name} "
            f"RUN={run} ARGS=--final fits one on all samples into the same folder"
        )
    model = saving.load_model(run, manifest.classes)
    task = models.kind(recipe.model)
    split = "validation" if manifest.counts("split")["validation"] else "train"

    def images(split):
        part = manifest.part(split)
        shape = model.input_shape[1:]
        loaded = inputs.load(part, task, shape, cache="data/cache", progress=track)
        return loaded, part.labels()

    validation, labels = images(split)
    extra = {"notice": notice, "notes": dict(notes or {})}
    return tflite.export(
        model,
        out or Path("saved_models") / recipe.name,
        name=recipe.name,
        classes=manifest.classes,
        calibration=tflite.calibration_samples(*images("train")),
        images=validation,
        labels=labels,
        expected=evaluate.predict(model, validation),
        about={key: value for key, value in extra.items() if value} | _about(run, recipe, manifest),
        task=task,
        # a run of an earlier version has no record; its data may
        preprocessing=Preprocessing.read(run) or preprocessing.of(recipe, manifest),
        split=split,
        variants=variants,
        allow_loss=allow_loss,
    )


def read_notes(file: str | Path) -> dict[str, str | list[str]]:
    """Texts for a card, e.g. ``intended_use`` and ``known_failures``, from a YAML file.

    Raises:
        UserError: for a file that cannot be read or is no mapping of names to texts or lists.
    """
    try:
        notes = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file}: cannot be read as YAML: {' '.join(str(error).split())}") from None

    def text(value: object) -> bool:
        return isinstance(value, str) or (
            isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        )

    if not isinstance(notes, dict) or not all(map(text, (*notes, *notes.values()))):
        raise UserError(
            f"{file}: expected names with a text or a list of texts, e.g. intended_use: research"
        )
    return notes


def _about(run: Path, recipe: Recipe, manifest: Manifest) -> dict:
    """What the card says of where the model comes from."""
    read = {
        p.parent.name.removeprefix("evaluation-"): json.loads(p.read_text())
        for p in sorted(run.glob("evaluation-*/metrics.json"))
    }
    scored = run / "metrics.json"
    summary = run / "summary.json"
    keep = ("samples", "accuracy", "macro_f1", "uar", "calibration_error")
    return {
        "scores": {
            split: {"interval": found["interval"]}
            | {
                view: {name: found[view][name] for name in keep}
                | {"recall": dict(zip(found["classes"], found[view]["recall"], strict=True))}
                for view in ("whole", "without_duplicates", "whole_flip")
                if view in found
            }
            | ({"disturbances": found["disturbances"]} if "disturbances" in found else {})
            for split, found in read.items()
        }
        | (_of_folds(scored) if scored.is_file() else {}),
        "training": {
            "recipe": recipe.to_dict(),
            "samples": {split: count for split, count in manifest.counts("split").items()},
            "summary": json.loads(summary.read_text()) if summary.is_file() else {},
        },
    }


def _of_folds(file: Path) -> dict:
    """The cross-validation score of the recipe; a model fitted on all samples has none itself."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return {
        found["protocol"]: {name: found["whole"][name] for name in ("clips", "macro_f1", "uar")}
    }

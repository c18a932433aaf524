"""Export a run as it stands: its model, its data for calibration and parity, its scores."""

import json
from pathlib import Path

from keras_mer import evaluation, export, training
from keras_mer.data import loading
from keras_mer.data.manifest import Manifest
from keras_mer.progress import track
from keras_mer.recipe import Recipe


def publish(
    run: str | Path,
    out: str | Path | None = None,
    *,
    variants: tuple[str, ...] = export.VARIANTS,
    allow_loss: bool = False,
) -> dict:
    """Export a run folder's model, measured on its validation part; see `export.export`.

    Args:
        run: the folder that training left.
        out: folder to write; ``saved_models/<recipe's name>`` by default.
        variants, allow_loss: as `export.export`.

    Returns:
        The card.
    """
    run = Path(run)
    recipe, manifest = training.load_run(run)
    model = evaluation.load_model(run, manifest.classes)

    def images(split):
        part = manifest.part(split)
        shape = model.input_shape[1:]
        return loading.load_images(part, *shape, cache="data/cache", progress=track), part.labels()

    validation, labels = images("validation")
    return export.export(
        model,
        out or Path("saved_models") / recipe.name,
        name=recipe.name,
        classes=manifest.classes,
        calibration=export.calibration_samples(*images("train")),
        images=validation,
        labels=labels,
        expected=evaluation.predict(model, validation),
        about=_about(run, recipe, manifest),
        variants=variants,
        allow_loss=allow_loss,
    )


def _about(run: Path, recipe: Recipe, manifest: Manifest) -> dict:
    """What the card says of where the model comes from."""
    read = {
        p.parent.name.removeprefix("evaluation-"): json.loads(p.read_text())
        for p in sorted(run.glob("evaluation-*/metrics.json"))
    }
    keep = ("samples", "accuracy", "macro_f1", "uar", "calibration_error")
    return {
        "scores": {
            split: {"interval": found["interval"]}
            | {
                view: {name: found[view][name] for name in keep}
                for view in ("whole", "without_duplicates", "whole_flip")
                if view in found
            }
            for split, found in read.items()
        },
        "training": {
            "recipe": recipe.to_dict(),
            "samples": {split: count for split, count in manifest.counts("split").items()},
            "summary": json.loads((run / "summary.json").read_text()),
        },
    }

"""Train one recipe into one run folder: search over settings, ensembles, any estimator."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.data import inputs, preprocessing
from keras_mer.data.inputs import Samples
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.evaluation import metrics
from keras_mer.files import replacing, write_json
from keras_mer.progress import console, track
from keras_mer.training import calibration, estimators, run_folder
from keras_mer.training.checkpoint import write_history
from keras_mer.training.setup import TrainingSetup

#: What a run folder holds besides `recipe.yaml`, `manifest.csv` and checkpoints.
_PRODUCTS = ("model.keras", "history.csv", "curves.png", "summary.json")


def train(
    recipe: Recipe,
    manifest: Manifest,
    folder: str | Path,
    *,
    cache=None,
    setup: TrainingSetup | None = None,
) -> Path:
    """Train `recipe` on a split manifest's train part, selecting on its validation part.

    The folder then holds `model.keras` (float32, probabilities), `recipe.yaml`, `manifest.csv`,
    `preprocessing.json` where it is known, `history.csv` and `summary.json`; of Keras models also
    `curves.png`, with a folder `member-N` for each network of an ensemble and `search-N` for each
    candidate of `training.search_space`.
    The test part is not read.

    Args:
        recipe: the experiment.
        manifest: with rows in the splits train and validation.
        folder: of the run; one that holds a checkpoint of the same recipe is taken up from there.
        cache: folder for decoded inputs (see `inputs.load`).
        setup: wrapper model and precomputed teacher logits, for distillation.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: when the folder belongs to another recipe, or the recipe asks for something that
            its model cannot honor.
    """
    folder = Path(folder)
    run_folder.check_run_config(folder, recipe)
    manifest.write(folder / "manifest.csv")
    parts = [manifest.part(name) for name in ("train", "validation")]
    both = manifest.replace(sample for part in parts for sample in part)
    if record := preprocessing.of(recipe, both):
        record.write(folder)
    shape = (setup and setup.input_shape) or models.input_shape(recipe.model)
    kind = models.kind(recipe.model)
    samples = inputs.samples(both, kind, shape, cache=cache, progress=track)
    rows = np.split(np.arange(len(both)), [len(parts[0])])
    if not recipe.training.search_space:
        return _fit(recipe, samples, rows, folder, setup)
    return _search(recipe, samples, rows, folder, setup)


def _search(recipe: Recipe, samples: Samples, rows: list, folder: Path, setup) -> Path:
    """Train every candidate of the search space and keep the best on the validation rows."""
    tried = []
    for number, values in enumerate(candidates(recipe)):
        own = folder / f"search-{number + 1}"
        console.print(", ".join(f"{key}={value}" for key, value in values.items()))
        _fit(with_values(recipe, values), samples, rows, own, setup)
        best = json.loads((own / "summary.json").read_text(encoding="utf-8"))["best"]
        tried.append({"values": values, "best": best})
    monitor = f"val_{recipe.training.monitor}"
    sign = -1 if recipe.training.monitor == "loss" else 1
    chosen = int(np.argmax([sign * t["best"][monitor] for t in tried]))
    source = folder / f"search-{chosen + 1}"
    for name in _PRODUCTS:
        if (source / name).is_file():
            with replacing(folder / name) as temporary:
                shutil.copyfile(source / name, temporary)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    found = {"chosen": tried[chosen]["values"], "tried": tried}
    write_json(folder / "summary.json", summary | found)
    console.print(f"chosen on validation: {found['chosen']}")
    return folder / "model.keras"


def candidates(recipe: Recipe) -> list[dict]:
    """The combinations of values in `training.search_space`, keys of the recipe -> values.

    Raises:
        UserError: for a key that changes the data instead of how it is learned.
    """
    space = recipe.training.search_space
    found = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    shape = models.input_shape(recipe.model)
    for values in found:
        for key in values:
            if key.split(".")[0] not in ("model", "augment", "training", "transfer"):
                raise UserError(
                    f"training.search_space: {key} cannot be searched; expected keys of model, "
                    "augment, training or transfer"
                )
        if models.input_shape(with_values(recipe, values).model) != shape:
            raise UserError(
                f"training.search_space: {values} changes the shape of the input; train such "
                "recipes one by one and compare their runs"
            )
    return found


def with_values(recipe: Recipe, values: dict) -> Recipe:
    """The recipe with one candidate's values, and without a search space."""
    return recipe.changed({"training.search_space": {}} | values)


def _fit(recipe: Recipe, samples: Samples, rows: list, folder: Path, setup) -> Path:
    estimator = estimators.make(recipe, samples, seed=recipe.training.seed, setup=setup)
    estimator.fit(*rows, folder)
    file = folder / "model.keras"
    closed_form = recipe.model.get("name") in estimators.CLOSED_FORM
    if recipe.training.ensemble_size == 1 and not closed_form:  # its training wrote everything
        if recipe.training.calibrate:
            found = calibration.calibrate(file, samples, rows[1])
            summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
            write_json(folder / "summary.json", summary | {"temperature": round(found, 4)})
            console.print(f"logits divided by the temperature {found:.2f}")
        return file
    with replacing(file) as temporary:
        estimator.to_keras().save(temporary)
    best = {"epoch": 1}
    for part, prefix in zip(rows, ("", "val_"), strict=True):
        found = score(estimator.predict(part), samples.targets[part])
        best |= {prefix + name: value for name, value in found.items()}
    write_history(folder / "history.csv", [best])
    write_json(folder / "summary.json", {"recipe": recipe.name, "epochs": 1, "best": best})
    console.print(
        f"{recipe.name}: accuracy {best['accuracy']:.3f}  validation: loss {best['val_loss']:.3f}  "
        f"accuracy {best['val_accuracy']:.3f}  uar {best['val_uar']:.3f}"
    )
    return file


def score(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Cross-entropy, accuracy and UAR of predictions, as Keras's history names them.

    Args:
        probabilities: (samples, classes).
        targets: (samples, classes), rows that add up to 1.
    """
    truth = targets.argmax(1)
    matrix = metrics.confusion_matrix(truth, probabilities.argmax(1), targets.shape[1])
    found = metrics.scores(matrix)
    entropy = -(targets * np.log(np.maximum(probabilities, 1e-7))).sum(1).mean()
    # as the Keras metric: a class without a sample counts as 0
    uar = np.nan_to_num(found["recall"]).mean()
    return {"loss": float(entropy), "accuracy": float(found["accuracy"]), "uar": float(uar)}

"""Cross-validation by leaving subjects or datasets out: a resumable job for every fold and seed.

Nothing that is reported was chosen on the samples it is reported on. The one exception is named
for what it is: `protocol.test_set_selection` also computes the score of the best epoch on the test
fold, for comparison with published numbers that were made like that.
"""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_mer import models
from keras_mer.config.recipe import Recipe
from keras_mer.cross_validation import folds, parallel
from keras_mer.cross_validation import jobs as fold_jobs
from keras_mer.cross_validation import scores as fold_scores
from keras_mer.cross_validation.folds import Fold
from keras_mer.data import build, inputs, preprocessing
from keras_mer.data.inputs import Samples
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.files import replacing, write_json
from keras_mer.progress import Callback, console, track
from keras_mer.training import estimators, run_folder


def run(
    recipe: Recipe,
    manifest: Manifest,
    folder: str | os.PathLike,
    *,
    samples: Samples | None = None,
    jobs: int = 0,
    backend: str = "loky",
    cache: str | os.PathLike | None = None,
) -> dict:
    """Run a recipe's protocol, or what is left of it, and write its scores.

    The folder then holds `recipe.yaml`, `manifest.csv`, `folds/` (a file a fold and seed, written
    when it is done), `predictions.csv` (and `predictions-test-set-selection.csv`), `metrics.json`,
    `report.md` and `confusion.png`.

    Args:
        recipe: the experiment.
        manifest: its samples; dropped rows are left out.
        folder: of the run; fold files of the same recipe and samples in it are kept.
        samples: the kept rows' inputs and targets; read by `load_samples` by default.
        jobs: how many at a time on this machine, which share its cores; 0: one a core.
        backend: one of `parallel.BACKENDS`; a cluster says itself how many.
        cache: folder for decoded inputs.

    Returns:
        The scores, as in `metrics.json`.

    Raises:
        UserError: when the folder belongs to another recipe or other samples, and as `folds.outer`.
    """
    folder = Path(folder)
    manifest = kept(manifest)
    todo = {
        (number, seed): fold
        for number, fold in enumerate(folds.outer(manifest, recipe.protocol))
        for seed in recipe.protocol.seeds
    }
    run_folder.check_run_config(folder, recipe)
    _check_manifest(folder, manifest)
    files = {key: folder / "folds" / f"{key[0]:03d}-seed{key[1]}.json" for key in todo}
    missing = [key for key in todo if not files[key].is_file()]
    done = len(todo) - len(missing)
    console.print(
        f"{recipe.name}: {len(manifest):,} samples of {len(manifest.counts('subject'))} subjects, "
        f"{len(todo):,} folds and seeds" + (f", {done:,} done before" if done else "")
    )
    start = time.time()
    if missing:
        if samples is None:
            samples = load_samples(recipe, manifest, cache=cache)
        work = [fold_jobs.Job(recipe, manifest, samples, todo[key], key[1]) for key in missing]
        with Callback("Folds") as progress:
            progress(done, len(todo))
            for index, result in parallel.results(fold_jobs.run, work, jobs=jobs, backend=backend):
                write_json(files[missing[index]], result)
                done += 1
                progress(done, len(todo))
    found = {key: json.loads(file.read_text(encoding="utf-8")) for key, file in files.items()}
    scores = fold_scores.write(folder, recipe, manifest, found)
    console.print(f"{time.time() - start:.0f} s; wrote {folder}", markup=False)
    return scores


def load(recipe: Recipe) -> Manifest:
    """The manifest of a recipe's sources, audited: what would leak between folds is dropped.

    Prints what the audit found. See `build.prepare_folds`.
    """
    manifest = build.load_sources(recipe.data.sources, recipe.data.vocabulary)
    manifest, findings = build.prepare_folds(
        manifest, drop_duplicates=recipe.data.drop_duplicates, progress=track
    )
    for line in findings:
        console.print(line, markup=False)
    return manifest


def kept(manifest: Manifest) -> Manifest:
    """The manifest without dropped rows."""
    return manifest.where(lambda s: s.split != "dropped")


def load_samples(recipe: Recipe, manifest: Manifest, *, cache=None) -> Samples:
    """The manifest's inputs and targets for the recipe's model; see `inputs.samples`."""
    kind = models.kind(recipe.model)
    shape = models.input_shape(recipe.model)
    return inputs.samples(manifest, kind, shape, cache=cache, progress=track)


def _check_manifest(folder: Path, manifest: Manifest) -> None:
    file = folder / "manifest.csv"
    if not file.is_file():
        return manifest.write(file)
    before, now = (
        [(s.clip, s.subject, s.label, s.source, Path(s.path).name) for s in m]
        for m in (Manifest.read(file), manifest)
    )
    if before != now:
        raise UserError(
            f"{folder} holds a run over {len(before):,} other samples; name another folder "
            "(RUN=...), or remove this one"
        )


def fit_final(recipe: Recipe, manifest: Manifest, folder: str | os.PathLike, *, cache=None) -> Path:
    """Fit all samples with the recipe as it stands, for use; writes `model.keras` into the run.

    Cross-validation scores how the recipe learns; this is the model that it gives when nobody is
    left out, so no score of this model itself can be had. With a search space, the values are
    chosen as in a fold, on inner folds of all samples; `summary.json` names them.

    Args:
        recipe: the experiment.
        manifest: its samples; dropped rows are left out.
        folder: of the run, which may hold the scores of its folds.
        cache: folder for decoded inputs.

    Returns:
        The path of `model.keras`: raw pixels -> probabilities, float32.
    """
    folder = Path(folder)
    manifest = kept(manifest)
    run_folder.check_run_config(folder, recipe)
    _check_manifest(folder, manifest)
    samples = load_samples(recipe, manifest, cache=cache)
    everybody, seed = np.arange(len(manifest)), recipe.protocol.seeds[0]
    summary: dict = {"recipe": recipe.name, "fitted_on": "all samples", "samples": len(manifest)}
    if recipe.training.search_space:
        job = fold_jobs.Job(recipe, manifest, samples, Fold("all", everybody, everybody[:0]), seed)
        recipe, summary["chosen"], summary["tried"] = fold_jobs.choose(job)
    if record := preprocessing.of(recipe, manifest):
        record.write(folder)
    estimator = estimators.make(recipe, samples, seed=1000 * seed)
    estimator.fit(everybody)
    with replacing(folder / "model.keras") as temporary:
        estimator.to_keras().save(temporary)
    write_json(folder / "summary.json", summary)
    # every row was trained on: export calibrates and compares on them, and its card says so
    manifest.replace(replace(s, split="train") for s in manifest).write(folder / "manifest.csv")
    return folder / "model.keras"

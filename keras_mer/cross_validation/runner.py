"""Score clips by leaving people out: every fold and seed a job of its own, resumable.

Nothing that is reported was chosen on the clips it is reported on. The one exception says so in
its name: `protocol.peek` computes, beside the honest score, what the field's usual code prints.
"""

import itertools
import json
import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.cross_validation import folds, parallel
from keras_mer.cross_validation import scores as fold_scores
from keras_mer.cross_validation.folds import Fold
from keras_mer.data import loading
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError
from keras_mer.evaluation import metrics
from keras_mer.files import replacing, write_json
from keras_mer.progress import Callback, console, track
from keras_mer.training import estimators, fitting, run_folder
from keras_mer.training.estimators import Answer

_learners: dict = {}
_alone = threading.Lock()  # a Dask worker may have threads; Keras's random seed is the process's


@dataclass(frozen=True, eq=False)
class Job:
    """All that a worker needs to learn one fold with one seed, wherever it runs.

    Attributes:
        recipe: the experiment.
        manifest: the clips, for their labels and subjects.
        inputs: uint8 (samples, ...), the clips as the model takes them.
        fold: rows to learn and rows to predict.
        seed: of weights, order and augmentation.
    """

    recipe: Recipe
    manifest: Manifest
    inputs: np.ndarray
    fold: Fold
    seed: int


def run(
    recipe: Recipe,
    manifest: Manifest,
    folder: str | os.PathLike,
    *,
    inputs: np.ndarray | None = None,
    jobs: int = 0,
    backend: str = "loky",
    cache: str | os.PathLike | None = None,
) -> dict:
    """Run a recipe's protocol, or what is left of it, and write its scores.

    The folder then holds `recipe.yaml`, `manifest.csv`, `folds/` (a file a fold and seed, written
    when it is done), `predictions.csv` (and `predictions-peek.csv`), `metrics.json`, `report.md`
    and `confusion.png`.

    Args:
        recipe: the experiment.
        manifest: its clips; dropped rows are left out.
        folder: of the run; fold files of the same recipe and clips in it are kept.
        inputs: uint8 (samples, ...), the kept clips; by default images are read, see `load_inputs`.
        jobs: how many at a time on this machine, the cores shared out among them; 0: one a core.
        backend: one of `spread.BACKENDS`; a cluster says itself how many.
        cache: folder for decoded images.

    Returns:
        The scores, as in `metrics.json`.

    Raises:
        UserError: when the folder belongs to another recipe or other clips, and as `folds.outer`.
    """

    folder = Path(folder)
    manifest = manifest.where(lambda s: s.split != "dropped")
    todo = {
        (number, seed): fold
        for number, fold in enumerate(folds.outer(manifest, recipe.protocol))
        for seed in recipe.protocol.seeds
    }
    run_folder.check_run_config(folder, recipe)
    _claim_manifest(folder, manifest)
    files = {key: folder / "folds" / f"{key[0]:03d}-seed{key[1]}.json" for key in todo}
    missing = [key for key in todo if not files[key].is_file()]
    done = len(todo) - len(missing)
    console.print(
        f"{recipe.name}: {len(manifest):,} clips of {len(manifest.counts('subject'))} subjects, "
        f"{len(todo):,} folds and seeds" + (f", {done:,} done before" if done else "")
    )
    start = time.time()
    if missing:
        if inputs is None:
            inputs = load_inputs(recipe, manifest, cache=cache)
        work = [Job(recipe, manifest, inputs, todo[key], key[1]) for key in missing]
        with Callback("Folds") as progress:
            progress(done, len(todo))
            for index, result in parallel.results(learn, work, jobs=jobs, backend=backend):
                write_json(files[missing[index]], result)
                done += 1
                progress(done, len(todo))
    found = {key: json.loads(file.read_text(encoding="utf-8")) for key, file in files.items()}
    scores = fold_scores.write(folder, recipe, manifest, found)
    console.print(f"{time.time() - start:.0f} s; wrote {folder}", markup=False)
    return scores


def load_inputs(recipe: Recipe, manifest: Manifest, *, cache=None) -> np.ndarray:
    """The manifest's clips as the recipe's model takes them.

    Returns:
        uint8: images and flow images (samples, size, size, channels); for a model of kind "clip",
        (samples, frames, size, size, 1), onset to offset, the face found, cut out and held still,
        interpolated to as many frames.

    Raises:
        UserError: naming the first clip that cannot be read.
    """
    from keras_mer import models

    name = recipe.model.get("name", "cnn")
    config = {"size": 28, "channels": 3} if name == estimators.SVM else models.defaults(name)
    config |= recipe.model
    size = config["size"]
    if models.kind(name) != "clip":
        channels = config["channels"]
        return loading.load_images(manifest, size, size, channels, cache=cache, progress=track)
    from keras_mer.data import clips
    from keras_mer.face import motion, prepare

    length = config["frames"]

    def still(frames: clips.Frames, sample: Sample) -> np.ndarray:
        face = prepare.prepare(frames.images, size, fps=frames.fps).frames
        return motion.resample(face, length)[..., np.newaxis]

    what = f"still faces, {size} pixels, {length} frames"
    return clips.load_clips(manifest, still, what, cache=cache, progress=track)


def _claim_manifest(folder: Path, manifest: Manifest) -> None:
    file = folder / "manifest.csv"
    if not file.is_file():
        return manifest.write(file)
    before, now = (
        [(s.clip, s.subject, s.label, s.source, Path(s.path).name) for s in m]
        for m in (Manifest.read(file), manifest)
    )
    if before != now:
        raise UserError(
            f"{folder} holds a run over {len(before):,} other clips; name another folder (RUN=...)"
        )


def final(recipe: Recipe, manifest: Manifest, folder: str | os.PathLike, *, cache=None) -> Path:
    """Learn all clips with the recipe as it stands, for use: writes `model.keras`, recipe.yaml.

    What the protocol scored is the way of learning; this is its product, learnt from everybody,
    on whom no score can be had any more. Where the recipe chooses, it is chosen as in a fold, on
    inner folds of all clips, and the recipe.yaml names the choice.

    Returns:
        The path of `model.keras`: raw pixels -> probabilities, float32.

    Raises:
        UserError: for an SVM.
    """

    if recipe.model.get("name") == estimators.SVM:
        raise UserError(f"{recipe.name}: no final model of an SVM")
    folder = Path(folder)
    manifest = manifest.where(lambda s: s.split != "dropped")
    labels, classes = manifest.labels(), len(manifest.classes)
    inputs = load_inputs(recipe, manifest, cache=cache)
    everybody, seed = np.arange(len(manifest)), recipe.protocol.seeds[0]
    if recipe.protocol.choose:
        fold = Fold("everybody", everybody, everybody[:0])
        recipe, *_ = _choose(Job(recipe, manifest, inputs, fold, seed), labels, classes)
        recipe = recipe.changed({"protocol.choose": {}})
    run_folder.check_run_config(folder, recipe)
    model = fitting.learner(recipe, inputs, labels, classes, seed).committee(everybody)
    with replacing(folder / "model.keras") as temporary:
        model.save(temporary)
    manifest.replace(replace(s, split="train") for s in manifest).write(folder / "manifest.csv")
    return folder / "model.keras"


def learn(job: Job) -> dict:
    """One fold, one seed: choose where there is something to choose, learn, predict the fold.

    Returns:
        JSON-ready: fold, seed, rows (of the manifest), prediction, probabilities, seconds; chosen
        and tried (the inner scores) where the recipe chooses; peek where it peeks.
    """
    with _alone:
        return _learn(job)


def _learn(job: Job) -> dict:
    start = time.time()
    labels, classes = job.manifest.labels(), len(job.manifest.classes)
    recipe, result = job.recipe, {"fold": job.fold.name, "seed": job.seed}
    if recipe.protocol.choose:
        recipe, result["chosen"], result["tried"] = _choose(job, labels, classes)
    learner = _learner(recipe, job.inputs, labels, classes, job.seed)
    honest, peek = learner.answer(job.fold.train, job.fold.test)
    result |= {"rows": job.fold.test.tolist(), **_listed(honest)}
    if peek is not None:
        result["peek"] = _listed(peek)
    return result | {"seconds": round(time.time() - start, 2)}


def _choose(job: Job, labels: np.ndarray, classes: int) -> tuple[Recipe, dict, list[float]]:
    """The values with the best pooled UF1 over folds by subject of the learnt part alone."""
    protocol = job.recipe.protocol
    inner = folds.by_subject(job.manifest, job.fold.train, protocol.inner)
    keys = list(protocol.choose)
    candidates = [
        dict(zip(keys, values, strict=True))
        for values in itertools.product(*protocol.choose.values())
    ]
    tried = []
    for candidate in candidates:
        recipe = job.recipe.changed(candidate | {"protocol.peek": False})
        learner = _learner(recipe, job.inputs, labels, classes, job.seed)
        guess = np.concatenate([learner.answer(f.train, f.test)[0].prediction for f in inner])
        truth = labels[np.concatenate([f.test for f in inner])]
        matrix = metrics.confusion_matrix(truth, guess, classes)
        tried.append(round(float(metrics.scores(matrix).macro_f1), 4))
    best = candidates[int(np.argmax(tried))]
    return job.recipe.changed(best), best, tried


def _listed(answer: Answer) -> dict:
    return {
        "prediction": answer.prediction.tolist(),
        "probabilities": [[round(float(p), 5) for p in row] for row in answer.probabilities],
    }


def _learner(recipe: Recipe, inputs: np.ndarray, labels: np.ndarray, classes: int, seed: int):
    """A learner, one of an earlier job where the same will do: tracing it takes seconds."""
    key = (json.dumps(recipe.to_dict(), default=str), seed, joblib.hash((inputs, labels)))
    if key not in _learners:
        if len(_learners) >= 16:
            _learners.clear()
        _learners[key] = fitting.learner(recipe, inputs, labels, classes, seed)
    return _learners[key]

"""Distil trained runs into a smaller network: one recipe, one run folder, like any training."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_mer import losses
from keras_mer.config.recipe import Recipe
from keras_mer.data import loading
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.files import replacing
from keras_mer.models import saving
from keras_mer.models.distillation import Distillation, fit_input
from keras_mer.models.features import logits
from keras_mer.progress import console, track
from keras_mer.training import setup, trainer
from keras_mer.training.setup import TrainingSetup


def learn(recipe: Recipe, manifest: Manifest, folder: str | Path, *, cache=None) -> Path:
    """`teach` where the recipe names teachers, else `training.train`."""
    how = teach if recipe.student.teachers else trainer.train
    return how(recipe, manifest, folder, cache=cache)


def teach(recipe: Recipe, manifest: Manifest, folder: str | Path, *, cache=None) -> Path:
    """Train the recipe's model by the word of the runs in `student.teachers`, and by the labels.

    What the folder holds, and how it resumes, is as of `training.train`. Images are read and
    augmented at the largest input of all the networks, and resized for each. Where nothing is
    augmented, the teachers look at every image once: their answers are kept in the folder
    (`teachers-….npy`) and later epochs cost what plain training costs.

    Args:
        recipe: the student's own, with `student` naming the teachers.
        manifest: with rows in the splits train and validation.
        folder: of the run.
        cache: folder for decoded images.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: for teachers that are not there or know other classes, and as `training.train`.
    """
    settings = recipe.student
    if not settings.teachers:
        raise UserError(f"{recipe.name}: student.teachers names no run to learn from")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    teachers = [saving.load_model(run, manifest.classes) for run in settings.teachers]
    student = setup.build_model(recipe, manifest.classes)
    keras.config.set_dtype_policy(policy)
    shape = largest([student, *teachers])
    beside = None
    if not any(value for _, value in recipe.augment) and not settings.matching:
        part = manifest.part("train")
        images = loading.load_images(part, *shape, cache=cache, progress=track)
        beside = answers(teachers, images, folder, _key(settings.teachers, part, shape))

    def around(model: keras.Model) -> keras.Model:
        return Distillation(
            model,
            teachers if beside is None else None,
            hard=settings.hard,
            temperature=settings.temperature,
            matching=settings.matching,
            labels=losses.loss(recipe.training),
        )

    names = ", ".join(f"{t.name} ({t.count_params():,} parameters)" for t in teachers)
    console.print(f"{recipe.name}: learning from {names}")
    return trainer.train(
        recipe, manifest, folder, cache=cache, setup=TrainingSetup(around, shape, beside)
    )


def largest(models: Sequence[keras.Model]) -> tuple[int, int, int]:
    """The largest (height, width, channels) that any of the models takes."""
    shapes = [model.input_shape[-3:] for model in models]
    return tuple(max(shape[axis] for shape in shapes) for axis in range(3))


def answers(
    teachers: Sequence[keras.Model], images: np.ndarray, folder: str | Path, key: str
) -> np.ndarray:
    """The teachers' logits, float32 (samples, teachers, classes), kept in `folder` under `key`."""
    file = Path(folder) / f"teachers-{key}.npy"
    if file.is_file():
        return np.load(file)
    models = [logits(teacher) for teacher in teachers]
    out = []
    for start in track(range(0, len(images), 256), "Asking the teachers"):
        x = np.asarray(images[start : start + 256], np.float32)
        found = [m.predict_on_batch(np.asarray(fit_input(x, m.input_shape[1:]))) for m in models]
        out.append(np.stack(found, axis=1))
    given = np.concatenate(out).astype(np.float32)
    with replacing(file) as temporary:
        np.save(temporary, given)
    return given


def _key(runs: Sequence[str], part: Manifest, shape: tuple[int, int, int]) -> str:
    digest = hashlib.sha256(repr(shape).encode())
    for run in runs:
        file = Path(run)
        digest.update((file / "model.keras" if file.is_dir() else file).read_bytes())
    for sample in part:
        digest.update(sample.path.encode())
    return digest.hexdigest()[:16]

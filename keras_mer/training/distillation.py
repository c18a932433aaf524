"""Knowledge distillation of trained runs into the recipe's model, in a resumable run folder."""

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


def train(recipe: Recipe, manifest: Manifest, folder: str | Path, *, cache=None) -> Path:
    """Train a recipe: `distill` if it names teachers, else `trainer.train`."""
    function = distill if recipe.student.teachers else trainer.train
    return function(recipe, manifest, folder, cache=cache)


def distill(recipe: Recipe, manifest: Manifest, folder: str | Path, *, cache=None) -> Path:
    """Train the recipe's model on the outputs of the runs in `student.teachers` and on the labels.

    The contents of the folder and resumption are as for `trainer.train`. Images are loaded and
    augmented at the largest input size of all networks and resized for each. Without augmentation
    the teachers' logits are computed once and kept in the folder (`teachers-….npy`), and an epoch
    costs what supervised training costs.

    Args:
        recipe: the student's own; `student` names the teachers.
        manifest: with rows in the splits train and validation.
        folder: of the run.
        cache: folder for decoded images.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: for missing teachers or teachers of other classes, and as `trainer.train`.
    """
    settings = recipe.student
    if not settings.teachers:
        raise UserError(
            f"{recipe.name}: student.teachers names no run; list one or more run folders"
        )
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    teachers = [saving.load_model(run, manifest.classes) for run in settings.teachers]
    student = setup.build_model(recipe, manifest.classes)
    keras.config.set_dtype_policy(policy)
    shape = largest([student, *teachers])
    precomputed = None
    if not any(value for _, value in recipe.augment) and not settings.matching:
        part = manifest.part("train")
        images = loading.load_images(part, *shape, cache=cache, progress=track)
        key = _key(settings.teachers, part, shape)
        precomputed = teacher_logits(teachers, images, folder, key)

    def wrap_model(model: keras.Model) -> keras.Model:
        return Distillation(
            model,
            teachers if precomputed is None else None,
            hard=settings.hard,
            temperature=settings.temperature,
            matching=settings.matching,
            labels=losses.supervised_loss(recipe.training),
        )

    names = ", ".join(f"{t.name} ({t.count_params():,} parameters)" for t in teachers)
    console.print(f"{recipe.name}: distilling from {names}")
    wrapped = TrainingSetup(wrap_model, shape, precomputed)
    return trainer.train(recipe, manifest, folder, cache=cache, setup=wrapped)


def largest(models: Sequence[keras.Model]) -> tuple[int, int, int]:
    """The largest (height, width, channels) of the models' inputs, along each axis."""
    shapes = [model.input_shape[-3:] for model in models]
    return tuple(max(shape[axis] for shape in shapes) for axis in range(3))


def teacher_logits(
    teachers: Sequence[keras.Model], images: np.ndarray, folder: str | Path, key: str
) -> np.ndarray:
    """The teachers' logits for all images, computed once and kept in `folder`.

    Args:
        teachers: models with logits or probabilities.
        images: uint8 (samples, height, width, channels).
        folder: of the run; the file is `teachers-KEY.npy`.
        key: identifies teachers and images.

    Returns:
        float32 (samples, teachers, classes).
    """
    file = Path(folder) / f"teachers-{key}.npy"
    if file.is_file():
        return np.load(file)
    models = [logits(teacher) for teacher in teachers]
    out = []
    for start in track(range(0, len(images), 256), "Computing teacher logits"):
        x = np.asarray(images[start : start + 256], np.float32)
        found = [m.predict_on_batch(np.asarray(fit_input(x, m.input_shape[1:]))) for m in models]
        out.append(np.stack(found, axis=1))
    computed = np.concatenate(out).astype(np.float32)
    with replacing(file) as temporary:
        np.save(temporary, computed)
    return computed


def _key(runs: Sequence[str], part: Manifest, shape: tuple[int, int, int]) -> str:
    digest = hashlib.sha256(repr(shape).encode())
    for run in runs:
        file = Path(run)
        digest.update((file / "model.keras" if file.is_dir() else file).read_bytes())
    for sample in part:
        digest.update(sample.path.encode())
    return digest.hexdigest()[:16]

"""The score that self-supervised distillation would print if frames were split at random.

Frames of one clip are then in train and test, as in much published code. The score measures
memorization of clips; it is computed for comparison only, and nothing is exported.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.data.frame_sampling import clip_groups
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.evaluation import report
from keras_mer.experiments import ssl_distillation, stages
from keras_mer.files import write_json, write_text
from keras_mer.training import dino as dino_training
from keras_mer.training import distillation

WARNING = "LEAKY: frames of one clip are in train and test; no score on new people."
METRICS = ("accuracy", "uar")


def shuffled(manifest: Manifest, seed: int = 0) -> Manifest:
    """The manifest with single frames dealt at random to parts of the same sizes.

    Raises:
        UserError: if no two rows are frames of one clip, so that nothing would leak.
    """
    if not any(clip_groups(manifest)):
        raise UserError(
            "--leaky compares with a random split of frames, but no two images here are frames of "
            "one clip; set the option stills of a source of clips to 2 or more"
        )
    rows = [i for i, s in enumerate(manifest) if s.split and s.split != "dropped"]
    dealt = np.random.default_rng(seed).permutation([manifest.samples[i].split for i in rows])
    samples = list(manifest.samples)
    for row, split in zip(rows, dealt.tolist(), strict=True):
        samples[row] = replace(samples[row], split=split)
    return manifest.replace(samples)


def run(recipe: Recipe, manifest: Manifest, folder: str | Path, *, cache=None) -> dict:
    """Run DINO, the teacher and the distilled student of the first seed on `shuffled` frames.

    Args:
        recipe, manifest, folder, cache: as for `ssl_distillation.run`; the runs and
            ``leaky-scores.json`` and ``leaky.md`` go to the sub-folder ``leaky``.

    Returns:
        The scores, as in ``leaky-scores.json``: the name of a model -> metric -> (mean, low, high).

    Raises:
        UserError: as `shuffled` and the stages.
    """
    manifest, folder = shuffled(manifest), Path(folder) / "leaky"
    seed = recipe.ssl_distillation.seeds[0]
    split = stages.eval_split(manifest)
    part = manifest.part(split)
    dino = stages.run(
        dino_training.pretrain,
        ssl_distillation.single_run(recipe, f"{recipe.name}-leaky", dino=recipe.dino),
        manifest,
        folder / "dino",
        cache=cache,
    )
    found: dict = {"warning": WARNING, "split": split, "samples": len(part), "models": {}}
    for kind in ("teacher-dino", "student-distilled"):
        own = ssl_distillation.stage_recipe(recipe, kind, seed, dino, folder)
        path = folder / f"{kind}-seed{seed}"
        stages.run(distillation.train, own, manifest, path, cache=cache)
        predictions = stages.predictions(path, manifest, split, cache=cache)
        found["models"][kind] = stages.scores(part, [predictions])
    write_json(folder / "leaky-scores.json", found)
    write_text(folder / "leaky.md", table(found) + "\n")
    return found


def table(found: dict) -> str:
    """The scores as a Markdown table under the warning."""
    rows = [
        [
            f"{ssl_distillation.MODELS[kind]} (leaky)",
            *map(report.percent, (m["accuracy"], m["uar"])),
        ]
        for kind, m in found["models"].items()
    ]
    return f"{WARNING}\n\n" + report.table(["", *METRICS], rows)

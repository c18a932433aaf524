"""Comparison of recipe variants on one task, with several seeds and paired differences."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.data.manifest import Manifest
from keras_mer.evaluation import report
from keras_mer.experiments import stages
from keras_mer.files import write_json, write_text
from keras_mer.training import distillation, run_folder

_SCORES = ("accuracy", "uar")


def compare(
    variants: Mapping[str, Recipe],
    manifest: Callable[[int], Manifest],
    folder: str | Path,
    *,
    seeds: int = 3,
    cache=None,
) -> dict:
    """Train every variant with every seed and compare the scores with the first variant's.

    Scores are computed on samples that were not used to select the epoch. Every run has a folder
    ``VARIANT-SEED`` in `folder`, is resumable and skipped when complete. The results are written to
    `variants.md` and `variants.json`.

    Args:
        variants: name -> recipe; the first is the baseline.
        manifest: returns the manifest for a seed, the same for all variants. The test split is
            scored, or validation if there is no test split (see `subsets.hold_out`).
        folder: to write.
        seeds: number of seeds; each replaces the recipe's `training.seed`.
        cache: folder for decoded images.

    Returns:
        JSON-ready: split, samples, labels (number of training labels), and under variants for each
        its `accuracy`, `uar` and `macro_f1` as ``[mean, low, high]``, the same under `difference`
        from the first variant, and the accuracy `of_each_seed`.
    """
    folder = Path(folder)
    predictions: dict[str, list[np.ndarray]] = {name: [] for name in variants}
    for seed in range(seeds):
        own = manifest(seed)
        split = stages.eval_split(own)
        for name, recipe in variants.items():
            seeded = recipe.changed({"training.seed": seed})
            run = stages.run(
                distillation.train, seeded, own, folder / f"{name}-{seed}", cache=cache
            )
            # With the run's own manifest, whose paths are relative to the run folder.
            _, kept = run_folder.load_run(run)
            predictions[name].append(stages.predictions(run, kept, split, cache=cache))
    part = own.part(split)
    first = next(iter(variants))
    found: dict = {
        "split": split,
        "samples": len(part),
        "labels": len(own.part("train")),
        "seeds": seeds,
        "variants": {},
    }
    for name, runs in predictions.items():
        entry = stages.scores(part, runs)
        if name != first:
            entry["difference"] = stages.scores(part, runs, predictions[first])
        entry["of_each_seed"] = [round(float((r == part.labels()).mean()), 4) for r in runs]
        found["variants"][name] = entry
    write_json(folder / "variants.json", found)
    write_text(folder / "variants.md", table(found) + "\n")
    return found


def table(found: dict) -> str:
    """The result of `compare` as a Markdown table, a row per variant."""
    first = next(iter(found["variants"]))
    rows = []
    for name, entry in found["variants"].items():
        rows.append(
            [
                name,
                *(report.percent(entry[score]) for score in _SCORES),
                *(
                    report.points(entry["difference"][score]) if "difference" in entry else "-"
                    for score in _SCORES
                ),
                " ".join(f"{100 * value:.1f}" for value in entry["of_each_seed"]),
            ]
        )
    header = [
        f"{found['labels']:,} labels", "accuracy", "UAR", f"accuracy, difference to {first}",
        f"UAR, difference to {first}", "accuracy of each seed",
    ]  # fmt: skip
    return report.table(header, rows) + (
        f"\n\nOn the {found['samples']:,} samples of {found['split']}, mean of {found['seeds']} "
        f"seed{'s' * (found['seeds'] != 1)}; 95 % intervals over samples or subjects, and seeds; "
        "paired differences in percentage points."
    )

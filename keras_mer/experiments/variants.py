"""One task learnt in several ways, several times over: what does each way bring?"""

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


def learn(
    ways: Mapping[str, Recipe],
    manifest: Callable[[int], Manifest],
    folder: str | Path,
    *,
    seeds: int = 3,
    cache=None,
) -> dict:
    """Learn every way with every seed; score each once, on samples that no epoch was chosen on.

    A run has the folder ``WAY-SEED`` below `folder`, resumable and skipped when done; beside them
    stand `ways.md` and `ways.json`.

    Args:
        ways: name -> recipe; the others are set against the first.
        manifest: the split of a seed, the same for every way. Its test part is scored, or its
            validation part where it has none (see `subsets.hold_out`).
        folder: to write.
        seeds: how many; each replaces the recipe's `training.seed`.
        cache: folder for decoded images.

    Returns:
        JSON-ready: split, samples, labels (how many were learnt from), and under ways for each
        its `accuracy`, `uar` and `macro_f1` as ``[mean, low, high]``, the same under `difference`
        from the first way, and the accuracy `of_each_seed`.
    """
    folder = Path(folder)
    answers: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for seed in range(seeds):
        own = manifest(seed)
        split = stages.judged(own)
        for name, recipe in ways.items():
            seeded = recipe.changed({"training.seed": seed})
            run = stages.run(
                distillation.learn, seeded, own, folder / f"{name}-{seed}", cache=cache
            )
            # By the run's own manifest: its paths, which a comparison reads, start at the run.
            _, kept = run_folder.load_run(run)
            answers[name].append(stages.predictions(run, kept, split, cache=cache))
    part = own.part(split)
    first = next(iter(ways))
    found: dict = {
        "split": split,
        "samples": len(part),
        "labels": len(own.part("train")),
        "seeds": seeds,
        "ways": {},
    }
    for name, runs in answers.items():
        entry = stages.scores(part, runs)
        if name != first:
            entry["difference"] = stages.scores(part, runs, answers[first])
        entry["of_each_seed"] = [round(float((r == part.labels()).mean()), 4) for r in runs]
        found["ways"][name] = entry
    write_json(folder / "ways.json", found)
    write_text(folder / "ways.md", table(found) + "\n")
    return found


def table(found: dict) -> str:
    """What `learn` found as Markdown, a row a way."""
    first = next(iter(found["ways"]))
    rows = []
    for name, entry in found["ways"].items():
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
        f"{found['labels']:,} labels", "accuracy", "UAR", f"accuracy less {first}'s",
        f"UAR less {first}'s", "accuracy of each seed",
    ]  # fmt: skip
    return report.table(header, rows) + (
        f"\n\nOn the {found['samples']:,} samples of {found['split']}, mean of {found['seeds']} "
        f"seed{'s' * (found['seeds'] != 1)}; 95 % intervals over samples or subjects, and seeds; "
        "differences in points, paired."
    )

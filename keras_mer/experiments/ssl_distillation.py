"""Self-supervised distillation: DINO pretraining, fine-tuning, distillation, export."""

import json
from pathlib import Path

from keras_mer.config.recipe import (
    Dino,
    Recipe,
    SslDistillation,
    Student,
    Transfer,
)
from keras_mer.data import subsets
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.evaluation import report
from keras_mer.experiments import stages
from keras_mer.export import export_run
from keras_mer.files import write_json, write_text
from keras_mer.models import cost, saving
from keras_mer.progress import console
from keras_mer.training import dino as dino_training
from keras_mer.training import distillation

#: The models that are compared: prefix of the run folder -> name in tables.
MODELS = {
    "teacher-scratch": "teacher from scratch",
    "teacher-dino": "teacher after DINO",
    "student-alone": "student alone",
    "student-distilled": "student distilled",
}
#: The comparisons that are reported: (name, model, baseline).
STEPS = (
    ("DINO for the teacher", "teacher-dino", "teacher-scratch"),
    ("distillation for the student", "student-distilled", "student-alone"),
    ("the student against its teacher", "student-distilled", "teacher-dino"),
)


def run(recipe: Recipe, manifest: Manifest, folder: str | Path, *, out=None, cache=None) -> dict:
    """Run all stages of self-supervised distillation that are not complete yet.

    `folder` then holds a run folder per stage: ``dino``, and for each seed those of `MODELS`; and
    `table.md` and `scores.json`. The distilled student of the first seed is exported to `out`.

    Args:
        recipe: with `dino`, `student` and `ssl_distillation`; its model is the teacher.
        manifest: with rows in the splits train and validation.
        folder: of all stages.
        out: folder of the exported student, ``saved_models/<recipe's name>`` by default.
        cache: folder for decoded images.

    Returns:
        The scores, as in `scores.json`.

    Raises:
        UserError: if the recipe has no `student.model`, and as the stages.
    """
    if not recipe.student.model:
        raise UserError(
            f"{recipe.name}: student.model is missing; it names the small model to train"
        )
    folder, seeds = Path(folder), recipe.ssl_distillation.seeds
    if recipe.ssl_distillation.hold_out and manifest.counts("split")["test"]:
        console.print("ssl_distillation.hold_out is not needed: the manifest has a test part")
    manifest = subsets.hold_out(manifest, recipe.ssl_distillation.hold_out)
    split = stages.eval_split(manifest)
    _announce("pretrain")
    dino = stages.run(
        dino_training.pretrain, single_run(recipe, recipe.name, dino=recipe.dino), manifest,
        folder / "dino", cache=cache,
    )  # fmt: skip
    predictions = {kind: [] for kind in MODELS}
    labeled = {
        seed: subsets.few_labels(manifest, recipe.ssl_distillation.labels, seed) for seed in seeds
    }
    # Model by model: the effect of DINO is known before students are trained.
    for kind in MODELS:
        for seed in seeds:
            _announce(f"{MODELS[kind]}, seed {seed}")
            path = folder / f"{kind}-seed{seed}"
            own = stage_recipe(recipe, kind, seed, dino, folder)
            # With weight 0 of the labels, the student trains on all images.
            unlabeled = kind == "student-distilled" and recipe.student.hard == 0
            data = manifest if unlabeled else labeled[seed]
            stages.run(distillation.train, own, data, path, cache=cache)
            predictions[kind].append(stages.predictions(path, manifest, split, cache=cache))
    _announce("export")
    part = manifest.part(split)
    found = {"split": split, "samples": len(part), "seeds": seeds, "models": {}, "steps": {}}
    for kind, runs in predictions.items():
        card = _export(recipe, folder, kind, out)
        found["models"][kind] = stages.scores(part, runs) | _size(folder, kind, seeds[0], card)
    for name, after, before in STEPS:
        found["steps"][name] = stages.scores(part, predictions[after], predictions[before])
    found["k-NN accuracy after DINO"] = _knn_accuracy(dino)
    write_json(folder / "scores.json", found)
    write_text(folder / "table.md", table(found) + "\n")
    return found


def single_run(recipe: Recipe, name: str, **sections) -> Recipe:
    """The recipe of one run: renamed, multi-stage sections reset except those in `sections`."""
    empty = {
        "dino": Dino(),
        "student": Student(),
        "ssl_distillation": SslDistillation(),
        "transfer": Transfer(),
    }
    return recipe.model_copy(update={"name": name} | empty | sections)


def stage_recipe(recipe: Recipe, kind: str, seed: int, dino: Path, folder: Path) -> Recipe:
    """The recipe of one training run.

    Args:
        recipe: of the whole experiment.
        kind: a key of `MODELS`.
        seed: added to the recipe's `training.seed`.
        dino: folder of the DINO run.
        folder: of all stages.
    """
    name = f"{recipe.name}-{kind}"
    own = single_run(recipe, name)
    if kind == "teacher-dino":
        own = single_run(recipe, name, transfer=transfer_from(dino, recipe.transfer))
    elif kind.startswith("student"):
        own = own.model_copy(update={"model": recipe.student.model})
        own = own.changed(recipe.student.changes) if recipe.student.changes else own
    if kind == "student-distilled":
        teacher = folder / f"teacher-dino-seed{seed}"
        student = recipe.student.model_copy(update={"teachers": [str(teacher)], "changes": {}})
        own = own.model_copy(update={"student": student})
        if recipe.student.epochs:
            own = own.changed({"training.epochs": recipe.student.epochs})
    return own.changed({"training.seed": own.training.seed + seed})


def transfer_from(dino: Path, transfer: Transfer) -> Transfer:
    """The recipe's `transfer` section with the weights of a DINO run."""
    # BatchNorm is trained, because the statistics of the DINO run are those of crops.
    return transfer.model_copy(update={"weights": str(dino), "batch_norm": True})


def _announce(name: str) -> None:
    console.print(f"\n[bold]{name}[/bold]")


def _export(recipe: Recipe, folder: Path, kind: str, out) -> dict:
    run = folder / f"{kind}-seed{recipe.ssl_distillation.seeds[0]}"
    if kind == "student-distilled":
        target, variants = (
            Path(out or f"saved_models/{recipe.name}"),
            recipe.ssl_distillation.variants,
        )
    else:
        target, variants = run / "export", ["int8"]
    source = run / "model.keras"
    if (target / "card.json").is_file() and (
        (target / "card.json").stat().st_mtime >= source.stat().st_mtime
    ):
        return stages.card_of(target)
    # Models that are only compared are exported regardless of quantization loss.
    return export_run.export_run(
        run, target, variants=tuple(variants), allow_loss=kind != "student-distilled"
    )


def _size(folder: Path, kind: str, seed: int, card: dict) -> dict:
    model = saving.load_model(folder / f"{kind}-seed{seed}")
    variant = card["variants"][card["default_variant"]]
    return {
        "parameters": model.count_params(),
        "multiply_adds": cost.multiply_adds(model),
        "file": variant["file"],
        "bytes": variant["bytes"],
        "latency_ms": variant["latency_ms"],
    }


def _knn_accuracy(dino: Path) -> float:
    return json.loads((dino / "summary.json").read_text(encoding="utf-8"))["best"]["nearest"]


def table(found: dict) -> str:
    """The scores as Markdown tables: the models, and the gain of each step."""
    models = [
        [
            MODELS[kind],
            report.percent(m["accuracy"]),
            report.percent(m["uar"]),
            f"{m['parameters']:,}",
            f"{m['multiply_adds'] / 1e6:.1f} M",
            f"{m['bytes'] / 1e3:.0f} kB",
            f"{m['latency_ms']:.2f} ms",
        ]
        for kind, m in found["models"].items()
    ]
    steps = [
        [
            name,
            report.points(s["accuracy"]),
            report.points(s["uar"]),
            "yes" if s["uar"][1] > 0 else "not shown",
        ]
        for name, s in found["steps"].items()
    ]
    header = ["", "accuracy", "UAR", "parameters", "multiply-adds", "TFLite", "latency"]
    seeds = len(found["seeds"])
    return "\n\n".join(
        [
            report.table(header, models),
            report.table(["gain", "accuracy", "UAR", "significant"], steps),
            f"On the {found['samples']:,} samples of {found['split']}, mean of {seeds} "
            f"seed{'s' * (seeds > 1)}; 95 % intervals over samples or subjects, and seeds. "
            "Latency: median of one face on one thread.",
        ]
    )

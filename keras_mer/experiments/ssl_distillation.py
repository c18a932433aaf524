"""From images without labels to a small model: pretrain, fine-tune, distil, evaluate, export."""

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

#: The four models that are compared: the name of their folders -> what they are.
KINDS = {
    "teacher-scratch": "teacher from scratch",
    "teacher-dino": "teacher after DINO",
    "student-alone": "student alone",
    "student-distilled": "student distilled",
}
#: The steps that must pay: (what is said of it, after, before).
STEPS = (
    ("DINO for the teacher", "teacher-dino", "teacher-scratch"),
    ("distillation for the student", "student-distilled", "student-alone"),
    ("the student beside its teacher", "student-distilled", "teacher-dino"),
)


def run(recipe: Recipe, manifest: Manifest, folder: str | Path, *, out=None, cache=None) -> dict:
    """Run a recipe's whole chain, or what is left of it.

    `folder` then holds a run folder for each stage: ``dino``, and for each seed the four of
    `KINDS`; beside them `table.md` and `scores.json`. The distilled student of the first seed is
    published to `out`.

    Args:
        recipe: with `dino`, `student` and `ssl_distillation`; its model is the teacher.
        manifest: with rows in the splits train and validation.
        folder: of the chain.
        out: folder of the published student, ``saved_models/<recipe's name>`` by default.
        cache: folder for decoded images.

    Returns:
        The scores, as in `scores.json`.

    Raises:
        UserError: when the recipe names no student, and what the stages raise.
    """
    if not recipe.student.model:
        raise UserError(f"{recipe.name}: student.model is missing: who is to learn?")
    folder, seeds = Path(folder), recipe.ssl_distillation.seeds
    if recipe.ssl_distillation.hold_out and manifest.counts("split")["test"]:
        console.print("ssl_distillation.hold_out is not needed: the manifest has a test part")
    manifest = subsets.hold_out(manifest, recipe.ssl_distillation.hold_out)
    split = stages.judged(manifest)
    _stage("pretrain")
    dino = stages.run(
        dino_training.pretrain, plain(recipe, recipe.name, dino=recipe.dino), manifest,
        folder / "dino", cache=cache,
    )  # fmt: skip
    guesses = {kind: [] for kind in KINDS}
    labelled = {
        seed: subsets.few_labels(manifest, recipe.ssl_distillation.labels, seed) for seed in seeds
    }
    # Kind by kind, so that whether DINO pays is known before any student learns.
    for kind in KINDS:
        for seed in seeds:
            _stage(f"{KINDS[kind]}, seed {seed}")
            path = folder / f"{kind}-seed{seed}"
            own = stage(recipe, kind, seed, dino, folder)
            # Without labels in its loss a student may learn from every image.
            free = kind == "student-distilled" and recipe.student.hard == 0
            seen = manifest if free else labelled[seed]
            stages.run(distillation.learn, own, seen, path, cache=cache)
            guesses[kind].append(stages.predictions(path, manifest, split, cache=cache))
    _stage("export")
    part = manifest.part(split)
    found = {"split": split, "samples": len(part), "seeds": seeds, "models": {}, "steps": {}}
    for kind, runs in guesses.items():
        card = _export(recipe, folder, kind, out)
        found["models"][kind] = stages.scores(part, runs) | _size(folder, kind, seeds[0], card)
    for name, after, before in STEPS:
        found["steps"][name] = stages.scores(part, guesses[after], guesses[before])
    found["nearest neighbours after DINO"] = _nearest(dino)
    write_json(folder / "scores.json", found)
    write_text(folder / "table.md", table(found) + "\n")
    return found


def plain(recipe: Recipe, name: str, **sections) -> Recipe:
    """The recipe under another name, without the sections of a chain but those given."""
    empty = {
        "dino": Dino(),
        "student": Student(),
        "ssl_distillation": SslDistillation(),
        "transfer": Transfer(),
    }
    return recipe.model_copy(update={"name": name} | empty | sections)


def stage(recipe: Recipe, kind: str, seed: int, dino: Path, folder: Path) -> Recipe:
    """The recipe by which a model of the chain is trained."""
    name = f"{recipe.name}-{kind}"
    own = plain(recipe, name)
    if kind == "teacher-dino":
        # Its statistics are the crops': let BatchNorm learn those of whole faces.
        own = plain(recipe, name, transfer=after(dino, recipe.transfer))
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


def after(dino: Path, transfer: Transfer) -> Transfer:
    """The recipe's `transfer`, from a DINO run."""
    return transfer.model_copy(update={"weights": str(dino), "batch_norm": True})


def _stage(name: str) -> None:
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
    # What is only compared is exported whatever it loses.
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


def _nearest(dino: Path) -> float:
    return json.loads((dino / "summary.json").read_text(encoding="utf-8"))["best"]["nearest"]


def table(found: dict) -> str:
    """The chain's scores as Markdown: the four models, and what each step brought."""
    models = [
        [
            KINDS[kind],
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
            report.table(["what it brings", "accuracy", "UAR", "pays"], steps),
            f"On the {found['samples']:,} samples of {found['split']}, mean of {seeds} "
            f"seed{'s' * (seeds > 1)}; 95 % intervals over samples or subjects, and seeds. "
            "Latency: median of one face on one thread.",
        ]
    )

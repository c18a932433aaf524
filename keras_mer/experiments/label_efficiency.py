"""Label efficiency: a pretrained network against one from scratch at several label fractions."""

from pathlib import Path

import keras
import numpy as np

from keras_mer.config.recipe import Recipe
from keras_mer.data import loading, subsets
from keras_mer.data.manifest import Manifest
from keras_mer.evaluation import knn, linear_probe, report
from keras_mer.experiments import ssl_distillation, stages
from keras_mer.files import write_json, write_text
from keras_mer.models import layer_freezing, saving
from keras_mer.models.features import features
from keras_mer.progress import track
from keras_mer.training import distillation


def compare(
    recipe: Recipe,
    manifest: Manifest,
    pretrained: Path,
    folder: str | Path,
    *,
    fractions: tuple[float, ...] = (0.01, 0.1, 1.0),
    seeds: tuple[int, ...] = (0, 1, 2),
    tune: bool = True,
    cache=None,
) -> dict:
    """Compare k-NN, linear probe and fine-tuning of a pretrained network by label fraction.

    The baseline of k-NN and linear probe is a random network of the same architecture; that of
    fine-tuning is training from scratch with the same labels, seed and settings. Every training
    run has its own folder in `folder`, is resumable and skipped when complete. The results are
    written to `probes.md` and `probes.json`.

    Args:
        recipe: its `model` and `training` are used for training with labels.
        manifest: with rows in the splits train and validation; see `ssl_distillation.hold_out` in
            a recipe.
        pretrained: folder of a DINO run.
        folder: to write.
        fractions: shares of the labels; with one seed, smaller subsets are part of larger ones.
        seeds: of the label subset and of training.
        tune: whether to fine-tune, which takes most of the time.
        cache: folder for decoded images.

    Returns:
        As in `probes.json`: fraction -> variant -> scores with intervals, and paired differences
        from the baselines.
    """
    folder = Path(folder)
    manifest = subsets.hold_out(manifest, recipe.ssl_distillation.hold_out)
    split = stages.eval_split(manifest)
    part = manifest.part(split)
    predictions = _frozen_predictions(recipe, manifest, part, pretrained, fractions, seeds, cache)
    if tune:
        for fraction in fractions:
            for variant, transfer in _VARIANTS.items():
                runs = []
                for seed in seeds:
                    few = subsets.few_labels(manifest, fraction, seed)
                    name = f"{variant.replace(' ', '-')}-{100 * fraction:g}%-seed{seed}"
                    own = ssl_distillation.single_run(recipe, f"{recipe.name}-{name}")
                    if transfer:
                        own = ssl_distillation.single_run(
                            own,
                            own.name,
                            transfer=ssl_distillation.transfer_from(pretrained, recipe.transfer),
                        )
                    own = own.changed({"training.seed": recipe.training.seed + seed})
                    run = stages.run(distillation.train, own, few, folder / name, cache=cache)
                    runs.append(stages.predictions(run, manifest, split, cache=cache))
                predictions[fraction, variant] = runs
    found = {"split": split, "samples": len(part), "seeds": list(seeds), "labels": {}}
    for fraction in fractions:
        row = {
            variant: stages.scores(part, runs)
            for (f, variant), runs in predictions.items()
            if f == fraction
        }
        gains = {
            f"{after} over {before}": stages.scores(
                part, predictions[fraction, after], predictions[fraction, before]
            )
            for after, before in _PAIRS
            if (fraction, after) in predictions
        }
        found["labels"][f"{100 * fraction:g} %"] = row | gains
    write_json(folder / "probes.json", found)
    write_text(folder / "probes.md", table(found) + "\n")
    return found


_VARIANTS = {"from scratch": False, "fine-tuned": True}
_PAIRS = (
    ("k-NN", "k-NN, random network"),
    ("linear probe", "linear probe, random network"),
    ("fine-tuned", "from scratch"),
)


def _frozen_predictions(
    recipe, manifest: Manifest, part: Manifest, pretrained, fractions, seeds, cache
) -> dict:
    """Predictions of k-NN and linear probe on frozen features: (fraction, variant) -> runs."""
    keras.utils.set_random_seed(recipe.dino.seed)
    trained = saving.load_model(pretrained, manifest.classes)
    load = dict(zip(("height", "width", "channels"), trained.input_shape[1:], strict=True))
    train = manifest.part("train")
    some = train.replace(train.samples[:: max(1, len(train) // 256)])
    random = _random_like(trained, loading.load_images(some, **load))
    bodies = {"": features(trained), ", random network": features(random)}
    predictions: dict = {}
    for suffix, body in bodies.items():
        known = manifest.where(lambda s: s.split == "train")
        found = {
            name: knn.embed(body, loading.load_images(p, **load, cache=cache, progress=track))
            for name, p in (("train", known), ("eval", part))
        }
        row = {s.path: i for i, s in enumerate(known)}
        for fraction in fractions:
            for seed in seeds:
                few = subsets.few_labels(manifest, fraction, seed).part("train")
                taken = found["train"][[row[s.path] for s in few]]
                for name, probe in (("k-NN", knn), ("linear probe", linear_probe)):
                    votes = probe.classify(taken, few.labels(), found["eval"], len(part.classes))
                    predictions.setdefault((fraction, name + suffix), []).append(votes.argmax(1))
    return predictions


def _random_like(model: keras.Model, images: np.ndarray) -> keras.Model:
    """The same architecture with new random weights and BatchNorm statistics from `images`."""
    fresh = keras.models.clone_model(model)
    batch = images.astype(np.float32)
    layer_freezing.recalibrate_batch_norm(
        layer_freezing.leaves(fresh), lambda: fresh(batch, training=True)
    )
    return fresh


def table(found: dict) -> str:
    """The comparison as a Markdown table of UAR: a row per variant, a column per fraction."""
    shares = list(found["labels"])
    rows = []
    for variant in found["labels"][shares[0]]:
        show = report.points if " over " in variant else report.percent
        rows.append([variant, *(show(found["labels"][share][variant]["uar"]) for share in shares)])
    return report.table(["UAR with these labels", *shares], rows) + (
        f"\n\nOn the {found['samples']:,} samples of {found['split']}, mean of "
        f"{len(found['seeds'])} seeds; 95 % intervals over samples or subjects, and seeds."
    )

"""What pretraining is worth when labels are few: the same network with it and from scratch."""

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
    """Nearest neighbours, a linear probe and fine-tuning, with shares of the labels.

    Each is set beside its own beginning: the neighbours and the probe on a random network of the
    same kind, fine-tuning from scratch on the same labels with the same seed and settings. A run
    of fine-tuning has a folder of its own below `folder`, resumable and skipped when done; beside
    them stand `probes.md` and `probes.json`.

    Args:
        recipe: its `model` and `training` say how labels are learnt.
        manifest: with rows in the splits train and validation; see `ssl_distillation.hold_out` in
            a recipe.
        pretrained: a DINO run.
        folder: to write.
        fractions: shares of the labels; for one seed the smaller ones are part of the larger.
        seeds: of the labels chosen, and of the training.
        tune: whether to fine-tune, which takes by far the longest.
        cache: folder for decoded images.

    Returns:
        As in `probes.json`: share -> way -> scores with intervals, and what it gains.
    """
    folder = Path(folder)
    manifest = subsets.hold_out(manifest, recipe.ssl_distillation.hold_out)
    split = stages.judged(manifest)
    part = manifest.part(split)
    answers = _frozen(recipe, manifest, part, pretrained, fractions, seeds, cache)
    if tune:
        for fraction in fractions:
            for way, transfer in _WAYS.items():
                runs = []
                for seed in seeds:
                    few = subsets.few_labels(manifest, fraction, seed)
                    name = f"{way.replace(' ', '-')}-{100 * fraction:g}%-seed{seed}"
                    own = ssl_distillation.plain(recipe, f"{recipe.name}-{name}")
                    if transfer:
                        own = ssl_distillation.plain(
                            own,
                            own.name,
                            transfer=ssl_distillation.after(pretrained, recipe.transfer),
                        )
                    own = own.changed({"training.seed": recipe.training.seed + seed})
                    run = stages.run(distillation.learn, own, few, folder / name, cache=cache)
                    runs.append(stages.predictions(run, manifest, split, cache=cache))
                answers[fraction, way] = runs
    found = {"split": split, "samples": len(part), "seeds": list(seeds), "labels": {}}
    for fraction in fractions:
        row = {
            way: stages.scores(part, runs) for (f, way), runs in answers.items() if f == fraction
        }
        gains = {
            f"{after} over {before}": stages.scores(
                part, answers[fraction, after], answers[fraction, before]
            )
            for after, before in _PAIRS
            if (fraction, after) in answers
        }
        found["labels"][f"{100 * fraction:g} %"] = row | gains
    write_json(folder / "probes.json", found)
    write_text(folder / "probes.md", table(found) + "\n")
    return found


_WAYS = {"from scratch": False, "fine-tuned": True}
_PAIRS = (
    ("neighbours", "neighbours, random network"),
    ("linear probe", "linear probe, random network"),
    ("fine-tuned", "from scratch"),
)


def _frozen(recipe, manifest: Manifest, part: Manifest, pretrained, fractions, seeds, cache):
    """Predictions of neighbours and linear probes on frozen features: (share, way) -> runs."""
    keras.utils.set_random_seed(recipe.dino.seed)
    trained = saving.load_model(pretrained, manifest.classes)
    load = dict(zip(("height", "width", "channels"), trained.input_shape[1:], strict=True))
    train = manifest.part("train")
    some = train.replace(train.samples[:: max(1, len(train) // 256)])
    random = _random_like(trained, loading.load_images(some, **load))
    bodies = {"": features(trained), ", random network": features(random)}
    answers: dict = {}
    for suffix, body in bodies.items():
        known = manifest.where(lambda s: s.split == "train")
        found = {
            name: knn.embed(body, loading.load_images(p, **load, cache=cache, progress=track))
            for name, p in (("known", known), ("asked", part))
        }
        row = {s.path: i for i, s in enumerate(known)}
        for fraction in fractions:
            for seed in seeds:
                few = subsets.few_labels(manifest, fraction, seed).part("train")
                taken = found["known"][[row[s.path] for s in few]]
                for way, probe in (("neighbours", knn), ("linear probe", linear_probe)):
                    votes = probe.classify(taken, few.labels(), found["asked"], len(part.classes))
                    answers.setdefault((fraction, way + suffix), []).append(votes.argmax(1))
    return answers


def _random_like(model: keras.Model, images: np.ndarray) -> keras.Model:
    """The same architecture with fresh weights, BatchNorm's statistics taken from `images`."""
    fresh = keras.models.clone_model(model)
    batch = images.astype(np.float32)
    layer_freezing.settle(layer_freezing.leaves(fresh), lambda: fresh(batch, training=True))
    return fresh


def table(found: dict) -> str:
    """The comparison as Markdown: a row a way, a column a share of the labels (UAR)."""
    shares = list(found["labels"])
    rows = []
    for way in found["labels"][shares[0]]:
        show = report.points if " over " in way else report.percent
        rows.append([way, *(show(found["labels"][share][way]["uar"]) for share in shares)])
    return report.table(["UAR with these labels", *shares], rows) + (
        f"\n\nOn the {found['samples']:,} samples of {found['split']}, mean of "
        f"{len(found['seeds'])} seeds; 95 % intervals over samples or subjects, and seeds."
    )

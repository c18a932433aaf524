"""Evaluation of a trained model on one split: metrics with intervals, tables and figures."""

import csv
import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_mer.data import fingerprints, inputs, transforms
from keras_mer.data.manifest import Manifest
from keras_mer.evaluation import bootstrap, metrics, report
from keras_mer.files import replacing, write_json, write_text
from keras_mer.progress import track


def predict(
    model: keras.Model,
    images: np.ndarray,
    *,
    kind: str = "image",
    flip: bool = False,
    batch: int = 256,
) -> np.ndarray:
    """Probabilities, float32 (samples, classes), of uint8 samples (samples, ...).

    With `flip`, the mean over each sample and its mirror image (see `transforms.mirror`).
    """
    out = []
    for start in track(range(0, len(images), batch), "Predicting"):
        x = np.asarray(images[start : start + batch], np.float32)
        p = model.predict_on_batch(x)
        if flip:
            p = (p + model.predict_on_batch(transforms.mirror(x, kind))) / 2
        out.append(p)
    return np.concatenate(out)


@dataclass(frozen=True)
class Evaluation:
    """Predictions on one split and their metrics.

    Attributes:
        manifest: the samples, in order.
        images: uint8 (samples, ...), as the model takes them.
        probabilities: float32 (samples, classes).
        scores: the content of metrics.json.
    """

    manifest: Manifest
    images: np.ndarray
    probabilities: np.ndarray
    scores: dict


def evaluate(
    model: keras.Model,
    manifest: Manifest,
    split: str,
    *,
    kind: str = "image",
    flip: bool = False,
    cache=None,
) -> Evaluation:
    """Evaluate a model on one split of a manifest.

    Intervals are percentile bootstraps: over subjects where every sample has one, else over
    samples. ``without_duplicates`` excludes samples that are pixel-identical to a training sample,
    also where the manifest dropped that training sample for this reason.

    Args:
        model: raw pixels -> probabilities.
        manifest: the whole one, so that duplicates in train can be told.
        split: which part.
        kind: of the model's input, a key of `keras_mer.kinds.KINDS`.
        flip: also score the mean over each image and its mirror image.
        cache: folder for decoded images.
    """
    part = manifest.part(split)
    images = inputs.load(part, kind, model.input_shape[1:], cache=cache, progress=track)
    probabilities = predict(model, images)
    truth = part.labels()
    fresh = ~_in_train(manifest, part)
    subjects = np.array([s.subject for s in part])
    groups = subjects if all(subjects) else None
    found = {
        "split": split,
        "classes": list(manifest.classes),
        "interval": f"95 % bootstrap over {'samples' if groups is None else 'subjects'}",
        "whole": _score(truth, probabilities, groups),
    }
    if fresh.any():
        found["without_duplicates"] = _score(
            truth[fresh], probabilities[fresh], None if groups is None else groups[fresh]
        )
    if flip:
        found["whole_flip"] = _score(truth, predict(model, images, kind=kind, flip=True), groups)
    return Evaluation(part, images, probabilities, found)


def _in_train(manifest: Manifest, part: Manifest) -> np.ndarray:
    """Which samples of a split are pixel-identical to a training sample: bool (samples,)."""
    kept = manifest.where(lambda s: s.split != "dropped")
    if all(s.digest for s in kept):
        train = {s.digest for s in kept if s.split == "train"}
        return np.array([bool(s.duplicate_of) or s.digest in train for s in part])
    # A manifest of an older run has no digests, and does not say which of its dropped rows were
    # duplicates in train; every dropped row that can be read counts as one.
    seen = manifest.where(lambda s: s.split in ("train", "dropped"))
    # Fingerprints skip dropped rows, hence another split's name.
    seen = seen.replace(dataclasses.replace(s, split="train") for s in seen)
    train = set(fingerprints.take(seen).digest) - {""}
    return np.array([digest in train for digest in fingerprints.take(part).digest])


def _score(truth: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None) -> dict:
    classes = probabilities.shape[1]
    prediction = probabilities.argmax(1)
    found = bootstrap.estimate(truth, prediction, classes, groups=groups)
    return {
        "samples": len(truth),
        **found.intervals(),
        "calibration_error": round(metrics.calibration_error(probabilities, truth), 4),
        "confusion": metrics.confusion_matrix(truth, prediction, classes).tolist(),
    }


def write(evaluation: Evaluation, folder: str | os.PathLike, title: str) -> Path:
    """Write metrics.json, report.md, predictions.csv, confusion.png, misclassified.png.

    Returns:
        The path of report.md.
    """
    folder = Path(folder)
    found, part = evaluation.scores, evaluation.manifest
    truth, prediction = part.labels(), evaluation.probabilities.argmax(1)
    write_json(folder / "metrics.json", found)
    write_text(folder / "report.md", report.markdown(found, title))
    with replacing(folder / "predictions.csv") as file, file.open("w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["path", "subject", "truth", "prediction", *part.classes])
        for sample, p in zip(part, evaluation.probabilities, strict=True):
            writer.writerow(
                [
                    sample.path,
                    sample.subject,
                    sample.label,
                    part.classes[int(p.argmax())],
                    *(f"{v:.5f}" for v in p),
                ]
            )
    report.draw_confusion(
        np.array(found["whole"]["confusion"]), part.classes, folder / "confusion.png", title
    )
    wrong = np.flatnonzero(truth != prediction)
    # Confident errors are the most informative: the model is wrong, or the label is.
    wrong = wrong[np.argsort(-evaluation.probabilities.max(1)[wrong])]
    report.draw_misclassified(
        [
            (
                _picture(evaluation.images[i]),
                part.classes[truth[i]],
                part.classes[prediction[i]],
                float(evaluation.probabilities[i].max()),
                part.samples[i].path,
            )
            for i in wrong[:40]
        ],
        folder / "misclassified.png",
        f"{title}: the {min(40, len(wrong))} of {len(wrong)} misclassified samples with the "
        "highest confidence",
    )
    return folder / "report.md"


def _picture(sample: np.ndarray) -> np.ndarray:
    """A sample as one image (height, width, channels): of a clip its middle frame."""
    return sample if sample.ndim == 3 else sample[len(sample) // 2]


def count_test_look(run: str | os.PathLike) -> int:
    """Count an evaluation on the test split in the run's folder; returns the count so far."""
    file = Path(run) / "test-looks.txt"
    looks = int(file.read_text()) + 1 if file.is_file() else 1
    write_text(file, f"{looks}\n")
    return looks

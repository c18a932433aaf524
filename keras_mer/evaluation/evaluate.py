"""Measure a trained model on one split: scores with intervals, tables, pictures."""

import csv
import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_mer.data import fingerprints, inputs, transforms
from keras_mer.data.audit import TWIN_NOTE
from keras_mer.data.manifest import Manifest
from keras_mer.evaluation import metrics, report
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
    """Predictions on one split and their scores.

    Attributes:
        manifest: the samples, in order.
        images: uint8 (samples, ...), as the model takes them.
        probabilities: float32 (samples, classes).
        scores: JSON-ready, as in `metrics.json`.
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
    """Score a model on a manifest's split.

    Intervals are percentile bootstraps, over subjects where every sample names one, else over
    samples. ``without_duplicates`` leaves out the samples whose very pixels also stand in train,
    or stood there before the manifest dropped them.

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
        "without_duplicates": _score(
            truth[fresh], probabilities[fresh], None if groups is None else groups[fresh]
        ),
    }
    if flip:
        found["whole_flip"] = _score(truth, predict(model, images, kind=kind, flip=True), groups)
    return Evaluation(part, images, probabilities, found)


def _in_train(manifest: Manifest, part: Manifest) -> np.ndarray:
    seen = manifest.where(
        lambda s: s.split == "train" or (s.split == "dropped" and s.note.startswith(TWIN_NOTE))
    )
    # Under another split's name, since dropped rows are not read.
    seen = seen.replace(dataclasses.replace(s, split="train") for s in seen)
    known = set(fingerprints.take(seen).digest) - {""}
    return np.array([digest in known for digest in fingerprints.take(part).digest])


def _score(truth: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None) -> dict:
    classes = probabilities.shape[1]
    guess = probabilities.argmax(1)
    confusion = metrics.confusion_matrix(truth, guess, classes)
    point = metrics.scores(confusion)
    spread = metrics.scores(metrics.bootstrap(truth, guess, classes, groups=groups))
    out = {"samples": len(truth)}
    for name in ("accuracy", "macro_f1", "uar", "precision", "recall", "f1"):
        low, high = metrics.interval(getattr(spread, name))
        value = np.stack([getattr(point, name), low, high], axis=-1)
        out[name] = np.where(np.isnan(value), None, value.round(4)).tolist()
    out["calibration_error"] = round(metrics.calibration_error(probabilities, truth), 4)
    out["confusion"] = confusion.tolist()
    return out


def write(evaluation: Evaluation, folder: str | os.PathLike, title: str) -> Path:
    """Write metrics.json, report.md, predictions.csv, confusion.png, misclassified.png.

    Returns:
        The path of report.md.
    """
    folder = Path(folder)
    found, part = evaluation.scores, evaluation.manifest
    truth, guess = part.labels(), evaluation.probabilities.argmax(1)
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
    wrong = np.flatnonzero(truth != guess)
    # The surest mistakes say the most: about the model, or about the label.
    wrong = wrong[np.argsort(-evaluation.probabilities.max(1)[wrong])]
    report.draw_misclassified(
        [
            (
                _picture(evaluation.images[i]),
                part.classes[truth[i]],
                part.classes[guess[i]],
                float(evaluation.probabilities[i].max()),
                part.samples[i].path,
            )
            for i in wrong[:40]
        ],
        folder / "misclassified.png",
        f"{title}: the {min(40, len(wrong))} surest of {len(wrong)} mistakes",
    )
    return folder / "report.md"


def _picture(sample: np.ndarray) -> np.ndarray:
    """A sample as one image (height, width, channels): of a clip its middle frame."""
    return sample if sample.ndim == 3 else sample[len(sample) // 2]


def count_test_look(run: str | os.PathLike) -> int:
    """Note in the run's folder that its test split was looked at; returns how often by now."""
    file = Path(run) / "test-looks.txt"
    looks = int(file.read_text()) + 1 if file.is_file() else 1
    write_text(file, f"{looks}\n")
    return looks

"""Precomputed flow images: a folder with ``samples.csv`` (file, dataset, subject, clip, label).

Each image is one clip: red is the horizontal flow from onset to apex, green the vertical flow,
blue the optical strain, each scaled from its minimum to its maximum. STSTNet's authors published
their MEGC 2019 features in this form; `scripts/flow.py` computes such a folder from any dataset of
clips, with ``preprocessing.json`` beside the table. For a folder without that record a recipe may
state it as ``data.preprocessing`` (`keras_mer.data.preprocessing`). Where the path holds a dataset
of clips instead, the flow images are computed once, into ``data/flow``.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from keras_mer import images
from keras_mer import labels as vocabularies
from keras_mer.data import containers, flow_dataset, sources
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.sources.folders import in_order
from keras_mer.errors import UserError, nearest

HELP = (
    "expected a folder with samples.csv (file,dataset,subject,clip,label) and the flow images "
    "that it names, or a dataset of clips, of which they are computed (option dataset: its source)"
)
COLUMNS = ("file", "dataset", "subject", "clip", "label")

_NAMES = {"casmeii": "casme2", "casme2cropped": "casme2"}


def load(path: Path, *, dataset: str = "megc2019", **options) -> Manifest:
    """The clips of a folder of flow images; the source column is each row's own dataset.

    Subjects and clips are prefixed by their dataset (``smic:s01``), so that they are unique when
    datasets meet. Classes are ``megc3`` where its three hold every label. A row whose image is
    missing, whose label is no class or which stands twice, and an image without a row, stay as
    dropped rows. A column ``amplitude`` (the strongest motion in the clip, in shares of the
    face's width) goes into the note.

    Args:
        path: the folder, or the csv in it; or a folder of clips.
        dataset: the source that reads the clips, where the folder has no ``samples.csv``.
        options: of that source.

    Raises:
        UserError: for a missing csv, a missing column or a csv without one good row; for clips,
            as their source and `flow_dataset.computed`.
    """
    table = path if path.is_file() else path / "samples.csv"
    if not table.is_file():
        return _of_clips(path, dataset, options)
    root, seen, samples = table.parent, Counter(), []
    for number, where, values in containers.read_csv(table):
        if number == 0:
            _check_columns(table, values)
        sample = _sample(values, root, f"{where}: ", seen)
        seen[sample.path] += 1
        samples.append(sample)
    if all(s.split == "dropped" for s in samples):
        first = f"; the first is {samples[0].note}" if samples else ""
        raise UserError(f"{table}: no usable row among {len(samples):,}{first}")
    for name in containers.names(root):
        if Path(name).suffix.lower() in images.SUFFIXES and name not in seen:
            note = f"{name}: image without a row in {table.name}"
            samples.append(Sample(path=name, split="dropped", note=note))
    labels = {s.label for s in samples if s.label}
    megc3 = vocabularies.VOCABULARIES["megc3"]
    return Manifest(tuple(samples), root, megc3 if labels <= set(megc3) else in_order(labels))


def _of_clips(path: Path, dataset: str, options: Mapping[str, object]) -> Manifest:
    if dataset == "flow-images":
        raise UserError(f"{path}: no samples.csv here; {HELP}")
    try:
        clips = sources.load(dataset, path, **options)
    except UserError as error:
        raise UserError(
            f"{path}: no samples.csv here, and no clips of {dataset} of which flow could be "
            f"computed: {error}"
        ) from None
    flow = load(flow_dataset.computed(clips, dataset))
    known = {(s.subject, s.clip) for s in flow}
    # The clips that gave no image stay as dropped rows, with the reason where there is one.
    missing = (
        replace(s, path=s.clip or s.path, split="dropped", note=s.note or f"no flow of {s.path}")
        for s in map(sources.with_prefixes, clips)
        if (s.subject, s.clip) not in known
    )
    return flow.replace([*flow, *missing])


def dataset_name(text: str) -> str:
    """A dataset's name as the sources are called: ``"CASME II"`` -> ``"casme2"``."""
    word = re.sub(r"[^a-z0-9]", "", text.lower())
    return _NAMES.get(word, word)


def _check_columns(table: Path, values: dict[str, str]) -> None:
    for column in COLUMNS:
        if column not in values:
            raise UserError(
                f"{table} row 0: no column '{column}'{nearest(column, values)}; "
                f"expected {','.join(COLUMNS)}, got {','.join(values)}"
            )


def _sample(values: dict[str, str], root: Path, where: str, seen: Counter) -> Sample:
    file, dataset, subject, clip, word = (values.get(c, "").strip() for c in COLUMNS)
    dataset = dataset_name(dataset)
    path = file.replace("\\", "/").removeprefix("./")
    label, note = "", ""
    try:
        label = vocabularies.canonical(word)
    except UserError as error:
        note = f"{where}{error}"
    if not subject or not dataset:
        note = f"{where}no {'dataset' if subject else 'subject'}"
    if not path or Path(path).is_absolute() or ".." in Path(path).parts:
        note = f"{where}file '{file}' is not a path inside the folder"
    elif not (root / path).is_file():
        note = f"{where}no image {path}"
    elif seen[path]:
        note = f"{where}{path} stands twice"
    kept = f"amplitude {values['amplitude']}" if values.get("amplitude") else ""
    return Sample(
        path=path or where,
        label=label,
        subject=f"{dataset}:{subject}" if subject else "",
        clip=f"{dataset}:{clip}" if clip else "",
        source=dataset,
        split="dropped" if note else "",
        note=note or kept,
    )

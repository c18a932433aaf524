"""Synthetic faces of `keras_mer.synthetic`: ``samples.csv`` (file, label, subject, intensity)."""

import csv
import inspect
import json
from pathlib import Path
from typing import Any

from keras_mer import labels
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.data.sources.folders import in_order
from keras_mer.errors import UserError, nearest
from keras_mer.files import replacing, write_json
from keras_mer.progress import Callback

HELP = "it is generated when its folder does not exist yet"
OPTIONS = "options.json"


def load(path: Path, **options: Any) -> Manifest:
    """Load the synthetic dataset at `path`; generate it if the folder is missing or empty.

    Options are those of `keras_mer.synthetic.write_samples` and stored beside the images;
    ``colour`` is an old name of ``color``.

    Raises:
        UserError: for an unknown option, a folder of another kind, or one that was generated with
            other options.
    """
    options = _rename_old(options)
    table = path / "samples.csv"
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        _generate(path, options)
    if not table.is_file():
        raise UserError(
            f"{path}: expected a synthetic dataset or no folder; samples.csv is missing"
        )
    _check_options(path, options)
    with table.open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    try:
        samples = tuple(
            Sample(
                path=row["file"],
                label=labels.canonical(row["label"]),
                subject=row["subject"],
                note=f"intensity {row['intensity']}",
            )
            for row in rows
        )
    except KeyError as missing:
        raise UserError(f"{table}: no column {missing} in its header") from None
    return Manifest(samples, path, in_order(s.label for s in samples))


def _rename_old(options: dict[str, Any]) -> dict[str, Any]:
    return {"color" if name == "colour" else name: value for name, value in options.items()}


def _generate(path: Path, options: dict[str, Any]) -> None:
    from keras_mer.synthetic import write_samples

    reserved = {"folder", "progress", "overwrite"}
    known = [name for name in inspect.signature(write_samples).parameters if name not in reserved]
    for option in options:
        if option not in known:
            raise UserError(
                f"source synthetic: unknown option '{option}'{nearest(option, known)}; "
                f"it has: {', '.join(known)}"
            )
    with replacing(path) as folder, Callback("Drawing faces") as progress:
        write_samples(folder, progress=progress, **options)
        write_json(folder / OPTIONS, options)


def _check_options(path: Path, options: dict[str, Any]) -> None:
    file = path / OPTIONS
    if not options or not file.is_file():
        return
    had = _rename_old(json.loads(file.read_text(encoding="utf-8")))
    if had != json.loads(json.dumps(options)):
        raise UserError(
            f"{path} was generated with the options {had}, not {options}: delete it or choose "
            "another path"
        )

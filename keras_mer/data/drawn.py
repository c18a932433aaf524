"""Drawn clips in place of licensed datasets: what a recipe reads where its dataset is missing.

They are drawn in the dataset's own layout, tables included, into ``data/drawn/NAME``. A recipe that
reads them is called ``RECIPE-drawn``, and so are its manifest, run, reports and exported model.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from keras_mer import synthetic
from keras_mer.config.recipe import Recipe
from keras_mer.errors import UserError
from keras_mer.progress import Callback, console

#: Where clips are drawn, relative to the working folder.
FOLDER = Path("data/drawn")
SUFFIX = "-drawn"
#: Datasets that consist of others, in folders of their names.
PARTS = {"megc2019": ("casme2", "smic", "samm")}

#: Layout -> writer.
WRITERS = {
    "casme2": synthetic.write_casme2,
    "smic": synthetic.write_smic,
    "samm": synthetic.write_samm,
}
#: What is drawn for a missing dataset: layout -> arguments of its writer. The seeds differ, so that
#: no person is in two datasets. A set is drawn in about half a minute of one core, and a recipe
#: learns from it in a few minutes.
DEFAULTS = {
    "casme2": {"count": 300, "subjects": 20, "seed": 1},
    "smic": {"count": 300, "subjects": 20, "seed": 2},
    "samm": {
        "count": 300, "subjects": 20, "seed": 3,
        "classes": ("angry", "contempt", "happy", "surprise", "others"),
    },
}  # fmt: skip
#: Shared by all: clear expressions, long enough for ten frames at every camera's rate.
LOOK = {"intensity": 0.5, "duration": (0.1, 0.4)}


@dataclass(frozen=True)
class _Place:
    """A folder that a recipe reads: its layout, and the source that names it."""

    name: str
    layout: str
    path: Path

    @property
    def drawn(self) -> Path:
        """Where its clips are drawn."""
        return FOLDER / self.path.name


def resolve(recipe: Recipe, *, real: bool = False) -> Recipe:
    """The recipe itself, or one that reads drawn clips where its datasets are missing.

    Draws what has not been drawn yet, and says so in one line.

    Args:
        recipe: the experiment.
        real: do not draw; loading reports the missing dataset.

    Raises:
        UserError: when drawn and real data would be mixed.
    """
    places = list(_places(recipe))
    missing = [p for p in places if not p.path.exists()]
    if missing and not real and all(p.layout in WRITERS for p in missing):
        if len(missing) < len(places):
            there = next(p for p in places if p.path.exists())
            raise UserError(
                f"{recipe.name}: {missing[0].path} is missing and {there.path} is there: a run "
                f"does not mix drawn and real data; put {missing[0].layout} at {missing[0].path}, "
                f"or say where it is with DATA={missing[0].name}=PATH"
            )
        _draw(missing)
        recipe = recipe.changed({"data.sources": _moved(recipe)})
        places = list(_places(recipe))
    inside = [FOLDER.resolve() in p.path.resolve().parents for p in places]
    if any(inside) and not all(inside):
        own = ", ".join(str(p.path) for p, drawn in zip(places, inside, strict=True) if not drawn)
        raise UserError(
            f"{recipe.name}: {own} beside clips in {FOLDER}: a run does not mix drawn and real data"
        )
    if any(inside) and not recipe.name.endswith(SUFFIX):
        recipe = recipe.changed({"name": recipe.name + SUFFIX})
    return recipe


def run_folder(folder: Path) -> Path:
    """A run's folder, or where there is none, that of the same recipe on drawn clips; says so."""
    head, _, protocol = folder.name.rpartition("-")
    for name in (folder.name + SUFFIX, f"{head}{SUFFIX}-{protocol}"):
        twin = folder.with_name(name)
        if not folder.exists() and (twin / "recipe.yaml").is_file():
            console.print(f"no run at {folder}: taking {twin}, of drawn clips", markup=False)
            return twin
    return folder


def write(layout: str, folder: str | os.PathLike, **options) -> int:
    """Draw clips in a dataset's layout, on all cores and with a progress bar.

    Args:
        layout: a key of `WRITERS`.
        folder: to write.
        options: arguments of the layout's writer.

    Returns:
        The number of clips.

    Raises:
        UserError: as the writer.
    """
    jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with Callback(f"Drawing {layout} clips") as progress:
        return len(WRITERS[layout](folder, progress=progress, **{"jobs": jobs or 1} | options))


def camera(layout: str, fps: float) -> dict[str, str]:
    """The argument of a layout's writer that gives clips of this frame rate.

    Raises:
        UserError: for a rate that the dataset does not have.
    """
    rates = {"smic": {100.0: {"camera": "HS"}, 25.0: {"camera": "VIS"}}}.get(layout, {200.0: {}})
    if fps not in rates:
        known = " or ".join(f"{rate:g}" for rate in rates)
        raise UserError(f"{layout} has clips of {known} frames per second, not {fps:g}")
    return rates[fps]


def _places(recipe: Recipe) -> Iterator[_Place]:
    for name, value in recipe.data.sources.items():
        options = value if isinstance(value, dict) else {"path": value}
        if "path" not in options:
            continue  # loading reports it
        layout, path = _layout(name, options), Path(options["path"])
        for part in PARTS.get(layout, ()):
            yield _Place(name, part, Path(options.get(part) or path / part))
        if layout not in PARTS:
            yield _Place(name, layout, path)


def _layout(name: str, options: Mapping) -> str:
    """The layout of a source's files; of flow images that are still to be computed, the clips'."""
    source, path = options.get("source", name), Path(options["path"])
    if source != "flow-images" or path.is_file() or (path / "samples.csv").is_file():
        return source
    return options.get("dataset", "megc2019")


def _draw(missing: list[_Place]) -> None:
    names = " and ".join(str(p.path) for p in missing)
    verb = "are" if len(missing) > 1 else "is"
    console.print(
        f"{names} {verb} missing: using drawn clips in the same layout, in "
        f"{' and '.join(str(p.drawn) for p in missing)} (--real makes this an error)",
        markup=False,
    )
    for place in missing:
        if not place.drawn.exists():
            write(place.layout, place.drawn, **LOOK, **DEFAULTS[place.layout])


def _moved(recipe: Recipe) -> dict:
    """The recipe's sources with the places of drawn clips."""
    moved = {}
    for name, value in recipe.data.sources.items():
        options = dict(value) if isinstance(value, dict) else {"path": value}
        parts = PARTS.get(_layout(name, options))
        path = FOLDER if parts else FOLDER / Path(options["path"]).name
        for part in parts or ():
            if options.get(part):
                options[part] = str(FOLDER / Path(options[part]).name)
        moved[name] = options | {"path": str(path)}
    return moved

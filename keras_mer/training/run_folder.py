"""A run folder: the recipe and the manifest of one training run."""

from pathlib import Path

from keras_mer.config import recipe as recipes
from keras_mer.config.recipe import Recipe
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError

_STATEMENT = "data.preprocessing"


def check_run_config(folder: Path, recipe: Recipe) -> None:
    """Write the recipe into a new run folder, or check that an existing one has the same recipe.

    Args:
        folder: of the run; created if it does not exist.
        recipe: the resolved recipe.

    Raises:
        UserError: naming the first key that differs from the folder's recipe.
    """
    file = folder / "recipe.yaml"
    if not file.is_file():
        recipe.write(file)
        return
    # Parsed with the current schema: keys added since the run was written have their defaults.
    saved = _flatten(recipes.load(file).to_dict())
    wanted = _flatten(recipe.to_dict())
    for key in sorted(saved.keys() | wanted.keys()):
        if key.startswith(_STATEMENT) and saved.get(_STATEMENT, "") is None:
            continue  # stated since then: it describes the data and changes nothing computed
        if saved.get(key) != wanted.get(key):
            raise UserError(
                f"{folder} holds a run with {key} = {saved.get(key)}, not {wanted.get(key)}; "
                "train into another folder (RUN=...), or remove this one"
            )


def _flatten(values: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in values.items():
        flat |= (
            _flatten(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {prefix + key: list(value) if isinstance(value, tuple) else value}
        )
    return flat


def load_run(folder: str | Path) -> tuple[Recipe, Manifest]:
    """The recipe and the manifest of a run folder.

    Raises:
        UserError: if the folder holds no run.
    """
    folder = Path(folder)
    if not (folder / "recipe.yaml").is_file():
        raise UserError(f"no run at {folder} (no recipe.yaml); make one with: make train")
    return recipes.load(folder / "recipe.yaml"), Manifest.read(folder / "manifest.csv")

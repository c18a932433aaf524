"""Loading of saved Keras models."""

import os
from pathlib import Path

import keras

from keras_mer.errors import UserError


def load_model(path: str | os.PathLike, classes: tuple[str, ...] | None = None) -> keras.Model:
    """Load the Keras model of a run or of an exported model.

    Args:
        path: a `.keras` file, or a folder that holds `model.keras`.
        classes: the expected classes, if their number is to be checked.

    Raises:
        UserError: for a missing or corrupt file, or one with another number of outputs.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "model.keras"
    if not path.is_file():
        raise UserError(f"no model at {path}; train one with: make train")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # zipfile, h5py and json each raise their own for a corrupt file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a readable Keras model ({reason[:120]})") from None
    if classes is not None and model.output_shape[-1] != len(classes):
        raise UserError(
            f"{path} has {model.output_shape[-1]} outputs, the manifest {len(classes)} classes: "
            f"{', '.join(classes)}"
        )
    return model

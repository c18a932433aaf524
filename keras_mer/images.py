"""Reading, writing and converting images as uint8 arrays with OpenCV."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.files import replacing

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}
VIDEOS = {".avi", ".mp4", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".webm", ".wmv"}

_NUMBER = re.compile(r"^(.*?)(\d+)$")

# Decoders fill the missing part of a truncated file with gray; the end marker reveals it.
_END_MARKERS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}


def find(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The files among the paths and the images in the folders among them, without repetition.

    Raises:
        UserError: when there is none.
    """
    files: dict[Path, None] = {}
    paths = [Path(path) for path in paths]
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES)
            files.update(dict.fromkeys(p for p in inside if p.is_file()))
        else:
            files[path] = None
    if not files:
        raise UserError(
            f"no images in {', '.join(map(str, paths))}; expected files ending in "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    return list(files)


def frame_files(folder: Path) -> dict[int, Path]:
    """Number -> image file, in the order of the numbers (``img9.jpg`` before ``img10.jpg``).

    The number is at the end of the file's name. If a folder contains two series (``img46.jpg`` and
    ``reg_img46.jpg``), the longer one is returned.
    """
    series: dict[str, dict[int, Path]] = defaultdict(dict)
    for file in folder.iterdir():
        found = _NUMBER.match(file.stem)
        if found and file.suffix.lower() in SUFFIXES and not file.name.startswith("."):
            series[found[1]][int(found[2])] = file
    longest = max(series.values(), key=len, default={})
    return dict(sorted(longest.items()))


def is_video(path: Path) -> bool:
    """Whether the file has the suffix of a video."""
    return path.suffix.lower() in VIDEOS


def decode(data: bytes, name: str = "image") -> np.ndarray:
    """Decode an image file's bytes to uint8, shape (height, width) or (height, width, 3) BGR.

    16-bit images are scaled to 8 bits, alpha is blended with white, EXIF rotation is applied.

    Raises:
        UserError: naming `name`, for an empty, truncated or non-image file.
    """
    if not data:
        raise UserError(f"{name}: empty file (0 bytes)")
    end = _END_MARKERS.get(bytes(data[:2]))
    if end is not None and end not in data[-64:] and end not in data[len(data) // 2 :]:
        raise UserError(f"{name}: truncated image (no end marker after {len(data)} bytes)")
    buffer = np.frombuffer(data, np.uint8)
    try:
        # only UNCHANGED keeps alpha, only other modes apply EXIF; a JPEG has no alpha
        jpeg = data[:2] == b"\xff\xd8"
        image = cv2.imdecode(buffer, cv2.IMREAD_ANYCOLOR if jpeg else cv2.IMREAD_UNCHANGED)
        if not jpeg and image is not None and image.ndim == 3 and image.shape[2] == 3:
            image = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UserError(f"{name}: not a readable image ({error.err})") from None
    if image is None:
        raise UserError(f"{name}: not an image OpenCV can read ({len(data)} bytes)")
    return to_uint8(image)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Convert any image array that OpenCV decodes to uint8, without an alpha channel."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    elif image.dtype != np.uint8:
        peak = 1.0 if image.size == 0 or float(np.nanmax(image)) <= 1.0 else 255.0
        image = np.clip(np.nan_to_num(image) * (255.0 / peak), 0, 255).astype(np.uint8)
    if image.ndim == 3 and image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        image = (image[..., :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
    if image.ndim == 3 and image.shape[2] in (1, 2):
        image = image[..., 0]
    return np.ascontiguousarray(image)


def read(path: str | os.PathLike) -> np.ndarray:
    """Read an image file: see `decode`.

    Raises:
        UserError: for a missing, empty, truncated or non-image file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    return decode(data, str(path))


def write(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write a uint8 gray or BGR image atomically; the suffix selects the format.

    Raises:
        UserError: for a suffix OpenCV cannot write.
    """
    suffix = Path(path).suffix
    if not suffix or not cv2.haveImageWriter(f"image{suffix}"):
        raise UserError(f"{path}: OpenCV cannot write the format '{suffix}'")
    _, data = cv2.imencode(suffix, image)
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def convert(image: np.ndarray, channels: int) -> np.ndarray:
    """Convert a uint8 image to gray (height, width, 1) or BGR (height, width, 3).

    A gray image gives three equal channels; a color image is converted with OpenCV's weights.
    """
    color = image.ndim == 3 and image.shape[2] == 3
    if channels == 1:
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if color else image
        return gray.reshape(*gray.shape[:2], 1)
    return image if color else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a (h, w, c) uint8 image: area averaging to shrink, bilinear to enlarge."""
    if image.shape[:2] == (height, width):
        return image
    shrink = image.shape[0] >= height and image.shape[1] >= width
    out = cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    )
    return out.reshape(height, width, -1)


def prepare(image: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """Convert and resize to a model's input: uint8 (height, width, channels), RGB for 3."""
    out = resize(convert(image, channels), height, width)
    return out[..., ::-1] if channels == 3 else out

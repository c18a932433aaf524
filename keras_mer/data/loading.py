"""Loading of a manifest's images as arrays; each archive or csv is read in a single pass."""

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from keras_mer import images
from keras_mer.data import containers
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError
from keras_mer.face.align import crop
from keras_mer.files import replacing

T = TypeVar("T")
#: `progress(iterable, description, total)` yields the items, e.g. `keras_mer.progress.track`.
Progress = Callable[..., Iterator]

_log = logging.getLogger(__name__)
_BATCH = 256  # images decoded at once: limits the memory for large photographs


def load_images(
    manifest: Manifest,
    height: int,
    width: int,
    channels: int,
    *,
    cache: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Load every sample as model input: uint8, shape (samples, height, width, channels).

    Args:
        manifest: its rows, in order; remove dropped rows first.
        height, width, channels: of the input; 1 channel is gray, 3 are RGB.
        cache: a folder for the decoded array. The next call with the same files (by path, size
            and time) and shape memory-maps it, read-only.
        progress: shows a bar, e.g. `keras_mer.progress.track`.

    Raises:
        UserError: naming the first image that cannot be read.
    """
    file = None
    if cache is not None:
        file = Path(cache) / f"images-{_fingerprint(manifest, height, width, channels)}.npy"
        if file.is_file():
            return np.load(file, mmap_mode="r")
    out = np.empty((len(manifest), height, width, channels), np.uint8)
    prepared = each(
        manifest, lambda image: images.prepare(image, height, width, channels), progress=progress
    )
    for index, result in prepared:
        if isinstance(result, UserError):
            raise result
        out[index] = result
    if file is not None:
        try:
            with replacing(file) as temporary:
                np.save(temporary, out)
        except OSError as error:  # a failed cache write must not stop the run
            _log.warning("the images are not cached in %s: %s", cache, error.strerror)
    return out


def load_native(
    manifest: Manifest, *, progress: Progress | None = None
) -> Iterator[tuple[int, np.ndarray | UserError]]:
    """Yield (row, gray uint8 (h, w) image at its original size), or (row, its error)."""
    return each(manifest, lambda image: images.convert(image, 1)[..., 0], progress=progress)


def check(manifest: Manifest, *, progress: Progress | None = None) -> dict[int, str]:
    """Find the rows whose image cannot be read: row -> reason, which names the file."""
    results = each(manifest, lambda image: None, progress=progress)
    return {i: str(result) for i, result in sorted(results, key=lambda r: r[0]) if result}


def each(
    manifest: Manifest, function: Callable[[np.ndarray], T], *, progress: Progress | None = None
) -> Iterator[tuple[int, T | UserError]]:
    """Yield (row, `function(image)`) for every sample, in the fastest order of reading.

    `function` receives the decoded uint8 image, (h, w) gray or (h, w, 3) BGR, and runs in threads
    for image files. An unreadable sample yields its `UserError` instead.
    """
    results = _each(manifest, function)
    if progress is not None:
        results = progress(results, "Reading images", len(manifest))
    yield from results


def _each(manifest: Manifest, function: Callable) -> Iterator[tuple[int, object]]:
    addresses = [containers.parse(sample.path) for sample in manifest]
    files: list[int] = []
    inside: dict[tuple[str, str], dict] = defaultdict(dict)
    for index, (file, member, row, _) in enumerate(addresses):
        if row is not None:
            inside[file, member].setdefault(row, []).append(index)
        elif member:
            inside[file, ""].setdefault(member, []).append(index)
        else:
            files.append(index)

    def attempt(index: int, read: Callable[[], np.ndarray]) -> tuple[int, object]:
        try:
            box, name = addresses[index].box, manifest.samples[index].path
            return index, function(_boxed(read(), box, name) if box else read())
        except UserError as error:
            return index, error

    def from_file(index: int) -> tuple[int, object]:
        return attempt(index, lambda: images.read(manifest.root / addresses[index].file))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), _BATCH):
            yield from pool.map(from_file, files[start : start + _BATCH])
    for (file, member), wanted in inside.items():
        is_csv = isinstance(next(iter(wanted)), int)
        read = _from_csv if is_csv else _from_archive
        left = set(wanted)
        try:
            for key, image in read(manifest.root / file, member, wanted):
                left.discard(key)
                yield from (attempt(index, image) for index in wanted[key])
        except UserError as error:  # the container is broken: every row not yet read fails
            yield from ((index, error) for key in left for index in wanted[key])
            continue
        for key in left:
            error = UserError(f"{file}: no {'row ' if is_csv else ''}{key} in it")
            yield from ((index, error) for index in wanted[key])


def _boxed(image: np.ndarray, box: tuple[int, int, int, int], name: str) -> np.ndarray:
    (x, y, width, height), (rows, columns) = box, image.shape[:2]
    if min(width, height) < 1 or x >= columns or y >= rows or x + width <= 0 or y + height <= 0:
        raise UserError(f"{name}: the box lies outside the image of {columns}x{rows} pixels")
    return crop(image, box)


def _from_csv(file: Path, member: str, wanted: dict) -> Iterator[tuple[int, Callable]]:
    last = max(wanted)
    for number, where, values in containers.read_csv(file, member):
        if number in wanted:
            text = values.get("pixels", "")
            yield number, lambda text=text, where=where: containers.parse_pixels(text, where)
        if number == last:
            return


def _from_archive(file: Path, _: str, wanted: dict) -> Iterator[tuple[str, Callable]]:
    for name, data in containers.read_members(file, wanted):
        yield name, lambda data=data, name=name: images.decode(data, f"{file.name}!{name}")


def _fingerprint(manifest: Manifest, *shape: int) -> str:
    digest = hashlib.sha256(repr((os.path.realpath(manifest.root), shape)).encode())
    seen: dict[str, tuple] = {}
    for sample in manifest:
        file = containers.parse(sample.path).file
        if file not in seen:
            try:
                stat = (manifest.root / file).stat()
            except OSError:
                raise UserError(f"{manifest.root / file}: no such file") from None
            seen[file] = (stat.st_size, stat.st_mtime_ns)
        digest.update(f"{sample.path}\0{seen[file]}\n".encode())
    return digest.hexdigest()[:20]

"""From a dataset of clips to a folder of flow images that `sources/flow_images.py` reads."""

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_mer.data import clips
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError, nearest
from keras_mer.face import apex as apexes
from keras_mer.face import motion
from keras_mer.face.detect import Detector
from keras_mer.face.prepare import prepare
from keras_mer.files import replacing

COLUMNS = (
    "file", "dataset", "subject", "clip", "label", "onset", "apex", "offset", "fps", "amplitude",
    "face", "note",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rise:
    """What moved from a clip's onset to its apex.

    Attributes:
        onset, apex: uint8 (side, side), the prepared frames. flow: float32 (side, side, 2), in
            pixels. strain: float32 (side, side).
        numbers: the onset's and the apex's, in the dataset's own count.
        spotted: whether the apex was found, not annotated.
        face: how the face was found, see `keras_mer.face.prepare.Place`.
    """

    onset: np.ndarray
    apex: np.ndarray
    flow: np.ndarray
    strain: np.ndarray
    numbers: tuple[int, int]
    spotted: bool
    face: str


def rise(
    manifest: Manifest,
    sample: Sample,
    side: int = 128,
    *,
    method: str = "dis",
    register: bool = True,
    head: bool = True,
    detector: Detector | None = None,
) -> Rise:
    """The motion from a clip's onset to its apex, which is spotted where it is not annotated.

    Without an annotated onset the whole clip is searched.

    Args:
        manifest: whose root the path is relative to. sample: one of its rows.
        side: of the prepared face in pixels.
        method, register, head, detector: see `keras_mer.face.motion` and `prepare`.

    Raises:
        UserError: for a clip that cannot be read or has too few frames.
    """
    # an apex coded as the onset says nothing: nothing moves up to it
    annotated = None not in (sample.onset, sample.apex) and sample.apex > sample.onset
    frames = clips.load(manifest, sample, "rise" if annotated else "expression")
    if len(frames) < 2:
        raise UserError(f"{sample.path}: a clip of one frame")
    pictures, numbers = frames.images, frames.numbers
    if annotated:
        # between the two nothing is looked at
        reach = int(motion.MEAN_SECONDS * (frames.fps or 0)) + 1
        ends = sorted({*range(len(frames))[:reach], *range(len(frames))[-reach:]})
        pictures, numbers = [pictures[k] for k in ends], numbers[ends]
    fps = None if annotated else frames.fps
    ready = prepare(pictures, side, fps=fps, detector=detector, register=register)
    first, peak = 0, len(pictures) - 1
    if not annotated and len(pictures) >= 3:
        cut = sample.onset is not None or sample.source == "smic"
        ends = {"onset": 0, "offset": len(pictures) - 1} if cut else {}
        found = apexes.spot(ready.frames, fps, **ends)
        first, peak = (0 if cut else found.onset), found.index
        first = min(first, max(peak - 1, 0))
    onset, top = (motion.temporal_mean(ready.frames, k, frames.fps) for k in (first, peak))
    field, strained = motion.flow_and_strain(onset, top, method, head=head)
    return Rise(
        onset, top, field, strained, (int(numbers[first]), int(numbers[peak])), not annotated,
        ready.place.how,
    )  # fmt: skip


def write(
    manifest: Manifest,
    folder: str | os.PathLike,
    *,
    image_side: int = 28,
    overwrite: bool = False,
    progress: Progress | None = None,
    **how,
) -> tuple[int, list[tuple[str, str]]]:
    """Write ``images/*.png`` and ``samples.csv`` for every row that is not dropped.

    Args:
        manifest: of clips.
        folder: to be made; whole or absent, even when interrupted.
        image_side: of the images in pixels; 28 as published.
        overwrite: replace a folder that is not empty.
        progress: shows a bar, e.g. `keras_mer.progress.track`.
        how: `rise`'s keywords.

    Returns:
        How many were written, and (path, reason) of each that could not be.

    Raises:
        UserError: for a folder in use, or when not one clip can be read.
    """
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not overwrite):
        raise UserError(f"{folder} is in use; choose another folder, or say --overwrite")
    rows = [s for s in manifest if s.split != "dropped"]
    failed: list[tuple[str, str]] = []
    done: list[Mapping[str, object]] = []
    with replacing(folder) as new:
        (new / "images").mkdir(parents=True)
        for sample in progress(rows, "Computing flow", len(rows)) if progress else rows:
            try:
                moved = rise(manifest, sample, **how)
            except UserError as error:
                failed.append((sample.path, str(error)))
                continue
            row = _row(sample, moved)
            picture = motion.flow_image(moved.flow, moved.strain, image_side)[..., ::-1]
            data = cv2.imencode(".png", picture)[1]
            # by Python, not by OpenCV, whose imwrite hides a full disk
            (new / str(row["file"])).write_bytes(data.tobytes())
            done.append(row)
        if not done:
            first = f"; the first: {failed[0][1]}" if failed else ""
            raise UserError(f"no clip of {len(rows)} gave a flow image{first}")
        with (new / "samples.csv").open("w", newline="", encoding="utf-8") as f:
            table = csv.DictWriter(f, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(done)
    return len(done), failed


def _row(sample: Sample, moved: Rise) -> dict[str, object]:
    own = f"{sample.source}:"  # the reader of the folder puts it back
    subject, clip = sample.subject.removeprefix(own), sample.clip.removeprefix(own)
    stem = re.sub(r"[^\w.-]+", "-", f"{sample.source}_{subject}_{clip}")
    return {
        "file": f"images/{stem}.png",
        "dataset": sample.source,
        "subject": subject,
        "clip": clip,
        "label": sample.label,
        "onset": moved.numbers[0],
        "apex": moved.numbers[1],
        "offset": sample.offset if sample.offset is not None else "",
        "fps": sample.fps or "",
        "amplitude": f"{motion.amplitude(moved.flow):.5f}",
        "face": moved.face,
        "note": "apex spotted" if moved.spotted else "",
    }


def find(manifest: Manifest, name: str) -> Sample:
    """The clip of this name: its path, the end of its path, or its clip column.

    Raises:
        UserError: for a name that none or several have.
    """
    name = name.strip("/")
    kept = [s for s in manifest if s.split != "dropped"]
    found = [s for s in kept if name in (s.path, s.clip) or s.path.endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    known = [s.path for s in kept]
    if not found:
        raise UserError(f"no clip '{name}'{nearest(name, known)}; e.g. {known[0]}")
    raise UserError(f"{len(found)} clips are called '{name}', e.g. {found[0].path}")

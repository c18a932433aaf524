"""Flow images of a dataset of clips, in a folder that `sources/flow_images.py` reads."""

import csv
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np

import keras_mer
from keras_mer.data import clips
from keras_mer.data.loading import Progress
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError, nearest
from keras_mer.face import apex as apexes
from keras_mer.face import motion
from keras_mer.face.detect import HaarDetector
from keras_mer.face.detection import Detector, detector_name
from keras_mer.face.prepare import MARGIN, SIDE, prepare
from keras_mer.files import replacing
from keras_mer.kinds import FLOW_METHODS, Preprocessing
from keras_mer.progress import console, track

COLUMNS = (
    "file", "dataset", "subject", "clip", "label", "onset", "apex", "offset", "fps", "amplitude",
    "face", "note",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rise:
    """Optical flow and strain from a clip's onset to its apex.

    Attributes:
        onset, apex: uint8 (side, side), the still face in these frames.
        flow: float32 (side, side, 2), in pixels.
        strain: float32 (side, side).
        numbers: frame numbers of onset and apex, as the dataset counts.
        spotted: whether the apex was spotted because it is not annotated.
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
    side: int = SIDE,
    *,
    margin: float = MARGIN,
    method: str = FLOW_METHODS[0],
    register: bool = True,
    head: bool = True,
    detector: Detector | None = None,
) -> Rise:
    """Compute the flow from a clip's onset to its apex; an apex without annotation is spotted.

    Without an annotated onset the whole clip is searched.

    Args:
        manifest: whose root the sample's path is relative to.
        sample: one of its rows.
        side, margin, register, detector: of the still face, see `keras_mer.face.prepare.prepare`.
        method: of the optical flow, see `keras_mer.face.motion.flow`.
        head: whether the head's motion is subtracted from the flow.

    Raises:
        UserError: for a clip that cannot be read or has too few frames.
    """
    # some tables code the onset as the apex where none was seen: no motion in between
    annotated = None not in (sample.onset, sample.apex) and sample.apex > sample.onset
    frames = clips.load(manifest, sample, "rise" if annotated else "expression")
    if len(frames) < 2:
        raise UserError(f"{sample.path}: a clip of one frame")
    pictures, numbers = frames.images, frames.numbers
    if annotated:
        # only frames near the two ends are used
        reach = int(motion.MEAN_SECONDS * (frames.fps or 0)) + 1
        ends = sorted({*range(len(frames))[:reach], *range(len(frames))[-reach:]})
        pictures, numbers = [pictures[k] for k in ends], numbers[ends]
    fps = None if annotated else frames.fps
    ready = prepare(pictures, side, margin, fps=fps, detector=detector, register=register)
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
    side: int = SIDE,
    margin: float = MARGIN,
    method: str = FLOW_METHODS[0],
    register: bool = True,
    head: bool = True,
    detector: Detector | None = None,
) -> tuple[int, list[tuple[str, str]]]:
    """Write a flow image for every row that is not dropped.

    The folder holds ``images/*.png``, ``samples.csv`` and ``preprocessing.json``
    (`keras_mer.kinds.Preprocessing`), the record by which the runtime computes the same flow of a
    video.

    Args:
        manifest: of clips.
        folder: to write; it is replaced as a whole, so an interrupted run leaves none.
        image_side: of the images in pixels; 28 as published.
        overwrite: replace a folder that is not empty.
        progress: shows a bar, e.g. `keras_mer.progress.track`.
        side, margin, method, register, head, detector: see `rise`.

    Returns:
        The number of images written, and (path, reason) of each clip that could not be read.

    Raises:
        UserError: for a folder in use, a side or margin out of bounds, or when no clip can be
            read.
    """
    detector = detector or HaarDetector()
    record = Preprocessing(
        flow=method,
        side=side,
        margin=margin,
        register=register,
        head_motion="removed" if head else "kept",
        detector=detector_name(detector),
        opencv=cv2.__version__,
        keras_mer=keras_mer.__version__,
    )
    record = Preprocessing.from_dict(record.to_dict(), "flow images")
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
                moved = rise(
                    manifest, sample, side, margin=margin, method=method, register=register,
                    head=head, detector=detector,
                )  # fmt: skip
            except UserError as error:
                failed.append((sample.path, str(error)))
                continue
            row = _row(sample, moved)
            picture = motion.flow_image(moved.flow, moved.strain, image_side)[..., ::-1]
            data = cv2.imencode(".png", picture)[1]
            # not cv2.imwrite, which does not report a full disk
            (new / str(row["file"])).write_bytes(data.tobytes())
            done.append(row)
        if not done:
            first = f"; the first: {failed[0][1]}" if failed else ""
            raise UserError(f"no clip of {len(rows)} gave a flow image{first}")
        with (new / "samples.csv").open("w", newline="", encoding="utf-8") as f:
            table = csv.DictWriter(f, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(done)
        record.write(new)
    return len(done), failed


def computed(manifest: Manifest, name: str) -> Path:
    """The folder ``data/flow/NAME-KEY`` with the flow images of clips, computed where missing.

    KEY is a digest of the rows, the modification times of the clips' folders and the version of
    the package, so that other clips or another table give another folder.

    Args:
        manifest: of clips.
        name: of the dataset.

    Raises:
        UserError: as `write`.
    """
    digest = hashlib.sha256(keras_mer.__version__.encode())
    for sample in manifest:
        file = manifest.root / sample.path
        changed = file.stat().st_mtime_ns if file.exists() else 0
        digest.update(repr((astuple(sample), changed)).encode())
    folder = Path("data/flow") / f"{name}-{digest.hexdigest()[:12]}"
    if not (folder / "samples.csv").is_file():
        count, failed = write(manifest, folder, progress=track)
        console.print(f"wrote {count:,} flow images of {name} to {folder}", markup=False)
        for path, reason in failed[:5]:
            console.print(f"left out: {path}: {reason}", markup=False)
    return folder


def _row(sample: Sample, moved: Rise) -> dict[str, object]:
    own = f"{sample.source}:"  # `sources/flow_images.py` adds it again
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
    """The sample of a clip by name: its path, the end of its path, or its clip column.

    Raises:
        UserError: for a name that no clip or several clips have.
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

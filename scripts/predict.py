"""Classify facial expressions in images, and spot brief ones in videos and folders of frames."""

import argparse
import csv
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_mer import images
from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.files import replacing, write_text
from keras_mer.runtime.io import clip_reader
from keras_mer.runtime.options import (
    add_micro_option,
    add_model_options,
    load_micro,
    load_recogniser,
)
from keras_mer.runtime.recogniser import Face, Recogniser
from keras_mer.runtime.spotting import AGREEMENT, Spotter, interval_row
from keras_mer.runtime.spotting import write_csv as write_intervals
from keras_mer.runtime.ui.overlay import draw_faces


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="An image without faces gives an empty result, not an error. In videos and folders "
        "of numbered frames brief expressions are spotted by --micro, or by a --model of clips or "
        "flow. Exit status: 0, or 2 when no file could be read.",
    )
    parser.add_argument("images", nargs="+", help="images (or clips), or folders that are searched")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON ('-': screen)")
    parser.add_argument("--csv", metavar="FILE", help="write one row per face as CSV ('-': screen)")
    parser.add_argument("--annotate", metavar="DIR", help="write copies with the faces drawn in")
    parser.add_argument(
        "--no-detect",
        action="store_true",
        help="each image is a face crop already: do not detect faces",
    )
    parser.add_argument(
        "--max-side",
        type=int,
        default=800,
        help="longest side in pixels to which images are scaled for detection (default: 800); a "
        "larger value finds smaller faces and takes longer",
    )
    clips = parser.add_argument_group("clips")
    clips.add_argument(
        "--whole",
        action="store_true",
        help="each clip was cut from onset to offset of one expression: classify without spotting",
    )
    clips.add_argument(
        "--fps", type=float, help="frames per second (default: the video's own, 100 for folders)"
    )
    clips.add_argument(
        "--agreement",
        type=float,
        default=AGREEMENT,
        help="least cosine similarity of the rise to the apex and the return, up to 1; lower finds "
        "more, and more false ones (default: %(default)s)",
    )
    add_model_options(parser)
    add_micro_option(parser)
    return parser.parse_args()


def main() -> int | None:
    options = parse_arguments()
    started = time.perf_counter()
    recogniser = load_recogniser(options, options.max_side)
    if recogniser.card.task != "image":
        return predict_clips(options, recogniser, started)
    clips = {path: clip_reader.recordings(path) for path in options.images}
    if any(clips.values()) and (micro := load_micro(options, options.detector, options.max_side)):
        if other := next((path for path, inside in clips.items() if not inside), None):
            raise UserError(
                f"{other} is no video or folder of frames, as others are; name them separately"
            )
        options.images = [clip for inside in clips.values() for clip in inside]
        return predict_clips(options, micro, started)
    files = images.find(options.images)
    skipped: list[tuple[Path, str]] = []
    read: list[Path] = []
    shapes: list[tuple[int, int]] = []

    def readable() -> Iterator[np.ndarray]:
        """Yield the images one at a time, so that they need not fit into memory together."""
        for file in files:
            try:
                if images.is_video(file):
                    raise UserError(
                        f"{file}: a video, which needs a model of brief expressions (--micro)"
                    )
                image = images.read(file)
            except UserError as error:
                skipped.append((file, str(error)))
                print(f"skipped {error}", file=sys.stderr)
                continue
            read.append(file)
            shapes.append(image.shape[:2])
            yield image

    if options.no_detect:
        expressions = [e for image in readable() for e in recogniser.predict_faces([image])]
        faces = [
            [Face(**vars(e), box=(0, 0, width, height), score=1.0)]
            for e, (height, width) in zip(expressions, shapes, strict=True)
        ]
    else:
        faces = recogniser.predict(readable())
    seconds = time.perf_counter() - started

    results = list(zip(read, faces, strict=True))
    if results and "-" not in (options.json, options.csv):
        print_table(results)
    model = f"{recogniser.model.path} ({recogniser.model.engine})"
    detector = None if options.no_detect else recogniser.detector_name
    if options.json:
        write_output(options.json, as_json(results, skipped, model, detector))
    if options.csv:
        write_csv(options.csv, results, recogniser.classes)
    if options.annotate:
        annotate(results, options.images, Path(options.annotate))
    used = f"{model}, faces by {detector}" if detector else model
    print(summary(results, skipped, seconds, used), file=sys.stderr)
    if not read:
        raise UserError(f"none of the {len(files)} files could be read as an image")


def predict_clips(options: argparse.Namespace, recogniser: Recogniser, started: float) -> int:
    """Spot and classify the expressions of each clip; print and write them."""
    if options.annotate:
        raise UserError("--annotate draws in images; make timeline draws a video's expressions")
    spotter = Spotter(recogniser, agreement=options.agreement, cropped=options.no_detect)
    results, skipped, without_face = [], [], []
    for file in clip_reader.find_clips(options.images):
        try:
            clip = clip_reader.open_clip(file, options.fps)
            if options.whole:
                intervals = [spotter.classify(list(clip), clip.fps)]
            else:
                intervals = spotter.spot(clip, clip.fps)
        except UserError as error:
            skipped.append((file, str(error)))
            print(f"skipped {error}", file=sys.stderr)
            continue
        if clip.fault:
            print(clip.fault, file=sys.stderr)
        if spotter.frames_without_face:
            without_face.append(file)
        rows = [interval_row(interval, clip, recogniser.detector_name) for interval in intervals]
        results.append((file, rows))
    found = [{"file": str(file), **row} for file, rows in results for row in rows]
    model = f"{recogniser.model.path} ({recogniser.model.engine})"
    if results and "-" not in (options.json, options.csv):
        print_intervals(results)
    if options.json:
        clips = [{"file": str(file), "moments": rows} for file, rows in results]
        unread = [{"file": str(file), "reason": reason} for file, reason in skipped]
        detector = recogniser.detector_name
        value = {"model": model, "detector": detector, "clips": clips, "skipped": unread}
        write_output(options.json, json.dumps(value, indent=2, ensure_ascii=False))
    if options.csv:
        write_intervals(options.csv, found)
    counts = ", ".join(
        f"{n} {name}" for name, n in Counter(r["label"] for r in found).most_common()
    )
    print(
        f"{plural(results, 'clip')}, {plural(found, 'brief expression')}"
        f"{f' ({counts})' if counts else ''}, "
        f"{len(without_face)} with frames without a face, {len(skipped)} skipped; "
        f"{time.perf_counter() - started:.2f} s with {model}, faces by {recogniser.detector_name}",
        file=sys.stderr,
    )
    if not results:
        raise UserError(f"none of the {len(skipped)} clips could be read")
    return 0


def print_intervals(results: list[tuple[Path, list[dict]]]) -> None:
    rows = [("clip", "onset", "apex", "offset", "expression", "confidence", "agreement")]
    for file, intervals in results:
        if not intervals:
            rows.append((str(file), "-", "-", "-", "none", "-", "-"))
        for m in intervals:
            times = (f"{m[name]:.2f} s" for name in ("onset", "apex", "offset"))
            confidence = f"{m['confidence']:.1%}"
            rows.append((str(file), *times, m["label"], confidence, f"{m['agreement']:.2f}"))
    print_rows(rows)


def print_table(results: list[tuple[Path, list[Face]]]) -> None:
    rows = [("image", "box (x y w h)", "expression", "confidence")]
    for file, faces in results:
        if not faces:
            rows.append((str(file), "-", "no face", "-"))
        for face in faces:
            box = " ".join(map(str, face.box))
            rows.append((str(file), box, face.label, f"{face.confidence:.1%}"))
    print_rows(rows)


def print_rows(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, line in enumerate(rows):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
        if number == 0:
            print("  ".join("-" * width for width in widths))


def as_json(
    results: list[tuple[Path, list[Face]]],
    skipped: list[tuple[Path, str]],
    model: str,
    detector: str | None,
) -> str:
    value = {
        "model": model,
        "detector": detector,
        "images": [
            {"file": str(file), "faces": [dataclasses.asdict(face) for face in faces]}
            for file, faces in results
        ],
        "skipped": [{"file": str(file), "reason": reason} for file, reason in skipped],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def write_csv(
    target: str, results: list[tuple[Path, list[Face]]], classes: tuple[str, ...]
) -> None:
    header = ["file", "x", "y", "width", "height", "score", "label", "confidence", *classes]
    rows = [
        [file, *face.box, face.score, face.label, face.confidence, *face.probabilities.values()]
        for file, faces in results
        for face in faces
    ]
    if target == "-":
        csv.writer(sys.stdout).writerows([header, *rows])
        return
    with replacing(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def write_output(target: str, text: str) -> None:
    """Write text to a file, or print it for ``-``."""
    if target == "-":
        print(text)
    else:
        write_text(target, text + "\n")


def annotate(results: list[tuple[Path, list[Face]]], given: list[str], folder: Path) -> None:
    """Draw the faces into copies, which keep their path relative to the given folder."""
    roots = [Path(path) for path in given if Path(path).is_dir()]
    taken: set[Path] = set()
    for file, faces in results:
        root = next((root for root in roots if root in file.parents), file.parent)
        target = folder / file.relative_to(root)
        number = 1
        while target in taken:
            number += 1
            target = target.with_name(f"{file.stem}-{number}{file.suffix}")
        taken.add(target)
        canvas = images.convert(images.read(file), 3).copy()
        draw_faces(canvas, faces)
        images.write(target, canvas)


def summary(
    results: list[tuple[Path, list[Face]]],
    skipped: list[tuple[Path, str]],
    seconds: float,
    model: str,
) -> str:
    faces = [face for _, found in results for face in found]
    counts = ", ".join(f"{n} {name}" for name, n in Counter(f.label for f in faces).most_common())
    return (
        f"{plural(results, 'image')}, {plural(faces, 'face')}{f' ({counts})' if counts else ''}, "
        f"{sum(not found for _, found in results)} without a face, {len(skipped)} skipped; "
        f"{seconds:.2f} s with {model}"
    )


def plural(items: Sequence, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


if __name__ == "__main__":
    run_script(main)

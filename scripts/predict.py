"""Find the faces in photographs and name their expressions."""

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
from keras_mer.errors import UserError, run_script
from keras_mer.files import replacing, write_text
from keras_mer.runtime.options import add_model_options, load_recogniser
from keras_mer.runtime.overlay import draw_faces
from keras_mer.runtime.recogniser import Face


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="A photograph without a face is an answer, not an error. Status: 0, or 2 when "
        "nothing could be read.",
    )
    parser.add_argument("images", nargs="+", help="photographs, or folders that are searched")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON ('-': screen)")
    parser.add_argument("--csv", metavar="FILE", help="write a row a face as CSV ('-': screen)")
    parser.add_argument("--annotate", metavar="DIR", help="write copies with the faces drawn in")
    parser.add_argument(
        "--no-detect", action="store_true", help="each image already is one face: do not search"
    )
    parser.add_argument(
        "--max-side",
        type=int,
        default=800,
        help="longest side in pixels of the copy that is searched (default: 800); more finds "
        "smaller faces and takes longer",
    )
    add_model_options(parser)
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    started = time.perf_counter()
    recogniser = load_recogniser(options, options.max_side)
    files = images.find(options.images)
    skipped: list[tuple[Path, str]] = []
    read: list[Path] = []
    shapes: list[tuple[int, int]] = []

    def readable() -> Iterator[np.ndarray]:
        """The images one at a time, so that a folder of photographs never is in memory whole."""
        for file in files:
            try:
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
        results = [
            [Face(**vars(e), box=(0, 0, width, height), score=1.0)]
            for e, (height, width) in zip(expressions, shapes, strict=True)
        ]
    else:
        results = recogniser.predict(readable())
    seconds = time.perf_counter() - started

    answers = list(zip(read, results, strict=True))
    if answers and "-" not in (options.json, options.csv):
        print_table(answers)
    model = f"{recogniser.model.path} ({recogniser.model.engine})"
    if options.json:
        put(options.json, as_json(answers, skipped, model))
    if options.csv:
        write_csv(options.csv, answers, recogniser.classes)
    if options.annotate:
        annotate(answers, options.images, Path(options.annotate))
    print(summary(answers, skipped, seconds, model), file=sys.stderr)
    if not read:
        raise UserError(f"none of the {len(files)} files could be read as an image")


def print_table(answers: list[tuple[Path, list[Face]]]) -> None:
    rows = [("image", "box (x y w h)", "expression", "confidence")]
    for file, faces in answers:
        if not faces:
            rows.append((str(file), "-", "no face", "-"))
        for face in faces:
            box = " ".join(map(str, face.box))
            rows.append((str(file), box, face.label, f"{face.confidence:.1%}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
        if number == 0:
            print("  ".join("-" * width for width in widths))


def as_json(
    answers: list[tuple[Path, list[Face]]], skipped: list[tuple[Path, str]], model: str
) -> str:
    value = {
        "model": model,
        "images": [
            {"file": str(file), "faces": [dataclasses.asdict(face) for face in faces]}
            for file, faces in answers
        ],
        "skipped": [{"file": str(file), "reason": reason} for file, reason in skipped],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def write_csv(
    target: str, answers: list[tuple[Path, list[Face]]], classes: tuple[str, ...]
) -> None:
    head = ["file", "x", "y", "width", "height", "score", "label", "confidence", *classes]
    rows = [
        [file, *face.box, face.score, face.label, face.confidence, *face.probabilities.values()]
        for file, faces in answers
        for face in faces
    ]
    if target == "-":
        csv.writer(sys.stdout).writerows([head, *rows])
        return
    with replacing(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


def put(target: str, words: str) -> None:
    if target == "-":
        print(words)
    else:
        write_text(target, words + "\n")


def annotate(answers: list[tuple[Path, list[Face]]], given: list[str], folder: Path) -> None:
    """Draw into copies, which keep their place below the folder that was named."""
    roots = [Path(path) for path in given if Path(path).is_dir()]
    taken: set[Path] = set()
    for file, faces in answers:
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
    answers: list[tuple[Path, list[Face]]],
    skipped: list[tuple[Path, str]],
    seconds: float,
    model: str,
) -> str:
    faces = [face for _, found in answers for face in found]
    counts = ", ".join(f"{n} {name}" for name, n in Counter(f.label for f in faces).most_common())
    return (
        f"{plural(answers, 'image')}, {plural(faces, 'face')}{f' ({counts})' if counts else ''}, "
        f"{sum(not found for _, found in answers)} without a face, {len(skipped)} skipped; "
        f"{seconds:.2f} s with {model}"
    )


def plural(items: Sequence, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


if __name__ == "__main__":
    run_script(main)

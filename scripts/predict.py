"""Name expressions: of faces in photographs, or with a clip model of brief moments in videos."""

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
from keras_mer.runtime.options import add_model_options, load_recogniser
from keras_mer.runtime.recogniser import Face, Recogniser
from keras_mer.runtime.spotting import AGREEMENT, Moments, row
from keras_mer.runtime.spotting import write_csv as write_moments
from keras_mer.runtime.ui.overlay import draw_faces


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="A photograph without a face is an answer, not an error. A model that reads clips "
        "or flow takes videos and folders of numbered frames instead, and looks for brief "
        "expressions in them. Status: 0, or 2 when nothing could be read.",
    )
    parser.add_argument(
        "images", nargs="+", help="photographs (or clips), or folders that are searched"
    )
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
    clips = parser.add_argument_group("clips")
    clips.add_argument(
        "--whole",
        action="store_true",
        help="each clip was cut from onset to offset and shows one expression: do not search",
    )
    clips.add_argument(
        "--fps", type=float, help="frames a second (default: what a video says, 100 for folders)"
    )
    clips.add_argument(
        "--agreement",
        type=float,
        default=AGREEMENT,
        help="how well a face must come back to count as a moment, 0 to 1 (default: %(default)s)",
    )
    add_model_options(parser)
    return parser.parse_args()


def main() -> int | None:
    options = parse_arguments()
    started = time.perf_counter()
    recogniser = load_recogniser(options, options.max_side)
    if recogniser.card.task != "image":
        return of_clips(options, recogniser, started)
    files = images.find(options.images)
    skipped: list[tuple[Path, str]] = []
    read: list[Path] = []
    shapes: list[tuple[int, int]] = []

    def readable() -> Iterator[np.ndarray]:
        """The images one at a time, so that a folder of photographs never is in memory whole."""
        for file in files:
            try:
                if images.is_video(file):
                    raise UserError(f"{file}: a video, which make timeline reads with this model")
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


def of_clips(options: argparse.Namespace, recogniser: Recogniser, started: float) -> int:
    """The moments of each clip or video, printed and written like the faces of photographs."""
    if options.annotate:
        raise UserError("--annotate draws in photographs; make timeline draws a video's moments")
    reader = Moments(recogniser, agreement=options.agreement, cropped=options.no_detect)
    answers, skipped, blind = [], [], []
    for file in clip_reader.find(options.images):
        try:
            clip = clip_reader.open_film(file, options.fps)
            if options.whole:
                moments = [reader.whole(list(clip), clip.fps)]
            else:
                moments = reader.search(clip, clip.fps)
        except UserError as error:
            skipped.append((file, str(error)))
            print(f"skipped {error}", file=sys.stderr)
            continue
        if clip.fault:
            print(clip.fault, file=sys.stderr)
        if reader.blind:
            blind.append(file)
        answers.append((file, [row(moment, clip) for moment in moments]))
    found = [{"file": str(file), **one} for file, rows in answers for one in rows]
    model = f"{recogniser.model.path} ({recogniser.model.engine})"
    if answers and "-" not in (options.json, options.csv):
        print_moments(answers)
    if options.json:
        clips = [{"file": str(file), "moments": rows} for file, rows in answers]
        gone = [{"file": str(file), "reason": reason} for file, reason in skipped]
        value = {"model": model, "clips": clips, "skipped": gone}
        put(options.json, json.dumps(value, indent=2, ensure_ascii=False))
    if options.csv:
        write_moments(options.csv, found)
    counts = ", ".join(
        f"{n} {name}" for name, n in Counter(r["label"] for r in found).most_common()
    )
    print(
        f"{plural(answers, 'clip')}, {plural(found, 'moment')}{f' ({counts})' if counts else ''}, "
        f"{len(blind)} with frames without a face, {len(skipped)} skipped; "
        f"{time.perf_counter() - started:.2f} s with {model}",
        file=sys.stderr,
    )
    if not answers:
        raise UserError(f"none of the {len(skipped)} clips could be read")
    return 0


def print_moments(answers: list[tuple[Path, list[dict]]]) -> None:
    rows = [("clip", "onset", "apex", "offset", "expression", "confidence", "agreement")]
    for file, moments in answers:
        if not moments:
            rows.append((str(file), "-", "-", "-", "nothing brief", "-", "-"))
        for m in moments:
            times = (f"{m[name]:.2f} s" for name in ("onset", "apex", "offset"))
            sure = f"{m['confidence']:.1%}"
            rows.append((str(file), *times, m["label"], sure, f"{m['agreement']:.2f}"))
    print_rows(rows)


def print_table(answers: list[tuple[Path, list[Face]]]) -> None:
    rows = [("image", "box (x y w h)", "expression", "confidence")]
    for file, faces in answers:
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

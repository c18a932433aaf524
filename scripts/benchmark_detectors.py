"""Measure the face detectors on drawn photographs: faces found by size, non-faces, time."""

import argparse
import itertools
import time

import cv2
import numpy as np

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detect import make_detector
from keras_mer.runtime import benchmark
from keras_mer.synthetic import draw_photo

#: Width, height, people and number of the photographs.
SCENES = (
    (640, 480, 3, 10), (640, 480, 6, 8), (640, 480, 9, 8),
    (1280, 720, 4, 6), (1280, 960, 12, 6), (1600, 1200, 20, 5),
)  # fmt: skip
#: Side of the smallest face, pixels: each photograph is measured as drawn, and scaled down to it.
SMALLEST = 24
#: Bounds of the sizes that the table lists, pixels.
SIZES = (23, 32, 48, 64, 96, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Absolute times depend on the machine; compare ratios."
    )
    parser.add_argument(
        "--detectors", nargs="+", default=["yunet", "blazeface", "haar"], metavar="NAME"
    )
    parser.add_argument("--detector-model", help="file of the one detector that is measured")
    args = parser.parse_args()
    benchmark.use_one_core()
    groups = draw()
    ordinary = [draw_photo(1 + k % 4, 640, 480, seed=11, index=k) for k in range(24)]
    sizes = [f"{low} to {high} px" for low, high in itertools.pairwise(SIZES)]
    header = ["detector", "found", *sizes, "non-faces", "ms, ordinary photograph"]
    print("| " + " | ".join(header) + " |\n| --- |" + " ---: |" * (len(header) - 1))
    for name in args.detectors:
        try:
            detector = make_detector(name, args.detector_model)
        except UserError as error:
            print(f"{name}: left out ({error})")
            continue
        found, wrong, _ = measure(detector, groups)
        time_each = measure(detector, [(p.image, p.boxes) for p in ordinary])[2]
        side, hit = found.T
        shares = [
            hit[(side >= low) & (side < high)].mean() for low, high in itertools.pairwise(SIZES)
        ]
        cells = [*(f"{100 * share:.1f} %" for share in (hit.mean(), *shares)), wrong]
        print(f"| {name} | " + " | ".join(map(str, cells)) + f" | {time_each:.1f} |")
    print(f"\n{len(groups)} photographs of 3 to 20 people with {len(found):,} faces.")


def draw() -> list[tuple[np.ndarray, np.ndarray]]:
    """Photographs with the boxes of their faces: uint8 BGR, float (faces, 4)."""
    out = []
    for width, height, people, count in SCENES:
        for _ in range(count):
            photo = draw_photo(people, width, height, seed=7, index=len(out))
            out.append((photo.image, photo.boxes))
            factor = SMALLEST / photo.boxes[:, 2].min()
            if factor < 0.95:
                small = cv2.resize(
                    photo.image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
                )
                out.append((small, photo.boxes * factor))
    return out


def measure(detector, photographs) -> tuple[np.ndarray, int, float]:
    """(side and whether found of each face, number of non-faces, ms processor time each).

    A face is found by a box of half to twice its side whose center is within 0.4 sides of its own.
    """
    faces, wrong, spent = [], 0, 0.0
    for image, boxes in photographs:
        start = time.process_time()
        detections = detector.detect(image)
        spent += time.process_time() - start
        hit = np.zeros(len(boxes), bool)
        for detection in detections:
            x, y, side, height = detection.box
            center = np.array([x + side / 2, y + height / 2])
            away = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - center, axis=1) / boxes[:, 2]
            nearest = int(away.argmin())
            if away[nearest] < 0.4 and 0.5 < side / boxes[nearest, 2] < 2:
                hit[nearest] = True
            else:
                wrong += 1
        faces += zip(boxes[:, 2], hit, strict=True)
    return np.array(faces, float), wrong, 1000 * spent / len(photographs)


if __name__ == "__main__":
    run_script(main)

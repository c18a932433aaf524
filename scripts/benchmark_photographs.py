"""Measure detector and model on labeled photographs: found, rightly named, time.

The photographs lie in class folders (happy/a.jpg, sad/b.jpg); the largest face counts.
"""

import argparse
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.face.detect import PHOTO_SIDE
from keras_mer.runtime import benchmark, photographs
from keras_mer.runtime.options import add_model_options, load_recogniser


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path, help="folder with a folder for each class")
    add_model_options(parser)
    args = parser.parse_args()
    benchmark.use_one_core()
    recogniser = load_recogniser(args, PHOTO_SIDE)

    def label(image) -> str | None:
        faces = recogniser.predict(image)  # the largest first
        return faces[0].label if faces else None

    outcome = photographs.measure(label, photographs.labeled(args.photographs))
    print(f"{recogniser.card.name}, {recogniser.model.path.name}: {outcome.row()}")
    for name, share in outcome.recall.items():
        print(f"  {name:<10}{100 * share:6.1f} %")


if __name__ == "__main__":
    run_script(main)

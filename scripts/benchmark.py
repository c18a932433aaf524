"""Benchmark latency, training with and without the input pipeline, and photographs."""

import argparse
import json
import resource
import time
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.runtime.options import DEFAULT_MODEL

BACKBONES = [
    "MobileNetV3Small", "MobileNetV2", "MobileNetV3Large", "EfficientNetB0", "EfficientNetV2B0",
    "EfficientNetB3", "ResNet50V2", "ConvNeXtTiny", "VGG16",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Absolute times depend on the machine and its load; compare ratios.",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=Path(DEFAULT_MODEL),
        help="folder of an exported model (default: %(default)s)",
    )
    parser.add_argument("--steps", type=int, default=40, help="training steps of each measurement")
    parser.add_argument(
        "--rounds", type=int, default=3, help="repetitions of the alternating training measurements"
    )
    parser.add_argument(
        "--backbones",
        nargs="*",
        metavar="NAME",
        help="measure size and latency of the transfer model with these backbones instead "
        "(default: those in docs/transfer.md)",
    )
    parser.add_argument(
        "--resolution", type=int, default=96, help="input side of the backbones, pixels"
    )
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    args = parser.parse_args()
    if args.backbones is not None:
        pages = [backbones(args.backbones or BACKBONES, args.resolution)]
    else:
        pages = [
            latencies(args.model),
            training(args.model, args.steps, args.rounds),
            photographs(args.model),
        ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    pages.append(f"Peak memory of this process: {peak:.2f} GB.")
    text = "\n\n".join(pages)
    print(text)
    if args.out:
        from keras_mer.files import write_text

        write_text(args.out, text + "\n")


def latencies(folder: Path) -> str:
    """Latency of Keras and of each TFLite variant for one face, with one and two threads."""
    import numpy as np

    from keras_mer.evaluation import report
    from keras_mer.export import tflite
    from keras_mer.models import saving
    from keras_mer.runtime import card as cards
    from keras_mer.runtime.interpreter import TFLiteModel

    card = cards.read(folder)
    face = np.random.default_rng(0).integers(0, 256, (1, *card.input_shape), np.uint8)
    model = saving.load_model(folder)
    pixels = face.astype(np.float32)
    keras_ms = tflite.latency(lambda: model.predict_on_batch(pixels))
    rows = [
        [
            "Keras",
            f"{(folder / 'model.keras').stat().st_size / 1e6:.2f} MB",
            f"{keras_ms:.2f} ms",
            "-",
            "1.0",
        ]
    ]
    for name in card.variants:
        times = []
        for threads in (1, 2):
            lite = TFLiteModel(card.file(name), threads=threads)
            times.append(tflite.latency(lambda lite=lite: lite.predict(face), repeats=200))
        rows.append(
            [
                f"{name} ({lite.engine})",
                f"{card.file(name).stat().st_size / 1e6:.2f} MB",
                *(f"{t:.2f} ms" for t in times),
                f"{keras_ms / times[0]:.1f}",
            ]
        )
    header = ["one face", "size", "one thread", "two threads", "speedup over Keras"]
    return "## Latency (median)\n\n" + report.table(header, rows)


def backbones(names: list[str], resolution: int) -> str:
    """Size and latency of the transfer model by backbone, with random weights."""
    import tempfile

    import numpy as np

    from keras_mer import models
    from keras_mer.evaluation import report
    from keras_mer.export import tflite
    from keras_mer.models import cost
    from keras_mer.runtime.interpreter import TFLiteModel

    faces = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 1), np.uint8)
    rows = []
    for name in names:
        model = models.build("transfer", classes=7, backbone=name, resolution=resolution)
        cells = [
            name,
            f"{model.count_params() / 1e6:.2f} M",
            f"{cost.multiply_adds(model) / 1e6:.0f} M",
        ]
        for variant in ("float32", "int8"):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "model.tflite"
                full = models.with_probabilities(model)
                file.write_bytes(tflite.convert(full, variant, faces))
                lite = TFLiteModel(file, threads=1)
                ms = processor_ms(lambda lite=lite: lite.predict(faces[:1]))
                cells += [f"{file.stat().st_size / 1e6:.2f} MB", f"{ms:.2f} ms"]
        rows.append(cells)
        print(" ".join(cells), flush=True)
    header = ["backbone", "parameters", "multiply-adds", "float32", "one face", "int8", "one face"]
    title = f"## Backbones at {resolution} pixels (one face, one thread, median processor time)"
    return f"{title}\n\n{report.table(header, rows)}"


def processor_ms(call, repeats: int = 50, warmup: int = 5) -> float:
    """Median processor time of a call in this thread, milliseconds.

    Unlike wall-clock time it is not affected by other processes.
    """
    import numpy as np

    times = []
    for _ in range(warmup + repeats):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return 1000 * float(np.median(times[warmup:]))


def training(folder: Path, steps: int, rounds: int) -> str:
    """Training throughput of the model's recipe, from memory and through the input pipeline."""
    import numpy as np

    from keras_mer.config import recipe as recipes
    from keras_mer.data import pipeline
    from keras_mer.data.inputs import Samples
    from keras_mer.evaluation import report
    from keras_mer.training import phases, setup

    card = json.loads((folder / "card.json").read_text())
    recipe, classes = recipes.parse(card["training"]["recipe"], str(folder)), card["classes"]
    model = setup.build_model(recipe, classes)
    setup.compile_phase(model, phases.phases(recipe)[-1], steps)
    random = np.random.default_rng(0)
    batch = recipe.training.batch
    images = random.integers(0, 256, (batch * steps, *model.input_shape[1:]), np.uint8)
    labels = random.integers(0, len(classes), len(images))
    targets = np.eye(len(classes), dtype=np.float32)[labels]
    samples, rows = Samples(images, targets, labels, tuple(classes)), np.arange(len(images))
    variants = {
        "one cached batch": pipeline.batches(samples, rows[:batch], batch).cache().repeat(),
        "input pipeline with augmentation": pipeline.training_batches(
            samples, rows, batch, kind="image", augment=recipe.augment
        ),
    }
    speeds = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, data in variants.items():
            start = time.perf_counter()
            model.fit(data, steps_per_epoch=steps, verbose=0, shuffle=False)
            if turn:  # the first round traces the function
                speeds[name].append(batch * steps / (time.perf_counter() - start))
    best = {name: float(np.median(values)) for name, values in speeds.items()}
    plain = best["one cached batch"]
    rows = [[name, f"{v:.0f}", f"{100 * (1 - v / plain):.1f} %"] for name, v in best.items()]
    header = [f"training {model.name}, batch {batch}", "images/s", "overhead"]
    return f"## Training (median of {rounds} rounds)\n\n" + report.table(header, rows)


def photographs(folder: Path) -> str:
    """Detection, cropping and recognition in synthetic photographs of several sizes."""
    from keras_mer import synthetic
    from keras_mer.evaluation import report
    from keras_mer.export import tflite
    from keras_mer.runtime import Recogniser

    recogniser = Recogniser.load(folder)
    rows = []
    for width, height in ((640, 480), (1920, 1440), (4000, 3000)):
        photo = synthetic.draw_photo(3, width, height, seed=1).image
        found = len(recogniser.predict(photo))
        ms = tflite.latency(lambda photo=photo: recogniser.predict(photo), repeats=10, warmup=2)
        rows.append([f"{width}x{height}", f"{found} of 3", f"{ms:.0f} ms", f"{1000 / ms:.1f}"])
    header = ["photograph", "faces found", "median", "photographs/s"]
    return "## Prediction, detection included\n\n" + report.table(header, rows)


if __name__ == "__main__":
    run_script(main)

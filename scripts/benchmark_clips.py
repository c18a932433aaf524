"""Measure clip processing on one core: flow extraction, spotting, and each clip or flow model."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from keras_mer.cli import run_script

#: Size of the synthetic clip: that of CASME II's cropped faces.
WIDTH, HEIGHT, FPS, FRAMES = 280, 340, 200.0, 61
ONSET, APEX, OFFSET = 6, 26, 54


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Values are processor time on one core, independent of other load. Compare ratios "
        "rather than absolute values between machines.",
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="repetitions of each measurement (default: 5)"
    )
    parser.add_argument(
        "--models",
        nargs="*",
        metavar="NAME",
        help="models to measure (default: all of clips or flow)",
    )
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    args = parser.parse_args()

    import cv2

    from keras_mer import models
    from keras_mer.files import write_text

    cv2.setNumThreads(1)
    names = args.models or [n for n in models.names() if models.kind(n) != "image"]
    text = "\n\n".join([extraction(args.repeats), networks(names, args.repeats)])
    print(text)
    if args.out:
        write_text(args.out, text + "\n")


def extraction(repeats: int) -> str:
    """Time per clip from image files to flow: onset to apex, every frame, and a spotting window."""
    import cv2
    import numpy as np

    from keras_mer import synthetic
    from keras_mer.data import clips, flow_dataset
    from keras_mer.data.manifest import Manifest, Sample
    from keras_mer.evaluation import report
    from keras_mer.face import brief, motion
    from keras_mer.face.prepare import prepare
    from keras_mer.runtime.spotting import STEP_SECONDS, WINDOW_SECONDS

    drawn = synthetic.draw_clip(
        1, "surprise", 0.3, ONSET, APEX, OFFSET, FRAMES, FPS, size=HEIGHT, margin=0.1
    )
    left = (HEIGHT - WIDTH) // 2
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "clip"
        folder.mkdir()
        for number, frame in enumerate(drawn.frames):
            cv2.imwrite(str(folder / f"img{number}.jpg"), frame[:, left : left + WIDTH])
        sample = Sample("clip", "surprise", onset=ONSET, offset=OFFSET, fps=FPS)
        given = Sample("clip", "surprise", onset=ONSET, apex=APEX, offset=OFFSET, fps=FPS)
        manifest = Manifest((sample,), Path(root), ("surprise",))

        def every_frame(method: str) -> None:
            frames = prepare(clips.read(folder).images, fps=FPS).frames
            motion.flow_sequence(frames, method, previous=True)

        def window() -> None:
            brief.find(prepare(clips.read(folder).images, fps=FPS).frames, FPS)

        rows = []
        for name, run, frames in (
            ("onset-to-apex flow, apex given", lambda: flow_dataset.rise(manifest, given), FRAMES),
            ("the same, apex spotted", lambda: flow_dataset.rise(manifest, sample), FRAMES),
            ("flow of every frame, dis-fast", lambda: every_frame("dis-fast"), FRAMES),
            ("flow of every frame, dis", lambda: every_frame("dis"), FRAMES),
            (
                "spotting in a video",
                window,
                FRAMES * STEP_SECONDS / WINDOW_SECONDS,
            ),  # windows overlap
        ):
            seconds = float(np.median(timed(run, repeats)))
            speed = f"{frames / seconds:.0f} ({frames / seconds / FPS:.2f})"
            rows.append([name, f"{1000 * seconds:.0f} ms", f"{1 / seconds:.1f}", speed])
    title = f"## Clips of {FRAMES} frames, {WIDTH}x{HEIGHT}, from JPEG files"
    header = [
        "",
        "per clip",
        "clips per second",
        f"frames per second (of real time, {FPS:.0f} fps)",
    ]
    return f"{title}\n\n{report.table(header, rows)}"


def networks(names: list[str], repeats: int) -> str:
    """Time of training, prediction and TFLite inference for each model with its defaults."""
    import keras
    import numpy as np

    from keras_mer import models
    from keras_mer.evaluation import report
    from keras_mer.export import tflite
    from keras_mer.runtime.interpreter import TFLiteModel
    from keras_mer.training import device

    device.set_up("float32", 0, False)
    random, batch, rows = np.random.default_rng(0), 32, []
    for name in names:
        model = models.build(name, classes=3)
        pixels = random.integers(0, 256, (batch, *model.input_shape[1:]), np.uint8)
        x, y = pixels.astype(np.float32), np.eye(3, dtype=np.float32)[np.arange(batch) % 3]
        model.compile(
            "adam", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False
        )
        trained = timed(lambda model=model, x=x, y=y: model.train_on_batch(x, y), repeats)
        predicted = timed(lambda model=model, x=x: model.predict_on_batch(x), repeats)
        cells = [name, f"{model.count_params():,}"]
        cells += [f"{batch / float(np.median(times)):.0f}" for times in (trained, predicted)]
        with (
            tempfile.TemporaryDirectory() as folder,
            tflite.converter(models.with_probabilities(model), pixels) as convert,
        ):
            for variant in ("float32", "int8"):
                file = Path(folder) / f"{variant}.tflite"
                file.write_bytes(convert(variant))
                lite, one = TFLiteModel(file), pixels[:1]
                times = timed(lambda lite=lite, one=one: lite.predict(one), 50)
                cells.append(f"{1000 * np.median(times):.2f} ms")
        rows.append(cells)
    header = [
        "model", "parameters", "trained, clips per second", "predicted by Keras",
        "a window, TFLite float32", "int8",
    ]  # fmt: skip
    return f"## Models of clips and flow\n\n{report.table(header, rows)}"


def timed(run: Callable[[], object], repeats: int) -> list[float]:
    """Processor time of each call in seconds, after two warm-up calls."""
    times = []
    for turn in range(repeats + 2):
        start = time.process_time()
        run()
        if turn >= 2:
            times.append(time.process_time() - start)
    return times


if __name__ == "__main__":
    run_script(main)

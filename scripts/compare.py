"""Compare evaluated runs: scores, paired differences, model size, latency."""

import argparse
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Differences are to the first run. Latencies are measured on this machine, "
        "alternating between the models. Example: scripts/compare.py runs/demo "
        "runs/demo-transfer --split test",
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, evaluated on the split")
    parser.add_argument(
        "--split", default="test", choices=["validation", "test"], help="default: test"
    )
    parser.add_argument(
        "--no-tflite", action="store_true", help="skip size and latency of TFLite files"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/compare"), help="folder (default: %(default)s)"
    )
    args = parser.parse_args()
    if len(args.runs) < 2:
        raise UserError("expected at least two runs: RUNS='runs/a runs/b'")

    from keras_mer.evaluation import compare
    from keras_mer.files import write_json, write_text

    found = compare.compare([compare.read(run, args.split) for run in args.runs])
    for entry, run in zip(found["runs"], args.runs, strict=True):
        entry["training"] = compare.training_cost(run)
        entry |= model_cost(run)
    if not args.no_tflite:
        for entry, figures in zip(found["runs"], tflite(args.runs), strict=True):
            entry["tflite"] = figures
    page = compare.markdown(found, args.split)
    write_json(args.out / "compare.json", found)
    write_text(args.out / "compare.md", page)
    compare.draw(found, args.out / "compare.png", f"{len(args.runs)} runs on {args.split}")
    print(page.split("![")[0])
    print(f"wrote {args.out}")


def model_cost(run: Path) -> dict:
    """Parameters and multiply-adds of a run's model."""
    from keras_mer.models import cost, saving

    model = saving.load_model(run)
    return {"parameters": model.count_params(), "multiply_adds": cost.multiply_adds(model)}


def tflite(runs: list[Path], rounds: int = 5) -> list[dict]:
    """Size and latency of each run's float32 and int8 TFLite files."""
    import numpy as np

    from keras_mer.export import tflite as tflite_export
    from keras_mer.runtime.interpreter import TFLiteModel

    files = [{variant: lite_file(run, variant) for variant in ("float32", "int8")} for run in runs]
    models = [{variant: TFLiteModel(file) for variant, file in one.items()} for one in files]
    times: dict[tuple[int, str], list[float]] = {}
    for _ in range(rounds):  # alternating, so that other load affects all models alike
        for number, one in enumerate(models):
            for variant, model in one.items():
                face = np.zeros((1, *model.input_shape), np.uint8)
                ms = tflite_export.latency(lambda model=model, face=face: model.predict(face))
                times.setdefault((number, variant), []).append(ms)
    return [
        {
            variant: {
                "bytes": file.stat().st_size,
                "latency_ms": round(min(times[number, variant]), 3),
            }
            for variant, file in one.items()
        }
        for number, one in enumerate(files)
    ]


def lite_file(run: Path, variant: str) -> Path:
    """The run's TFLite file: that of `make export` in the run folder, or converted and kept."""
    from keras_mer import models
    from keras_mer.data import inputs
    from keras_mer.export import tflite as tflite_export
    from keras_mer.files import replacing
    from keras_mer.models import saving
    from keras_mer.training import run_folder

    exported, own = (run / name / f"model-{variant}.tflite" for name in ("export", "tflite"))
    model = run / "model.keras"
    for file in (exported, own):
        if file.is_file() and file.stat().st_mtime >= model.stat().st_mtime:
            return file
    print(f"{run}: converting to {variant} ...")
    keras_model = saving.load_model(run)
    recipe, manifest = run_folder.load_run(run)
    kind = models.kind(recipe.model)
    part = manifest.part("train")
    # About a hundred images are enough to calibrate int8.
    part = part.replace(part.samples[:: max(1, len(part) // 100)])
    images = inputs.load(part, kind, keras_model.input_shape[1:])
    with replacing(own) as temporary:
        temporary.write_bytes(tflite_export.convert(keras_model, variant, images))
    return own


if __name__ == "__main__":
    run_script(main)

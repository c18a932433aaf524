"""Grad-CAM heat maps of photographs, or mean heat maps of each class of a run."""

import argparse
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.runtime.options import DEFAULT_MODEL


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Warm colors mark evidence for the class. A map shows what the model used, not "
        "whether it is right. Example: scripts/explain.py photo.jpg --model "
        f"{DEFAULT_MODEL}",
    )
    parser.add_argument("images", nargs="*", help="photographs, or folders of photographs")
    parser.add_argument(
        "--model",
        type=Path,
        default=Path(DEFAULT_MODEL),
        help="folder of an exported model (default: %(default)s)",
    )
    parser.add_argument("--no-detect", action="store_true", help="each image is a face crop")
    parser.add_argument(
        "--class", dest="wanted", help="class to explain (default: the predicted class)"
    )
    parser.add_argument(
        "--run", type=Path, help="run folder, instead of photographs: mean maps by class"
    )
    parser.add_argument(
        "--split", choices=["train", "validation", "test"],
        help="of the run (default: validation if the run has one, else train)",
    )  # fmt: skip
    parser.add_argument("--count", type=int, default=100, help="samples per class, with --run")
    parser.add_argument(
        "--layer", help="layer of the feature map (default: the last of 5x5 or more)"
    )
    parser.add_argument(
        "--pooled", action="store_true", help="average gradients over the map (original Grad-CAM)"
    )
    parser.add_argument(
        "--out", type=Path, help="folder to write (default: RUN/explain-SPLIT, or explained)"
    )
    args = parser.parse_args()
    if bool(args.run) == bool(args.images):
        raise UserError("expected either photographs or a run (--run RUN)")
    of_run(args) if args.run else of_photographs(args)


def of_run(args: argparse.Namespace) -> None:
    """Write a grid of samples by class and a grid of the classes' mean maps."""
    from keras_mer import models
    from keras_mer.data import drawn
    from keras_mer.evaluation.explain import explain
    from keras_mer.models import saving
    from keras_mer.training import run_folder

    args.run = drawn.run_folder(args.run)
    recipe, manifest = run_folder.load_run(args.run)
    split = args.split or ("validation" if manifest.counts("split")["validation"] else "train")
    files = explain(
        saving.load_model(args.run, manifest.classes),
        manifest,
        split,
        args.out or args.run / f"explain-{split}",
        kind=models.kind(recipe.model),
        title=recipe.name,
        count=args.count,
        layer=args.layer,
        pooled=args.pooled,
    )
    print(f"wrote {', '.join(map(str, files))}")


def of_photographs(args: argparse.Namespace) -> None:
    """Write every face of every photograph with its heat map."""
    import numpy as np

    from keras_mer import images
    from keras_mer.errors import nearest
    from keras_mer.evaluation import gradcam
    from keras_mer.face.align import crop
    from keras_mer.face.detect import make_detector
    from keras_mer.labels import canonical
    from keras_mer.models import saving
    from keras_mer.runtime import card as cards

    card = cards.read(args.model)
    if card.task != "image":
        raise UserError(
            f"{args.model} takes {card.task} input, not photographs; explain its run: --run RUN"
        )
    model = saving.load_model(args.model, card.classes)
    wanted = None
    if args.wanted:
        if canonical(args.wanted) not in card.classes:
            raise UserError(
                f"--class {args.wanted}: unknown class{nearest(args.wanted, card.classes)}; known: "
                f"{', '.join(card.classes)}"
            )
        wanted = card.classes.index(canonical(args.wanted))
    detector = None if args.no_detect else make_detector()
    names, crops = [], []
    for file in images.find(args.images):
        photo = images.read(file)
        found = [photo]
        if detector is not None:
            boxes = [face.box for face in detector.detect(photo)]
            found = [crop(photo, box, card.face_margin) for box in boxes]
            print(f"{file}: {len(found) or 'no'} face{'s' * (len(found) != 1)}")
        crops += found
        names += [f"{file.stem}-{i}" if len(found) > 1 else file.stem for i in range(len(found))]
    if not crops:
        raise UserError("no face found; with --no-detect each image is taken as a face crop")
    x = np.stack([images.prepare(c, card.height, card.width, card.channels) for c in crops])
    classes = None if wanted is None else [wanted] * len(x)
    maps, probabilities = gradcam.grad_cam(model, x, classes, layer=args.layer, pooled=args.pooled)
    out = args.out or Path("explained")
    grid: dict[str, list] = {}
    for name, face, heat, p in zip(names, crops, maps, probabilities, strict=True):
        shown = card.classes[int(p.argmax()) if wanted is None else wanted]
        side = max(192, *face.shape[:2])
        large = images.prepare(face, side, side, 3)
        heat = np.clip(images.resize(heat[..., None], side, side)[..., 0], 0, 1)
        images.write(out / f"{name}-{shown}.png", gradcam.overlay(large, heat)[..., ::-1])
        caption = f"{name[:18]} {p[card.classes.index(shown)]:.0%}"
        grid.setdefault(shown, []).append((images.resize(large, 192, 192),
                                           images.resize(heat[..., None], 192, 192)[..., 0],
                                           caption))  # fmt: skip
    rows = [(name, grid[name][:8]) for name in card.classes if name in grid]
    gradcam.draw_grid(rows, out / "grid.png", f"{card.name}: evidence for each class")
    print(f"wrote {len(crops)} faces and grid.png to {out}/")


if __name__ == "__main__":
    run_script(main)

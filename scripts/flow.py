"""Turn a dataset of clips into a folder of flow images, or draw the motion of one clip."""

import argparse
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The folder is itself a dataset, of the source flow-images. Examples: "
        "scripts/flow.py --data casme2=data/casme2 --out data/casme2-flow; "
        "scripts/flow.py --data samm=data/samm --picture 006_1_2 --out motion.png",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="SOURCE=PATH",
        help="the dataset and its path; sources are casme2, smic, samm, megc2019, clips, ...",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the source, e.g. camera=NIR or frames=raw; repeatable",
    )
    parser.add_argument(
        "--vocabulary", help="megc3, casme5, ...: merge the classes (default: the source's own)"
    )
    parser.add_argument(
        "--out", required=True, help="folder to write, or the image file of --picture"
    )
    parser.add_argument("--picture", metavar="CLIP", help="draw flow and strain of this clip only")
    parser.add_argument(
        "--side", type=int, default=28, help="side of the flow images in pixels (default: 28)"
    )
    parser.add_argument(
        "--face-side",
        type=int,
        default=128,
        help="side in pixels of the face crops for which flow is computed (default: 128)",
    )
    parser.add_argument(
        "--face-margin",
        type=float,
        default=0.15,
        help="share of the face's side that is added on each side (0.15)",
    )
    parser.add_argument("--method", default="dis", help="dis (default), dis-fast or farneback")
    parser.add_argument("--keep-head", action="store_true", help="do not remove head motion")
    parser.add_argument(
        "--detector",
        default="haar",
        help="haar (default, so that the data are the same on every machine), yunet or blazeface",
    )
    parser.add_argument("--detector-model", metavar="FILE", help="the detector's file")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a folder that is not empty"
    )
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    if args.side < 4 or args.face_side < 32:
        raise UserError("--side takes 4 pixels or more, --face-side 32")

    from keras_mer import images, labels
    from keras_mer.data import flow_dataset, sources
    from keras_mer.face import flow_plot, motion
    from keras_mer.face.detect import make_detector
    from keras_mer.progress import console, track

    options = {}
    for text in args.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set {text}: expected key=value, e.g. camera=NIR")
        options[key] = value
    source, equals, path = args.data.partition("=")
    if not equals:
        raise UserError(f"--data {args.data}: expected SOURCE=PATH, e.g. casme2={args.data}")
    manifest = sources.load(source, path, **options)
    if args.vocabulary:
        manifest = sources.relabel(manifest, labels.vocabulary(args.vocabulary))
    how = {
        "side": args.face_side,
        "margin": args.face_margin,
        "method": args.method,
        "head": not args.keep_head,
        "detector": make_detector(args.detector, args.detector_model),
    }
    if args.picture:
        sample = flow_dataset.find(manifest, args.picture)
        moved = flow_dataset.rise(manifest, sample, **how)
        images.write(args.out, flow_plot.draw(moved.onset, moved.apex, moved.flow, moved.strain))
        onset, apex = moved.numbers
        console.print(
            f"{sample.path} ({sample.label}): onset {onset}, apex {apex}"
            f"{' (spotted)' if moved.spotted else ''}, motion "
            f"{100 * motion.amplitude(moved.flow):.2f} % of the face's width; wrote {args.out}",
            markup=False,
        )
        return
    dropped = [s for s in manifest if s.split == "dropped"]
    count, failed = flow_dataset.write(
        manifest, args.out, image_side=args.side, overwrite=args.overwrite, progress=track, **how
    )
    for note in [s.note for s in dropped][:5] + [f"{p}: {why}" for p, why in failed][:5]:
        console.print(f"left out: {note}", markup=False)
    console.print(
        f"wrote {count:,} flow images to {Path(args.out)}; left out {len(dropped) + len(failed):,}",
        markup=False,
    )


if __name__ == "__main__":
    run_script(main)

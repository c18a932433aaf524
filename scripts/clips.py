"""Draw clips of micro-expressions in the layout of a dataset, with its annotation files."""

import argparse
from pathlib import Path

from keras_mer.cli import run_script


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Every subject shows every class of the layout if it has as many clips. Example: "
        "scripts/clips.py --layout samm --out /tmp/samm --count 100 --subjects 10",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--layout", choices=["casme2", "smic", "samm"], default="samm", help="default: %(default)s"
    )
    parser.add_argument("--count", type=int, default=100, help="number of clips (%(default)s)")
    parser.add_argument("--subjects", type=int, default=10, help="number of people (%(default)s)")
    parser.add_argument("--classes", nargs="+", help="default: those of the layout")
    parser.add_argument(
        "--intensity", type=float, default=0.3, help="at the apex, 0 to 1 (%(default)s)"
    )
    parser.add_argument(
        "--duration",
        type=float,
        nargs=2,
        default=(0.04, 0.5),
        metavar=("SHORTEST", "LONGEST"),
        help="from onset to offset in seconds (0.04 0.5)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        help="frames per second: smic has cameras of 100 (default) and 25, the others 200",
    )
    parser.add_argument("--size", type=int, default=96, help="side in pixels (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of people and clips (%(default)s)")
    parser.add_argument("--jobs", type=int, help="processes (default: one a core)")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder with files")
    args = parser.parse_args()

    from keras_mer.data import drawn
    from keras_mer.progress import console

    options = {
        name: getattr(args, name)
        for name in ("count", "subjects", "intensity", "duration", "size", "seed", "overwrite")
    }
    optional = {"classes": args.classes, "jobs": args.jobs}
    options |= {name: value for name, value in optional.items() if value is not None}
    if args.fps is not None:
        options |= drawn.camera(args.layout, args.fps)
    count = drawn.write(args.layout, args.out, **options)
    console.print(f"wrote {count:,} clips to {args.out}", markup=False)


if __name__ == "__main__":
    run_script(main)
